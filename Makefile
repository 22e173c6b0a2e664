# Two commands do it all: `make reproduce` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(CURDIR)/$(VENV)/bin
CORES ?= all
CONFIG ?= config/config.yaml
# A worker a core, eight at most; a file's tests share their fixtures and stay with one worker.
PARALLEL := --numprocesses logical --maxprocesses 8 --dist loadfile

.PHONY: help reproduce test slow e2e slurm lint style types docs environment generated lock reference-tables photographs \
	rulegraph clean

help:  ## this list
	@grep --extended-regexp '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/:/' | column --table --separator ':'

reproduce: $(VENV)/.installed  ## from nothing to the comparison table, figures and report
	@$(BIN)/thedit config check $(CONFIG)
	$(BIN)/snakemake --cores $(CORES) --configfile $(CONFIG)
	@$(BIN)/thedit table --config $(CONFIG)
	@echo "Everything of the run lies beside that file: report.html, figures/, predictions/, methods/, ..."

test: $(VENV)/.installed  ## the test suite
	$(BIN)/pytest $(PARALLEL)

slow: $(VENV)/.installed  ## that the model learns: trainings of some minutes
	$(BIN)/pytest -m slow

e2e: $(VENV)/.installed  ## one small run from end to end, with its own checks
	$(BIN)/pytest -m e2e --capture=no

slurm: $(VENV)/.installed  ## the same on a Slurm of one node, which it starts; needs slurmctld, slurmd, munge
	$(BIN)/pytest -m slurm --capture=no -rs

lint: style types  ## style, types, workflow

style: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check workflow
	$(BIN)/snakemake --lint

types: $(VENV)/.installed
	$(BIN)/mypy

docs: $(VENV)/.installed  ## the documentation as a site: build/site/index.html
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build

generated: $(VENV)/.installed  ## files that follow from others: schema, default configuration, environment.yml
	$(BIN)/thedit config schema > workflow/schemas/config.schema.json
	$(BIN)/thedit config defaults > config/config.yaml
	sed --in-place '/- pip:/q' environment.yml
	sed --quiet 's/^\([^ #]*==[^ ]*\).*/      - \1/p' requirements.lock >> environment.yml

lock:  ## requirements.lock anew, from the ranges of pyproject.toml; versions that it has already stay: see CONTRIBUTING.md
	$(BIN)/uv pip compile --quiet pyproject.toml --all-extras --generate-hashes --python-version 3.11 \
		--python-platform x86_64-manylinux_2_28 --no-header --no-annotate --output-file requirements.lock
	sed --in-place '1i # Every package of the environment, pinned and hashed (Python 3.11, Linux x86-64). Made with: make lock' requirements.lock

reference-tables: $(VENV)/.installed  ## tables, figures and pages of the reference runs, from what is committed of them
	$(BIN)/thedit reference

photographs: $(VENV)/.installed data/assets/heads.safetensors  ## pictures and scores of docs/photographs.md, from the default weights
	$(BIN)/thedit heads render --config config/photographs.yaml --out data/photographs --split test
	$(BIN)/python docs/photographs/make.py data/photographs/videos/test-0001/00.mp4

data/assets/heads.safetensors: | $(VENV)/.installed
	$(BIN)/thedit heads assets --out $@

rulegraph: $(VENV)/.installed  ## docs/rulegraph.png; needs graphviz
	$(BIN)/snakemake --forceall --rulegraph dot | dot -Tpng -Gdpi=110 -Gfontname=DejaVuSans -Grankdir=LR -o docs/rulegraph.png

environment: $(VENV)/.installed  ## the environment only

$(VENV)/.installed: requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --requirement requirements.lock
	$(BIN)/pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

clean:  ## removes the environment and everything that the workflow made
	rm -rf $(VENV) .snakemake logs data/assets data/annyheads-quick data/annyheads-test data/photographs results/quick results/test
