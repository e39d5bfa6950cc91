# make demo, make test: set up everything by themselves. Nothing outside the checkout and ~/.cache is touched.
PYTHON ?= python3
BIN := .venv/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)
# Each process would compile all of its libraries, which takes three seconds.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup demo test lint build bench pins clean

help:  ## this list
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' Makefile | expand -t 8

setup: .venv/ready  ## the virtual environment, with pinned packages

.venv/ready: requirements.txt pyproject.toml
	@echo "setting up .venv" >&2
	@$(PYTHON) -m venv .venv
	@sed -n '/^uv==/,/[^\\]$$/p' requirements.txt > .venv/uv.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r .venv/uv.txt
	@$(BIN)/uv pip sync --quiet --require-hashes --python $(BIN)/python requirements.txt
	@$(BIN)/uv pip install --quiet --no-deps --no-build-isolation --python $(BIN)/python --editable .
	@touch $@

demo: setup  ## the main job on a sandbox: an AWS account and an EKS cluster on this machine
	@ackinstall sandbox up --name demo
	ackinstall sandbox exec --name demo -- ackinstall up --cluster demo --yes
	ackinstall sandbox exec --name demo -- ackinstall status --cluster demo
	@echo
	@echo "look around:  $(BIN)/ackinstall sandbox exec --name demo -- kubectl get pods,crds -A"
	@echo "in a shell:   eval \"\$$($(BIN)/ackinstall sandbox env --name demo)\""
	@echo "take it back: $(BIN)/ackinstall sandbox exec --name demo -- ackinstall down --cluster demo"
	@echo "stop it all:  $(BIN)/ackinstall sandbox down --name demo"

test: setup  ## all tests: in process first, then on real parts
	pytest --numprocesses auto --ignore tests/real --cov --cov-report=
	coverage report --fail-under 100
	pytest tests/real

lint: setup  ## style, types, import rules
	ruff format --check
	ruff check
	mypy
	lint-imports

build: setup  ## the wheel
	uv build --quiet --no-build-isolation --python $(BIN)/python --wheel --out-dir dist

bench: setup  ## wall times and AWS calls on a sandbox with AWS's latencies
	python tests/bench.py

pins: setup  ## requirements.txt anew
	uv pip compile --quiet --upgrade --universal --generate-hashes --all-extras --python-version 3.11 --no-header pyproject.toml -o requirements.txt

clean:  ## remove what these commands made in the checkout
	rm -rf .venv dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .coverage*
