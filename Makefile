# `make help` lists what there is. Everything goes into .venv; nothing else on the machine changes,
# except that root on Debian gets the missing packages of `.ci/packages`.

PORT ?= 8000
JOBS ?= 2
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
PYTEST := $(BIN)/python -m pytest -q
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.DEFAULT_GOAL := help
.PHONY: help demo demo-express test lint types bench soak matrix doctor clean

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.venv/bin/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed; name it with PYTHON="; exit 1; }
	@PYTHON="$(PYTHON)" .ci/packages demo
	$(PYTHON) -m venv .venv
	$(PIP) --upgrade 'pip>=25.1'

.venv/demo-installed: pyproject.toml | .venv/bin/python
	$(PIP) --editable . --group demo
	@touch $@

# One missing server package must not stop the run: its tests are skipped and listed.
.venv/test-installed: pyproject.toml .ci/packages | .venv/bin/python
	@PYTHON="$(PYTHON)" .ci/packages test
	$(PIP) --editable '.[mysql,postgres,encryption,devices,redis,progress,telemetry]' --group test --group ecosystem --group bench --group demo
	@touch $@

.venv/dev-installed: .venv/test-installed
	$(PIP) --group lint --group types
	@touch $@

demo: .venv/demo-installed ## the demo shop: two servers, one session table, on PORT (8000) and the next
	@$(BIN)/python -m demo_site $(PORT)

.venv/express-installed: pyproject.toml .ci/packages | .venv/bin/python
	@PYTHON="$(PYTHON)" .ci/packages express
	$(PIP) --editable '.[mysql]' --group demo
	@touch $@

demo-express: .venv/express-installed ## the shop on Django (PORT) and on Express (the next), one MariaDB
	@$(BIN)/python -m examples.express $(PORT)

# The neighbours need a site of their own, hence two runs; the second ends with what neither ran.
# Optimization: theirs has one database, SQLite, so it does not start the servers of the others.
test: .venv/test-installed ## everything, on private servers; ends with what was skipped and why
	@rm -f .cache/not-run; mkdir -p .cache; export SESSIONSTORE_TEST_NOT_RUN=.cache/not-run; set -x; \
	SESSIONSTORE_TEST_DATABASES=$${SESSIONSTORE_TEST_DATABASES:-sqlite} \
	$(PYTEST) tests/ecosystem --ds=tests.ecosystem.settings --cov --cov-report= --cov-fail-under=0; \
	neighbours=$$?; \
	$(PYTEST) -n $(JOBS) --dist loadscope -m "not soak" --cov --cov-append --cov-report=term:skip-covered $(ARGS) && \
	exit $$neighbours

lint: .venv/dev-installed ## ruff, and the format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/dev-installed ## mypy, strict
	$(BIN)/mypy

bench: .venv/dev-installed ## ours against the peers, on MariaDB and SQLite; writes docs/benchmarks.md
	$(BIN)/python -m bench $(ARGS)

soak: .venv/test-installed ## the long tests
	$(PYTEST) -m soak -o faulthandler_timeout=3600 $(ARGS)

matrix: .venv/test-installed ## each supported Django and Python, on SQLite; names missing interpreters
	$(PIP) --group matrix
	$(BIN)/nox $(ARGS)

doctor: .venv/demo-installed ## what is wrong with the configuration of the demo
	$(BIN)/python manage.py check --deploy --tag sessionstore --database default

clean: ## remove what the targets made
	rm -rf .venv .nox .cache build dist *.egg-info .coverage .coverage.* demo.sqlite3*
