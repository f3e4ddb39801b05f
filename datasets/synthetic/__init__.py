"""Procedural infrared-visible road scenes in M3FD's format.

The set shows that the pipeline works, not how good a method is.
"""
