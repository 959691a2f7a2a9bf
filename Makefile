# "make demo" and "make test" each work alone on a fresh clone: both set up .venv first.

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/ready
BENCH_READY := .venv/ready-bench
GL := libegl1 libegl-mesa0 libgl1 libgl1-mesa-dri
QUICK ?=

.DEFAULT_GOAL := help
.PHONY: help setup demo test check docs bench

help:
	@echo 'make setup   make .venv and install the tested set of packages into it'
	@echo 'make demo    train a walking robot, evaluate, film and stress-test it: about six minutes, once .venv is made'
	@echo 'make test    run the tests'
	@echo 'make check   lint, format check, type check'
	@echo 'make docs    build the documentation site'
	@echo 'make bench   run every benchmark, hours; with QUICK=--quick, minutes'
	@echo 'Another Python than python3: make setup PYTHON=python3.12'

setup: $(READY)

# Made again when one of the two files changed.
$(READY): pyproject.toml constraints.txt
	@echo 'Setting up .venv with the versions of constraints.txt: a minute or two ...'
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install -qq --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@$(BIN)/python -c 'from robo_maxent.rendering.backend import find_backend as find; find()' 2>/dev/null || \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		echo 'Videos need an OpenGL library: installing $(GL) ...'; \
		{ apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y $(GL); } >/dev/null || \
		echo 'That failed. Everything but videos works without it.'; \
	else \
		echo 'Videos need an OpenGL library: sudo apt-get install -y $(GL)'; \
	fi
	@touch $@
	@echo 'Ready.'

# The peers, only for the benchmarks.
$(BENCH_READY): $(READY)
	@echo 'Installing the peers to compare with ...'
	@$(BIN)/python -m pip install -qq --disable-pip-version-check -c constraints.txt -e '.[bench]'
	@touch $@

demo: $(READY)
	@$(BIN)/robo-maxent demo

test: $(READY)
	@$(BIN)/pytest -n logical --maxprocesses 4 --dist loadfile

check: $(READY)
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/pyright --pythonpath $(BIN)/python

docs: $(READY)
	@$(BIN)/sphinx-build -q -n -W --keep-going docs build/docs
	@echo 'The site, for a browser: build/docs/index.html'

bench: $(BENCH_READY)
	@set -e; for script in $$(grep -l '^if __name__' benchmarks/*.py); do \
		echo; echo "$$script"; $(BIN)/python "$$script" $(QUICK); \
	done
