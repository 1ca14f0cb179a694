# What a fresh machine needs: Python 3.11 or newer with venv, and make. Node is optional.
# Everything else is installed into .venv and web/node_modules from the lock files.

PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
UV := $(BIN)/uv
INSTALL := $(UV) pip install --quiet --python $(BIN)/python --require-hashes
ARGS ?=
# Tests wait about as long as they compute.
WORKERS ?= $(shell $(PYTHON) -c 'import os; print(min(4, (3 * (os.cpu_count() or 2) + 1) // 2))')

.PHONY: help run test campaigns check lint contracts budgets types page-check servers bench docs \
	reference reference-check page lock
.DELETE_ON_ERROR:

help:
	@echo 'make run        serve Tertulia on this machine         (ARGS="--address 127.0.0.1:9000")'
	@echo 'make test       run the tests                          (ARGS="tests/ports -k store")'
	@echo 'make campaigns  run the slow tests that make test leaves out: crashes, power cuts'
	@echo 'make check      lint, types, contracts, budgets, generated files, the page, docs'
	@echo 'make servers    install the real servers and the browser that tests use'
	@echo 'make bench      measure; figures go to docs/explanation/performance.md'
	@echo 'make docs       build the documentation into site/'
	@echo 'make reference  write what is generated: pages of the documentation, OpenAPI, the page'\''s client'
	@echo 'make lock       lock the dependencies anew             (ARGS=--upgrade)'

run: page
	@$(BIN)/tertulia up --pull $(ARGS)

test: .venv/.dev page
	@tools/servers.sh --try
	$(BIN)/python tools/page.py npm run test
	$(BIN)/pytest --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder $(ARGS)

campaigns: .venv/.dev page
	$(BIN)/pytest -m slow $(ARGS)

# Each by itself too; `make --keep-going check` shows all that is wrong.
check: lint contracts budgets types reference-check page-check docs

lint: .venv/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

contracts: .venv/.dev
	$(BIN)/lint-imports --no-cache

budgets: .venv/.dev
	$(BIN)/python tools/budgets.py

types: .venv/.dev
	$(BIN)/basedpyright

# The page's client is held by page-check.
reference-check: .venv/.dev
	$(BIN)/python tools/reference.py --check
	$(BIN)/python tools/openapi.py --check
	$(BIN)/python tools/asyncapi.py --check

page-check: .venv/.dev .venv/.node
	$(BIN)/python tools/page.py npm run check

servers:
	PYTHON=$(PYTHON) tools/servers.sh

bench: .venv/.dev page
	$(BIN)/python -m bench $(ARGS)

docs: .venv/.dev
	$(BIN)/zensical build --clean --strict

reference: .venv/.dev .venv/.node
	$(BIN)/python tools/reference.py
	$(BIN)/python tools/openapi.py
	$(BIN)/python tools/asyncapi.py
	$(BIN)/python tools/page.py npm run generate

page: .venv/.node
	@$(BIN)/python tools/page.py

# Each step of the set-up leaves a mark, so that a second run goes straight on.

$(UV): requirements/uv.lock
	@test -n "$(PYTHON)" || { echo 'Python 3.11 or newer is needed'; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.lock
	@touch $@

.venv/.run: $(UV) requirements/run.lock pyproject.toml hatch_build.py
	$(INSTALL) -r requirements/run.lock
	$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

.venv/.dev: .venv/.run requirements/dev.lock
	$(INSTALL) -r requirements/dev.lock
	@touch $@

.venv/.node: .venv/.run requirements/node.lock
	@$(BIN)/python tools/page.py has-node || $(INSTALL) -r requirements/node.lock
	@touch $@

COMPILE = $(UV) pip compile --quiet --generate-hashes --universal --python-version 3.11 \
	--no-annotate --custom-compile-command 'make lock' $(ARGS)

# dev.lock holds all; the others take their versions from it.
lock: $(UV)
	$(COMPILE) requirements/uv.in -o requirements/uv.lock
	$(COMPILE) pyproject.toml requirements/build.in requirements/node.in \
		--all-extras --group dev -o requirements/dev.lock
	$(COMPILE) pyproject.toml requirements/build.in \
		--extra embedded -c requirements/dev.lock -o requirements/run.lock
	$(COMPILE) requirements/node.in -c requirements/dev.lock -o requirements/node.lock
