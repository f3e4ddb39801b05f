"""``python -m regionfuse`` is the ``regionfuse`` command."""

from regionfuse.pipeline.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
