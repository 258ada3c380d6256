# make report: everything from nothing to the demo reports.  make test: everything from nothing to green tests.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help install report test test-fast simulations selfcheck lint types check demo lock notebooks clean

help:
	@echo "make report     set up and write the demo reports (three programmes, two languages)"
	@echo "make test       set up and run the tests"
	@echo "make test-fast  the quick tests"
	@echo "make simulations  the long simulations of sizes, of which make test runs small versions"
	@echo "make selfcheck  evaluate worlds with a known truth and record how often what is said: about three quarters of an hour; goes on where it stopped"
	@echo "make lint types style and types"
	@echo "make demo       regenerate the simulated data in data/demo"
	@echo "make notebooks  execute the committed notebooks again on the demo data"
	@echo "make lock       resolve requirements.lock again"

install: $(STAMP)

$(STAMP): requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $(STAMP)

report: $(STAMP)
	$(BIN)/evalkit demo

test: $(STAMP) lint types
	$(BIN)/python -m pytest -n 2 -m "not simulation"
	$(BIN)/python -m pytest -n 2 --dist loadscope --nbval --nbval-sanitize-with tests/notebook_sanitise.cfg --no-header -q notebooks/*.ipynb

test-fast: $(STAMP)
	$(BIN)/python -m pytest -n 2 -m "not slow and not simulation" -q

simulations: $(STAMP)
	$(BIN)/python -m pytest -n 2 -m simulation

selfcheck: $(STAMP)
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m evalkit.selfcheck --seeds 200 --matrix 200 --jobs 2

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP)
	$(BIN)/mypy

demo: $(STAMP)
	$(BIN)/python -m evalkit.demo data/demo

notebooks: $(STAMP)
	$(BIN)/python -m evalkit.run notebooks

lock:
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-annotate --no-header \
	  --all-extras pyproject.toml build-requirements.in --python-version 3.11 -o requirements.lock

clean:
	rm -rf $(VENV) outputs/* .pytest_cache .mypy_cache .ruff_cache
