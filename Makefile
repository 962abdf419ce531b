# Every target sets up what it needs: a fresh machine with Python >= 3.11 and make is enough.
.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
ARGS ?=
ONLY ?=

.PHONY: help demo test lint format bench soak parity docs lock clean

help:  ## list the commands
	@awk 'BEGIN {FS = ":.*## "} /^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(READY): requirements.lock pyproject.toml
	@echo "Setting up .venv (once) ..."
	@$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else "Headwater needs Python 3.11 or newer; this is " + sys.version.split()[0] + ". Name another one: make PYTHON=python3.12 ...")'
	@$(PYTHON) -m venv --clear .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

demo: $(READY)  ## run the exchange on half an hour of real order flow (ARGS="--limit 50000" for a part)
	@$(BIN)/headwater demo exchange $(ARGS)

test: $(READY)  ## run every test (ARGS="-k name" for some)
	@$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist worksteal $(ARGS)

lint: $(READY)  ## check style, types and the direction of imports
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: $(READY)  ## rewrite the sources in the project's style
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

bench: $(READY)  ## measure, beside the peers (ONLY=store for a part)
	@$(BIN)/python -m bench $(ONLY)

soak: $(READY)  ## the long runs that would make the test suite slow
	@$(BIN)/python -m pytest -m soak --timeout 3600 $(ARGS)

parity: $(READY)  ## rows of docs/rows.toml that tests prove; writes docs/parity.md
	@$(BIN)/python -m headwater.testing.rows

docs: $(READY)  ## run every command and every example that the documents print
	@$(BIN)/python -m pytest tests/docs $(ARGS)

lock: $(READY)  ## pin the dependencies anew from pyproject.toml
	@$(BIN)/python -m pip install --quiet pip-tools==7.6.2
	@$(BIN)/pip-compile --quiet --extra dev --generate-hashes --strip-extras --no-emit-index-url --no-emit-trusted-host --no-emit-find-links --no-header --allow-unsafe --output-file requirements.lock pyproject.toml
	@sed -i.old 's/^\(pgserver==[^ ;]*\) \\$$/\1 ; python_version < "3.13" \\/' requirements.lock && rm requirements.lock.old  # it drops this marker

clean:  ## remove the environment and all caches
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache dist
