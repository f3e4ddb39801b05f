"""Vector drawings, one a file; each returns SVG text."""
