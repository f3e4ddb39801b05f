"""One module per command: what `pipeline/cli*.py` call once the arguments are known."""
