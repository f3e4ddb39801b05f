"""Evaluation from stored predictions: files in, tables out, no model run."""
