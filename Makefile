# `make help` lists what there is. Everything goes into .venv; nothing else on the machine changes,
# except that root on Debian gets the missing packages of `.ci/packages`.

PORT ?= 8000
# On two cores: half of the time a process waits for a browser or a server.
JOBS ?= 3
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
PYTEST := $(BIN)/python -m pytest -q
# What is installed is what uv.lock names, checked by its hash; `make lock` renews it. Groups come
# and stay (--inexact), so that each target adds what it needs.
UV := UV_PROJECT_ENVIRONMENT=.venv UV_PYTHON_DOWNLOADS=never $(BIN)/uv
SYNC := $(UV) sync --quiet --frozen --inexact
LATEST := .venv-latest/bin/python
NEWEST := --quiet --disable-pip-version-check --upgrade --upgrade-strategy eager

.DEFAULT_GOAL := help
.PHONY: help demo demo-https demo-express docs test test-latest lint types bench bench-compare bench-serving mysql mutants soak matrix lock lock-check audit doctor newest-python newcomer dist release clean

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.venv/bin/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed; name it with PYTHON="; exit 1; }
	@PYTHON="$(PYTHON)" .ci/packages demo
	@echo "Preparing .venv, once; what is installed is what uv.lock names."
	@$(PYTHON) -m venv .venv

.venv/uv-installed: uv.lock .ci/install_uv.py | .venv/bin/python
	@$(BIN)/python .ci/install_uv.py
	@touch $@

.venv/demo-installed: pyproject.toml .venv/uv-installed
	@$(SYNC) --group demo
	@touch $@

# One missing server package must not stop the run: its tests are skipped and listed.
.venv/test-installed: pyproject.toml .venv/uv-installed .ci/packages
	@PYTHON="$(PYTHON)" .ci/packages test
	$(SYNC) --all-extras --group test --group ecosystem --group bench --group demo --group docs
	@touch $@

.venv/dev-installed: .venv/test-installed
	$(SYNC) --all-extras --group lint --group types --group matrix
	@touch $@

demo: .venv/demo-installed ## the demo shop: two servers, one session table, on PORT (8000) and the next
	@$(BIN)/python -m demo_site $(PORT)

.venv/https-installed: .venv/demo-installed
	@$(SYNC) --extra binding --group demo
	@touch $@

demo-https: .venv/https-installed ## the shop over HTTPS, where sessions are bound to their device: /theft/
	@$(BIN)/python -m demo_site --https $(PORT)

.venv/express-installed: pyproject.toml .venv/uv-installed .ci/packages
	@PYTHON="$(PYTHON)" .ci/packages express
	@$(SYNC) --extra mysql --group demo
	@touch $@

demo-express: .venv/express-installed ## the shop on Django (PORT) and on Express (the next), one MariaDB
	@$(BIN)/python -m examples.express $(PORT)

.venv/docs-installed: pyproject.toml .venv/uv-installed
	$(SYNC) --group docs
	@touch $@

docs: .venv/docs-installed ## the documentation as a site, in .cache/docs; a warning is an error
	$(BIN)/python -m sphinx --quiet --fail-on-warning --keep-going --doctree-dir .cache/doctrees docs .cache/docs
	@echo "Open .cache/docs/index.html"

# The neighbours need a site of their own, hence two runs; the second ends with what neither ran.
# Optimization: theirs has one database, SQLite, so it does not start the servers of the others. Ours
# goes by the alphabet: the modules of few tests, which xdist would keep for the end, are the
# browsers', and one process was left with them for five minutes.
test: .venv/test-installed ## everything, on private servers; ends with what was skipped and why
	@rm -f .cache/not-run; mkdir -p .cache; export SESSIONSTORE_TEST_NOT_RUN=.cache/not-run; set -x; \
	SESSIONSTORE_TEST_DATABASES=$${SESSIONSTORE_TEST_DATABASES:-sqlite} \
	$(PYTEST) -n $(JOBS) --dist loadscope tests/ecosystem --ds=tests.ecosystem.settings --cov --cov-report= --cov-fail-under=0; \
	neighbours=$$?; \
	$(PYTEST) -n $(JOBS) --dist loadscope --no-loadscope-reorder -m "not soak" --cov --cov-append --cov-report=term:skip-covered $(ARGS) && \
	exit $$neighbours

# What will break us next, and nothing that anybody else installs: `make test` goes by the lock.
test-latest: pyproject.toml ## the suite with the newest releases of all; ends with which neighbour broke
	@PYTHON="$(PYTHON)" .ci/packages test
	@test -x $(LATEST) || $(PYTHON) -m venv .venv-latest
	$(LATEST) -m pip install $(NEWEST) pip
	$(LATEST) -m pip install $(NEWEST) --editable '.[mysql,postgres,encryption,binding,oidc,devices,redis,progress,telemetry]' \
		--group test --group ecosystem --group bench --group demo --group docs
	@rm -rf .cache/latest; mkdir -p .cache/latest; set -x; \
	$(LATEST) -m pytest -q tests/ecosystem --ds=tests.ecosystem.settings --junitxml=.cache/latest/ecosystem.xml; \
	$(LATEST) -m pytest -q -n $(JOBS) --dist loadscope -m "not soak" --junitxml=.cache/latest/suite.xml $(ARGS); \
	$(LATEST) .ci/latest.py .cache/latest/ecosystem.xml .cache/latest/suite.xml

lint: .venv/dev-installed ## ruff, and the format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/dev-installed ## mypy, strict
	$(BIN)/mypy

bench: .venv/dev-installed ## ours against the peers; writes docs/benchmarks.md and the baseline
	$(BIN)/python -m bench $(ARGS)

bench-serving: .venv/dev-installed ## whole requests through gunicorn and uvicorn; ARGS=--write: into docs/benchmarks.md
	$(BIN)/python -m bench.serving $(ARGS)

newest-python: ## Python 3.14 into .cache, to try the suite there (Debian; apt fetches it from sid)
	@.ci/newest-python

# Everything of it is in a temporary folder, its environments too, so it needs nothing of .venv.
newcomer: ## a first hour from nothing: clone, demo, projects by the pages, allauth, proxy, Express
	@$(PYTHON) .ci/newcomer.py

mysql: ## MySQL proper into .cache, for the tests on it (Debian; apt fetches it from sid)
	@.ci/mysql-server

bench-compare: .venv/dev-installed ## this tree beside REV=HEAD~1, in turn, and what got slower
	$(BIN)/python -m bench.revisions $(or $(REV),HEAD~1) $(ARGS)

.venv/mutants-installed: .venv/dev-installed
	$(SYNC) --all-extras --group mutants
	@touch $@

mutants: .venv/mutants-installed ## small faults that no test notices; ARGS=sessionstore/core/merge.py: of one module
	@JOBS=$(JOBS) $(BIN)/python .ci/mutants.py $(ARGS)

soak: .venv/test-installed ## the long tests
	$(PYTEST) -m soak -o faulthandler_timeout=3600 $(ARGS)

matrix: .venv/dev-installed ## each supported Django and Python, on SQLite; names missing interpreters
	$(BIN)/nox $(ARGS)

lock: .venv/uv-installed ## renew uv.lock: the newest releases that pyproject.toml admits
	$(UV) lock --upgrade $(ARGS)

lock-check: .venv/uv-installed ## uv.lock says what pyproject.toml asks for
	$(UV) lock --check --offline

audit: .venv/uv-installed ## known vulnerabilities in what is locked; Error 1: there are, 75: not checked
	@.ci/audit $(ARGS)

dist: .venv/test-installed ## the source release and the wheel into dist/, each installed once and tried
	@$(BIN)/python .ci/release.py dist

release: .venv/dev-installed ## all of a release but the upload; refuses what would be a wrong one
	@$(BIN)/python .ci/release.py release

doctor: .venv/demo-installed ## what is wrong with the configuration of the demo
	$(BIN)/python manage.py check --deploy --tag sessionstore --database default

clean: ## remove what the targets made
	rm -rf .venv .venv-latest .nox .cache build dist *.egg-info .coverage .coverage.* demo.sqlite3*
