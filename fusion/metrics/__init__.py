"""Fusion-quality metrics: what a fused image kept of its two sources, as numbers."""
