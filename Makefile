# Every target does all the set-up it needs; containers/setup.sh does nothing when nothing changed.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

VENV ?= .venv
CASE ?= cases/demo.toml
OUT  ?= runs/$(basename $(notdir $(CASE)))-$(shell date +%Y%m%d-%H%M%S)
NP   ?= $(shell if [ "$$(nproc 2>/dev/null || echo 1)" -ge 2 ]; then echo 2; else echo 1; fi)
PYTEST_FLAGS ?=
# The tests of a file share what they set up, so a file stays in one process.
PARALLEL = -n $(NP) --dist loadfile
UPGRADE ?=

# Taken once: the name must not change between the lines of a recipe.
OUT := $(OUT)

export VENV
export PATH := $(abspath $(VENV))/bin:$(PATH)
# The ranks of MPI are the parallelism; threads beneath them only get in each other's way.
export OMP_NUM_THREADS ?= 1
# Pictures are drawn without an X server. An empty value makes VTK fall back to X, and end.
ifeq ($(strip $(VTK_DEFAULT_OPENGL_WINDOW)),)
VTK_DEFAULT_OPENGL_WINDOW := vtkEGLRenderWindow
endif
export VTK_DEFAULT_OPENGL_WINDOW

.PHONY: help setup demo test verify verify-rve lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))
	@echo "Variables: CASE, OUT (demo); NP (demo, test, verify); PYTEST_FLAGS (test, verify); PYTHON, VENV (set-up); UPGRADE=--upgrade (lock)."

setup: ## make the environment in .venv
	@containers/setup.sh

demo: setup ## run the case CASE on NP ranks, from statistics to report
	@"$(VENV)/bin/ngcfem" run "$(CASE)" --np $(NP) --out "$(OUT)"
	@test -s "$(OUT)/report.html" || { echo "demo: the run ended without $(OUT)/report.html" >&2; exit 1; }
	@echo "demo: the report is $(OUT)/report.html"

test: setup ## run the tests that are not marked slow
	@"$(VENV)/bin/python" -m pytest $(PARALLEL) $(PYTEST_FLAGS)

verify: setup ## run all tests, the slow ones too
	@"$(VENV)/bin/python" -m pytest -m "slow or not slow" $(PARALLEL) $(PYTEST_FLAGS)

verify-rve: setup ## mesh cells of many seeds, and take the stiffness by their size (hours; goes on where it stopped)
	@"$(VENV)/bin/python" benchmarks/rve_sweep.py
	@"$(VENV)/bin/python" benchmarks/rve_size.py

LOCK_FLAGS := --universal --python-version 3.12 --generate-hashes --no-emit-index-url --no-header --no-annotate
lock: ## write both lock files anew from pyproject.toml
	@containers/setup.sh tools
	@.tools/bin/uv --no-config pip compile -q $(LOCK_FLAGS) $(UPGRADE) --extra test --group build pyproject.toml -o requirements.lock
	@.tools/bin/uv --no-config pip compile -q $(LOCK_FLAGS) $(UPGRADE) --group tools -o requirements-tools.lock

clean: ## remove the environment and all caches; runs are kept, and uv for a rebuild without network
	rm -rf "$(VENV)" .cache build dist .pytest_cache .ruff_cache .import_linter_cache ngcfem.egg-info
