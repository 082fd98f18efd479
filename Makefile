# Each target makes what it needs: `make demo` and `make test` run on a fresh clone with Python 3.11 and nothing else.

PYTHON ?= $(firstword $(foreach name,python3.11 python3.12 python3.13 python3 python,$(shell command -v $(name))))
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest
# Half of a test is compiling what runs once: code that is not optimised takes a quarter less time in all.
# `make test-all`, and the wheel's tests in CI, run what users run.
QUICK := XLA_FLAGS=--xla_backend_optimization_level=0

.PHONY: help demo test doctest test-all lint docs docs-serve bench bench-emlp bench-calibration paper paper-full wheel clean

help:  ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 12

demo: $(VENV)/installed  ## the main job on real data: the laws of the planets, and a page to look at
	$(BIN)/python examples/planets/demo.py

test: $(VENV)/installed-test  ## the tests: everything but the full-size cases and the documentation's examples
	$(QUICK) $(PYTEST) -m "not slow and not docs" --numprocesses auto --maxprocesses 4 tests

doctest: $(VENV)/installed-test  ## the examples of the sources, the README and the documentation
	$(PYTEST) --numprocesses auto --maxprocesses 4 --doctest-modules src tests/test_docs.py

test-all: $(VENV)/installed-test $(VENV)/installed-docs  ## every test, and the documentation built strictly
	$(PYTEST) --numprocesses auto --maxprocesses 4 --doctest-modules tests src
	$(BIN)/mkdocs build --quiet --strict

lint: $(VENV)/installed-test  ## style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright

docs: $(VENV)/installed-docs  ## the documentation, into site/
	$(BIN)/mkdocs build --strict

docs-serve: $(VENV)/installed-docs  ## the documentation, rebuilt as you write
	$(BIN)/mkdocs serve

bench: $(VENV)/installed-test  ## every benchmark: ratios on the terminal, JSON in out/bench/
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/run.py

bench-calibration: $(VENV)/installed-test  ## how often each rule invents a symmetry: adds what is missing, writes the docs' table
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/bench_calibration.py --docs
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/calibration_classes.py --docs

bench-emlp: $(VENV)/installed-test  ## equivariant maps against EMLP, which gets a Python of its own
	$(PYTHON) -m venv .venv-emlp
	.venv-emlp/bin/python -m pip --disable-pip-version-check install --quiet emlp==1.0.3 six objax 'jax<=0.9.2'
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/hom_vs_emlp.py --emlp-python .venv-emlp/bin/python
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/emlp_step.py --emlp-python .venv-emlp/bin/python

# The full runs add what is missing to the results that come with the repository, so both draw their figures at once.
# From nothing: make paper-full RESULTS=out/mine
PUBLISHED ?=
RESULTS ?= examples/paper/results
PAPER := OMP_NUM_THREADS=1 $(BIN)/python examples/paper
COMPARED := $(if $(PUBLISHED),--published $(PUBLISHED))

paper: $(VENV)/installed  ## the paper's two experiments, small: minutes (PUBLISHED=FOLDER compares with the authors' tables)
	$(PAPER)/pendulum.py --figure out/paper/pendulum.svg
	$(PAPER)/recovery.py $(COMPARED)

paper-full: $(VENV)/installed  ## both whole, hours from nothing: adds what is missing to RESULTS, figures in out/paper/
	$(PAPER)/pendulum.py --full --results $(RESULTS)/pendulum_full.json --figure out/paper/pendulum_full.svg
	$(PAPER)/recovery.py --full --results $(RESULTS) --figure out/paper/recovery_full.svg $(COMPARED)

wheel: $(VENV)/installed-test  ## the wheel, into dist/
	$(BIN)/python -m build --wheel --outdir dist .

clean:  ## remove everything that the targets above made
	rm -rf $(VENV) dist build site out

$(VENV)/installed: pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "No Python found: install Python 3.11 or newer, or say make PYTHON=/path/to/python"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "$(PYTHON) is older than 3.11: say make PYTHON=/path/to/python3.11"; exit 1; }
	@echo "Installing isotropy into $(VENV) (a few hundred MB, once)"
	$(PYTHON) -m venv $(VENV)
	$(PIP) --editable .
	@touch $@

$(VENV)/installed-test: $(VENV)/installed
	$(PIP) --editable '.[test]'
	@touch $@

$(VENV)/installed-docs: $(VENV)/installed
	$(PIP) --editable '.[docs]'
	@touch $@
