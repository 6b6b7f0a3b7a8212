# Two commands matter: `make quickstart` and `make test`. `make help` lists the others.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
export PATH := $(abspath $(BIN)):$(PATH)
export VIRTUAL_ENV := $(abspath $(VENV))

# Nothing phones home; pipeline/__init__.py says the same for processes that make did not start.
export MLFLOW_DISABLE_TELEMETRY ?= true
export DO_NOT_TRACK ?= true
export DVC_NO_ANALYTICS ?= true
export HF_HUB_DISABLE_TELEMETRY ?= true
export RAY_USAGE_STATS_ENABLED ?= 0

.DEFAULT_GOAL := help

.PHONY: help
help: ## List the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 22

# The stamp is as new as the lock it was installed from.
PLUGINS = $(wildcard plugins/*)

$(VENV)/.installed: requirements.lock pyproject.toml $(PLUGINS:%=%/pyproject.toml)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; set PYTHON=..."; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-index --no-deps --no-build-isolation \
	  -e . $(foreach plugin,$(PLUGINS),-e $(plugin))
	touch $@

.PHONY: setup
setup: $(VENV)/.installed ## Make the environment and the database of the journal
	@python -m pipeline.trials.journal >/dev/null

.PHONY: quickstart
quickstart: setup ## Run the quickstart pipeline and print its table
	@python -m pipeline.projects.quiet_dvc repro quickstart/dvc.yaml
	@cat quickstart/report/summary.txt

# Paths and names reach the program through the environment, as they were typed: no character in
# them means anything to make or to the shell.
given = $(if $(filter command override,$(origin $(1))),$(2) "$$$(1)")
define as_typed
override export $(1) := $$(value $(1))
endef
$(foreach each,DATA NAME MODEL STRATEGIES HOURS,$(if $(filter command,$(origin $(each))),$(eval $(call as_typed,$(each)))))

.PHONY: tune
tune: setup ## Tune a model on your own images: make tune DATA=PATH [HOURS=2 NAME=... MODEL=...]
	@python -m pipeline.project --from-make $(call given,NAME,--name) $(call given,MODEL,--model) \
	  $(call given,STRATEGIES,--strategies) $(call given,HOURS,--hours) -- \
	  "$${DATA:?set DATA=PATH, the folder of your images}"

.PHONY: plan
plan: setup ## Say what the benchmark downloads, needs and takes, before anything runs
	@python -m pipeline.plan

PYTEST = pytest -n auto --maxprocesses 4 --dist loadfile

.PHONY: test
test: setup lint ## Lint, check types, run the default tests
	$(PYTEST)

.PHONY: test-slow
test-slow: setup ## Run the slow tests
	$(PYTEST) -m "slow and not engine and not faults"

.PHONY: test-engine
test-engine: setup ## Run the tests that need a browser, a database or a cluster on this machine
	$(PYTEST) -m engine

.PHONY: faults
faults: setup ## Inject some faults into running sweeps: kills, full disks, lost servers (as root)
	$(PYTEST) -m faults tests/faults

.PHONY: faults-full
faults-full: setup ## Inject all of them
	VDTRANSFER_FAULTS=full $(PYTEST) -m faults tests/faults

.PHONY: test-long
test-long: setup ## Run in one queue what `make test` leaves out: slow tests, engines, faults
	$(PYTEST) -m "slow or engine or faults" --ignore tests/project/test_quickstart_results.py

.PHONY: verify-trials
verify-trials: setup ## After a change to training code: say whether trials still compute the same numbers
	@python -m tests.golden.verify_trials

.PHONY: lint
lint: setup ## Lint and check types
	ruff check .
	ruff format --check .
	mypy

.PHONY: ui
ui: setup ## Browse the trials at http://127.0.0.1:5000
	@python -m pipeline.ui

.PHONY: lock
lock: ## Compile requirements.lock from pyproject.toml (needs uv)
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	  --no-header --all-extras pyproject.toml --output-file requirements.lock
