# Two commands do it all: `make reproduce` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CORES ?= all

.PHONY: reproduce test lint environment clean

reproduce: $(VENV)/.installed  ## from nothing to the comparison table
	$(BIN)/snakemake --cores $(CORES)
	@$(BIN)/thedit table

test: $(VENV)/.installed  ## the test suite
	$(BIN)/pytest

lint: $(VENV)/.installed  ## style, types, workflow
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/snakefmt --check workflow
	$(BIN)/snakemake --lint

environment: $(VENV)/.installed

$(VENV)/.installed: requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --requirement requirements.lock
	$(BIN)/pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

clean:  ## removes the environment and everything the pipeline made
	rm -rf $(VENV) .snakemake data/assets results/quick
