# The verbs of this project: `make help`. Nothing but Python 3.11+ (with venv) and make is needed beforehand.
# Everything is installed into VENV, in this folder; a finished install is stamped and not repeated until
# pyproject.toml or constraints.txt change.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
ARGS ?=
USER_STAMP := $(VENV)/.installed-for-use
DEV_STAMP := $(VENV)/.installed-for-development
RUNTIME ?= .venv-runtime
RUNTIME_STAMP := $(RUNTIME)/.installed

# Several test processes at once: one thread each, or they spin against one another. Tests only: users' runs choose
# their own number of threads. Compiled tests are kept, which saves a tenth of the time from the second run on.
PYTEST = env -u PYTHONDONTWRITEBYTECODE OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n auto --maxprocesses 4

.DEFAULT_GOAL := help
.PHONY: help setup dev demo test test-fast runtime-test older-cpu-test docs-test reference lint types format bench clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

setup: $(USER_STAMP) ## create .venv with everything a user needs
	@echo "Ready. Try: $(BIN)/consilience --help"

dev: $(DEV_STAMP) ## the same, and what developing and testing need
	@echo "Ready. Try: make test-fast"

demo: $(USER_STAMP) ## set up, then train on real pictures and questions (under 5 minutes); more with ARGS=...
	$(BIN)/consilience demo $(ARGS)

test: $(DEV_STAMP) ## set up, then run all tests (under 15 minutes on 2 cores)
	$(PYTEST) $(ARGS)

test-fast: $(DEV_STAMP) ## set up, then run the tests that are not slow (under 2 minutes)
	$(PYTEST) -m "not slow" $(ARGS)

older-cpu-test: $(DEV_STAMP) ## run the contract of encoders as on processors without AVX-512, and without AVX2
	for level in avx2 default; do ONEDNN_MAX_CPU_ISA=AVX2 ATEN_CPU_CAPABILITY=$$level $(PYTEST) \
	  tests/contract/test_encoders.py tests/contract/test_encoders_train.py tests/unit/train $(ARGS) || exit 1; done

runtime-test: $(DEV_STAMP) $(RUNTIME_STAMP) ## predict and serve an exported model with the base install alone
	OMP_NUM_THREADS=1 $(BIN)/python tests/runtime/make_model.py build/runtime
	$(RUNTIME)/bin/python tests/runtime/check.py build/runtime

docs-test: $(DEV_STAMP) ## run every code block of README.md and docs/
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q tests/docs $(ARGS)

reference: $(DEV_STAMP) ## write docs/reference/ anew from docstrings, --help and settings
	$(BIN)/python docs/reference/make.py

lint: $(DEV_STAMP) ## check style, format and layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-logo

types: $(DEV_STAMP) ## check types
	$(BIN)/mypy

format: $(DEV_STAMP) ## format the code and mend what can be mended by itself
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(DEV_STAMP) ## run the benchmarks one after the other (see benchmarks/README.md)
	@set -e; for script in $(sort $(wildcard benchmarks/bench_*.py)); do echo "== $$script"; $(BIN)/python $$script $(ARGS); done

clean: ## remove .venv, caches and builds (not your runs)
	rm -rf $(VENV) $(RUNTIME) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	rm -rf src/*.egg-info
	find src tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

# $(call install,EXTRAS): uv where it can be had, for it is ten times faster, else pip. uv does not read pip's
# settings, so a folder of wheels that pip is told of is passed on: without it uv takes another build of torch.
# Bytecode is compiled here, as pip does: where PYTHONDONTWRITEBYTECODE is set, every start would compile torch anew.
define install
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Python 3.11 or newer is needed; '$(PYTHON)' is not. Say: make PYTHON=/path/to/python3.12 ..." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' || { \
	  echo "Python's venv module is missing. On Debian or Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv $(VENV)
	@echo "Installing consilience[$(1)] into $(VENV); the first time this takes a few minutes at most." >&2
	@$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt uv || true
	@links=$${UV_FIND_LINKS:-$${PIP_FIND_LINKS:-$$($(BIN)/python -m pip config get global.find-links 2>/dev/null || true)}}; \
	UV_FIND_LINKS=$$(printf '%s' "$$links" | tr -s ' \n' ',,') VIRTUAL_ENV=$(abspath $(VENV)) \
	  $(BIN)/uv pip install -q --compile-bytecode -c constraints.txt -e '.[$(1)]' \
	|| { echo "uv did not manage; trying pip." >&2; \
	  $(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e '.[$(1)]'; }
	@$(BIN)/python -m pip check --disable-pip-version-check
	@$(BIN)/python -m compileall -q src
endef

$(USER_STAMP): pyproject.toml constraints.txt
	$(call install,train$(comma)media$(comma)pretrained$(comma)demo)
	@touch $@

$(DEV_STAMP): pyproject.toml constraints.txt
	$(call install,train$(comma)media$(comma)pretrained$(comma)demo$(comma)dev)
	@touch $(USER_STAMP) $@

# The base install in an environment of its own: what a machine that only predicts would have.
$(RUNTIME_STAMP): pyproject.toml constraints.txt $(DEV_STAMP)
	rm -rf $(RUNTIME)
	$(PYTHON) -m venv $(RUNTIME)
	$(RUNTIME)/bin/python -m pip install -q --disable-pip-version-check -c constraints.txt -e .
	@touch $@

comma := ,
