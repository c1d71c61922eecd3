# The one door. Each target does its own set-up in .venv; nothing else is needed than Python 3.11+ and make.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check

.DEFAULT_GOAL := help
.PHONY: help setup serve test check docs-test parity bench clean

help:          ## Show the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

# The serving install: what `make serve` needs and no more.
$(VENV)/.serve: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(PIP) install -q -c constraints.txt -e .
	@touch $@

# The developer's install: the same, with the tools and the extras that the tests use.
$(VENV)/.dev: $(VENV)/.serve
	$(PIP) install -q -U 'pip>=25.1'
	$(PIP) install -q -c constraints.txt -e '.[train,tune,sklearn,erlang,bench]' --group dev
	@touch $@

setup: $(VENV)/.dev  ## Make .venv with everything that check and test need

serve: $(VENV)/.serve  ## Serve sentiment on http://127.0.0.1:8000; ARGS='--port 8080' for another port
	$(BIN)/pulse serve $(ARGS)

check: $(VENV)/.dev  ## Format, lint, types, import rules, house rules
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/codespell src tests docs README.md CONTRIBUTING.md SECURITY.md CHANGELOG.md
	$(BIN)/lint-imports
	$(BIN)/pyright
	$(BIN)/pytest -q -n 2 tests/test_house_rules.py

# Tests keep what they convert away from the user's own cache.
test parity: export PULSE_CACHE_DIR := $(CURDIR)/$(VENV)/cache

test: $(VENV)/.dev  ## Every test: unit, property, process, docs
	$(BIN)/pytest -q -n 2 --dist worksteal
	$(BIN)/pytest -q -p no:randomly --doctest-modules src/pulse_ai
	$(BIN)/pytest -q -p no:randomly --timeout 120 docs README.md CONTRIBUTING.md

# transformers and torch are only here to be compared with; they live in a venv of their own.
.venvs/parity/.done: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venvs/parity
	.venvs/parity/bin/python -m pip install -q -U 'pip>=25.1'
	.venvs/parity/bin/python -m pip install -q -c constraints.txt torch==2.13.0 transformers -e . --group dev
	@touch $@

parity: .venvs/parity/.done  ## Compare the hub's answers with transformers (installs torch)
	.venvs/parity/bin/pytest -q tests/parity

bench: $(VENV)/.dev  ## Measure the figures of this machine into benchmarks/results/
	$(BIN)/python -m benchmarks.noop
	$(BIN)/python -m benchmarks.spine

clean:         ## Remove environments and caches
	rm -rf .venv .venvs build dist .pytest_cache .ruff_cache .hypothesis .import_linter_cache
