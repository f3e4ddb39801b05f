# `make demo` and `make test` set everything up themselves: Python >= 3.10, git and make are all they need.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready

.PHONY: demo test lint format setup clean

demo: $(STAMP)
	@$(BIN)/regionfuse demo --out demo

test: $(STAMP)
	@$(BIN)/python -m pytest -n auto --dist loadgroup

lint: $(STAMP)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@mkdir -p $(VENV)/source && ln -sfn ../.. $(VENV)/source/regionfuse
	@cd $(VENV)/source && ../bin/mypy --config-file ../../pyproject.toml -p regionfuse

format: $(STAMP)
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

setup: $(STAMP)

# Done once, and again only when what is installed changes.
$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
	  { echo "error: regionfuse needs Python >= 3.10, found `$(PYTHON) --version 2>&1`; use make PYTHON=python3.11 ..." >&2; exit 1; }
	@echo "setting up $(VENV) (once; torch brings about 6 GB)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	@touch $(STAMP)

clean:
	rm -rf $(VENV) build *.egg-info demo
