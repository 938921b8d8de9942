# `make demo` and `make test` work on a machine that has Python 3.11, pip and make; nothing else is assumed.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help demo test lint

help:
	@echo "make demo   train a resume reader on the bundled sample resumes, measure it, write a release (minutes)"
	@echo "make test   run the tests"
	@echo "make lint   check style and types"

$(BIN)/.demo: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --disable-pip-version-check -q -c constraints.txt -e ".[offline]"
	touch $@

$(BIN)/.dev: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --disable-pip-version-check -q -c constraints.txt -e ".[dev]"
	touch $@

demo: $(BIN)/.demo
	$(BIN)/accelerate launch --config_file recipes/accelerate/one-process.yaml recipes/ner.py

test: $(BIN)/.dev
	$(BIN)/pytest -n 2

lint: $(BIN)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
