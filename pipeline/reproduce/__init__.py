"""The experiments of the RegionFuse paper as commands: ``regionfuse reproduce NAME``."""
