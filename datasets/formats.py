"""Names of the data-set formats that can be read; imports nothing, so that the command line stays quick."""

from __future__ import annotations

FORMATS: tuple[str, ...] = ("m3fd", "llvip", "flir", "msrs", "roadscene", "tno", "folders")
UNLABELLED: tuple[str, ...] = ("msrs", "roadscene", "tno", "folders")
"""Formats without boxes: fusion networks can be trained on them, detectors cannot."""
