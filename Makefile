# Every command for GiLo. `make help` lists them.
SHELL := /bin/sh
.DEFAULT_GOAL := help
.PHONY: help setup setup-dev run stop test lint types unit bench lock clean

# The first Python that is new enough; name another with `make run PYTHON=/path/to/python`.
PYTHON ?= $(shell for name in python3 python3.14 python3.13 python3.12 python3.11 python; do \
	"$$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo "$$name"; break; }; done)
BIN := .venv/bin
PACKAGES := core accounts llm billing agents knowledge chat store integrations gilo

help: ## List these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup:
	@test -n "$(PYTHON)" || { echo "GiLo needs Python 3.11 or newer; none was found." >&2; exit 1; }
	@$(PYTHON) scripts/setup.py

setup-dev:
	@test -n "$(PYTHON)" || { echo "GiLo needs Python 3.11 or newer; none was found." >&2; exit 1; }
	@$(PYTHON) scripts/setup.py --dev

run: setup ## Install what is missing, then start everything on http://localhost:8000 (PORT=… to change)
	@exec $(BIN)/python manage.py start

stop: ## Stop a database server that a killed process left behind
	@exec $(BIN)/python manage.py stop

test: setup-dev lint types unit ## Set up, then lint, check types and run every test

lint: ## Style, formatting and the layers between apps
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/lint-imports --no-cache > .build/lint-imports.log || { cat .build/lint-imports.log; exit 1; }

types: ## mypy, strict
	@$(BIN)/mypy --num-workers 2 $(PACKAGES)

unit: ## All tests, without the set-up and the checks before them
	@scripts/test.sh

bench: setup-dev ## Run the benchmarks (minutes); results go to docs/benchmarks.md by hand
	@scripts/bench.sh

lock: setup ## Resolve requirements/*.in anew into hash-pinned locks
	@$(PYTHON) scripts/lock.py

clean: ## Remove what set-up made; data in .data stays
	@rm -rf .venv .build node_modules .mypy_cache .ruff_cache
