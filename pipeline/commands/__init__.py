"""One module per command: what `pipeline/cli.py` calls once the arguments are known."""
