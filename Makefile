.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# Any Python from 3.11 on will do; PYTHON=... names another.
PYTHON ?= $(firstword $(foreach name,python3.11 python3.12 python3.13 python3.14 python3,$(shell command -v $(name))))
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.setup
# As many as there are cores, from 2 to 4: each brings its own servers.
TEST_WORKERS ?= $(shell nproc 2>/dev/null | awk '{print ($$1 > 4) ? 4 : ($$1 < 2) ? 2 : $$1} END {if (!NR) print 2}')
LOCK = $(BIN)/uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes \
  --no-emit-package flowmesh --no-annotate --upgrade --quiet --custom-compile-command "make lock"
FAULTS := tests/simulation tests/chaos tests/overload tests/upgrade
GUARD := tests/benchmarks/guard/test_guard.py
export BUF_CACHE_DIR := $(CURDIR)/.cache/buf

help: ## Show these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "%-12s %s\n", $$1, $$2}' Makefile

setup: $(STAMP) ## Install everything into .venv; the command is .venv/bin/flowmesh

demo: setup ## Run a real workflow on embedded servers and show it live
	@$(BIN)/python -m flowmesh_services.demo

test: setup ## Run the test suite on real servers
	@$(BIN)/python -m pytest -n $(TEST_WORKERS) --dist worksteal $(addprefix --ignore=,$(FAULTS) $(GUARD))

faults: setup ## Run the tests that inject faults and overload: simulation, chaos, overload, upgrade
	@$(BIN)/python -m pytest -n 2 --dist worksteal $(FAULTS)

static: setup ## Check format, lint, types, contracts and protos
	@$(BIN)/ruff format --check
	@$(MAKE) lint
	@$(BIN)/buf format --diff --exit-code
	@.ci/breaking $(BIN)/buf

check: static test faults bench-guard ## All that CI runs

lint: setup ## Lint, types, import contracts and protos
	@$(BIN)/ruff check
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/buf lint

format: setup ## Format Python and protos
	@$(BIN)/ruff format
	@$(BIN)/ruff check --fix
	@$(BIN)/buf format --write

chaos: setup ## Break real processes under load for MINUTES, or for STEPS, from a SEED; print what held
	@$(BIN)/python -m tests.chaos $(if $(STEPS),--steps $(STEPS),--minutes $(or $(MINUTES),5)) \
	  --seed $(or $(SEED),1) --rate $(or $(RATE),30)

simulate: setup ## Run SEEDS (2000) simulated clusters under faults, from FIRST (0) on
	@PYTHONHASHSEED=0 $(BIN)/python -m tests.simulation --seeds $(or $(SEEDS),2000) --first $(or $(FIRST),0) --jobs $(TEST_WORKERS)

bench: setup ## Measure; takes minutes and wants an idle machine
	@$(BIN)/python -m pytest tests/benchmarks -m benchmark -s $(BENCH)

bench-growth: setup ## Measure how costs grow with size, or some CURVES of them: what is steeper than it should be is named
	@$(BIN)/python -m tests.benchmarks.growth $(CURVES)

bench-plots: setup ## Draw what bench-growth found, or what is in the file GROWTH
	@$(BIN)/python -m tests.benchmarks.growth.plots $(or $(GROWTH),.cache/bench/growth.json) tests/benchmarks/plots

bench-idle: setup ## Measure an idle system, and memory before, in and after load
	@$(BIN)/python -m tests.benchmarks.idle

bench-guard: setup ## Fail when a step became clearly dearer; RENEW=1 accepts what it asks of the stores now
	@$(BIN)/python -m pytest $(GUARD) $(if $(RENEW),--bench-renew)

generate: setup ## Regenerate the Python stubs from protos/
	@.ci/generate $(BIN) clients/python

lock: setup ## Renew the lock files from pyproject.toml
	@$(LOCK) --extra embedded --group dev --output-file requirements.lock
	@$(LOCK) --output-file deploy/requirements.lock

clean: ## Remove what setup and the tools made
	rm -rf $(VENV) .cache .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(STAMP): requirements.lock pyproject.toml clients/python/pyproject.toml
	@.ci/setup "$(PYTHON)" $(VENV)
	@touch $@

.PHONY: help setup demo test faults static check lint format chaos simulate bench bench-growth bench-plots bench-idle bench-guard generate lock clean
