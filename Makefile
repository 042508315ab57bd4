# `make help` lists the targets. All commands run from .venv; the first target that needs .venv creates it.
# Another interpreter: make setup PYTHON=python3.12      Options for pytest: make test ARGS="-k codec -x"

PYTHON = python3
BIN = .venv/bin
READY = .venv/.ready
ARGS =
# Two for each core of a small machine: the tests wait for half of their time.
PROCESSES = 4
MINUTES = 10

.PHONY: help setup demo test test-all test-long fuzz soak check docs clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1|/p' Makefile | while IFS='|' read -r name text; do printf 'make %-9s %s\n' "$$name" "$$text"; done

setup: $(READY) ## create .venv with the pinned packages (once; about 5 GB on Linux)
	@echo '.venv is ready. Next: make demo, make test, or .venv/bin/ganns --help'

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo 'GANNs with friends needs Python 3.11 or newer, but "$(PYTHON)" is older or missing. Type: make $(MAKECMDGOALS) PYTHON=/path/to/python3.11' >&2; exit 1; }
	@echo 'Setting up .venv: the first time, this downloads PyTorch and takes some minutes.'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip --disable-pip-version-check install -e '.[dev]' -c constraints.txt
	@touch $(READY)

demo: $(READY) ## train a small model with two workers, in a few minutes
	$(BIN)/ganns demo

test: $(READY) ## run the tests, without the slow ones
	$(BIN)/python -m pytest -n $(PROCESSES) --dist worksteal -m 'not slow and not long' $(ARGS)

test-all: $(READY) ## run the slow tests, too: faults, attacks, wrong solutions, random input, browsers
	$(BIN)/python -m pytest -n $(PROCESSES) --dist worksteal -m 'not long' $(ARGS)

test-long: $(READY) ## what takes minutes: follow the pages as their readers do, install the wheel, stay away, measure a link
	$(BIN)/python -m pytest -n $(PROCESSES) --dist worksteal -m long $(ARGS)

fuzz: $(READY) ## ten minutes of random input for everything that reads what others write
	GANNS_FUZZ_S=$${GANNS_FUZZ_S:-300} $(BIN)/python -m pytest -q tests/fuzz -m slow $(ARGS)

soak: $(READY) ## kill something every few seconds, for 10 minutes, and check that nothing is lost (an hour: MINUTES=60)
	$(BIN)/python -m benchmarks.soak --minutes $(MINUTES)

check: $(READY) docs ## check style, spelling, types, imports, the documentation's site, and known vulnerabilities
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/codespell
	$(BIN)/mypy
	$(BIN)/lint-imports
	@BIN=$(BIN) bash .ci/audit

docs: $(READY) ## build the documentation's site in build/docs/html
	$(BIN)/python -m sphinx -E -W --keep-going -n -q -b html docs build/docs/html
	@echo 'The documentation is in build/docs/html/index.html.'

clean: ## remove .venv, caches and build products, but not outputs/
	rm -rf .venv build dist *.egg-info .hypothesis .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
	find ganns tasks tests -name __pycache__ -type d -prune -exec rm -rf {} +
