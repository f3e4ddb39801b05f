"""regionfuse: infrared-visible image fusion, judged by what a detector makes of it."""

__version__ = "0.1.0"
