# Each target does its own set-up: a machine with Python 3.11 and make is enough.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.formerkit-ready
TEST_READY := $(VENV)/.formerkit-test-ready
DEV_READY := $(VENV)/.formerkit-dev-ready
ARGS ?=

.PHONY: train test bench lint clean

train: $(READY)
	$(BIN)/python -m pointdet.train configs/lion_kitti.yaml $(ARGS)

# Processes, each with one thread, instead of threads: tests are many and small. `ARGS=-n0` runs them in one process.
test: $(TEST_READY)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --maxprocesses=4 --dist=loadfile $(ARGS)

bench: $(TEST_READY)
	$(BIN)/python -m benchmarks.run $(ARGS)

lint: $(DEV_READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(READY): $(BIN)/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install -q -c constraints.txt -e .
	@touch $@

$(TEST_READY): $(BIN)/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install -q -c constraints.txt -e '.[test]'
	@touch $@ $(READY)

$(DEV_READY): $(BIN)/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install -q -c constraints.txt -e '.[dev]'
	@touch $@ $(TEST_READY) $(READY)

clean:
	rm -rf $(VENV) build dist *.egg-info
