# Everything a newcomer types. The work is done in dev/, by programs of their own.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# Any Python that is new enough starts things off; from then on it is the virtual environment's.
VENV := .venv/bin
FIND_PYTHON = for name in $(VENV)/python python3 python3.14 python3.13 python3.12 python3.11 python3.10; do \
	if $$name -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; then \
	echo $$name; exit; fi; done; echo python-3.10-or-newer
PYTHON ?= $(shell $(FIND_PYTHON))

# The example to show, and more words for pytest: make test ARGS="-k workspace -x"
EXAMPLE ?= $(patsubst %/,%,$(dir $(firstword $(wildcard examples/*/pyproject.toml))))
ARGS ?=

# The variable silences an announcement of the theme's makers.
BUILD_DOCS = NO_MKDOCS_2_WARNING=1 $(VENV)/mkdocs build --strict

WITH_STACK = settings="$$($(VENV)/python -m dev.stack env)"; eval "$$settings";

.PHONY: help demo quick test soak nox bench lint docs format up down browser status env image venv clean

help: ## list these targets
	@sed -nE 's/^([a-z]+):.*## (.*)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 10

demo: venv ## set everything up, then run the example repository's own tests
	@$(WITH_STACK) cd "$(or $(EXAMPLE),examples/missing)"; pytest $(ARGS)

quick: venv ## run the tests that need neither an engine nor cargo
	@$(VENV)/pytest -n 2 -m "not engine and not cargo and not timing and not types" --durations=10 $(ARGS)

test: venv browser ## set everything up, then run the whole test suite
	@$(WITH_STACK) pytest -n 2 --dist loadfile --no-loadscope-reorder -m "not timing" --durations=10 $(ARGS)
	@$(WITH_STACK) pytest -m timing $(ARGS) || test $$? = 5 # for there may be none among the chosen ones

soak: venv ## set everything up, then run every cell of the matrix of freshness, 200 faults, and the tests of many packages
	@$(WITH_STACK) SOAK=1 pytest tests/engine/builds/test_freshness.py tests/engine/faults \
		tests/pytest/test_differential.py $(ARGS)

nox: venv ## set everything up, then run the quick tests with the lowest and the newest versions on every Python
	@$(WITH_STACK) nox $(ARGS)

bench: venv ## set everything up, then measure everything and write docs/performance.md
	@$(WITH_STACK) python -m benchmarks $(ARGS)

lint: venv ## check style, types, pages, and the packages to publish
	@$(VENV)/ruff check .
	@$(VENV)/ruff format --check .
	@$(VENV)/mypy
	@$(VENV)/pyright
	@$(VENV)/lint-imports --no-logo >/dev/null || $(VENV)/lint-imports
	@$(VENV)/python -m dev.newest_sdk
	@$(VENV)/python -m dev.agent
	@$(VENV)/python -m dev.distribution
	@$(BUILD_DOCS) --quiet

docs: venv ## build the documentation as a site, in site/
	@$(BUILD_DOCS)

format: venv ## format the sources
	@$(VENV)/ruff check --fix .
	@$(VENV)/ruff format .

up: venv ## start engine and registry, build images
	@$(VENV)/python -m dev.stack up

down: ## end everything that was started
	@$(PYTHON) -m dev.stack down

browser: venv ## install the browser that tests open the report in (needs apt-get)
	@$(VENV)/python -m dev.stack browser

status: ## show what runs
	@$(PYTHON) -m dev.stack status

env: venv ## the same as up, and print what a shell needs: eval "$(make -s env)"
	@$(VENV)/python -m dev.stack env

image: ## build one more image: make image NAME=rust:1.85
	@$(PYTHON) -m dev.stack image "$(NAME)"

venv: ## install the project and its tools into .venv
	@$(PYTHON) -m dev.venv

clean: ## end everything, then delete the caches and .venv
	@$(PYTHON) -m dev.stack clean
	@rm -rf .venv
