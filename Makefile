# Every target sets itself up: on a fresh machine `make test` is enough. `make` lists the targets.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.SUFFIXES:
.NOTPARALLEL:

# The first that runs: a name on the path may be a version manager's, for a version that is not there.
SUITS := import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))
BASE_PYTHON = $(firstword $(foreach name,python3.11 python3.12 python3.13 python3,$(shell $(name) -c "$(SUITS)" 2>/dev/null && echo $(name))))
PYTHON := .venv/bin/python
INSTALL := $(PYTHON) -m pip install --quiet --disable-pip-version-check
ROOMS := $(wildcard benchmarks capture container examples monitoring serialization tests)
COMPILE = .venv/bin/uv pip compile pyproject.toml --quiet --universal --python-version 3.11 --generate-hashes \
  --no-annotate --custom-compile-command 'make lock' $(UPGRADE)

.PHONY: help
help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: venv
venv: .venv/ready ## install what is needed into .venv; does nothing while the locks have not changed

# All that is installed comes from a lock with its hashes, also what builds the few source distributions in it.
.venv/ready: requirements/build.txt requirements/dev.txt
	@test -n "$(BASE_PYTHON)" || { echo "make: none of python3.11, python3.12, python3.13 and python3 is Python 3.11, 3.12 or 3.13" >&2; exit 1; }
	$(BASE_PYTHON) -m venv .venv
	$(INSTALL) --require-hashes -r requirements/build.txt
	$(INSTALL) --require-hashes --no-build-isolation --use-pep517 -r requirements/dev.txt
	$(INSTALL) --no-deps --no-build-isolation -e .
	@touch $@

.PHONY: lock
lock: venv ## write requirements/*.txt anew; UPGRADE=--upgrade takes newer releases
	$(COMPILE) --group dev --extra serving --extra monitoring -o requirements/dev.txt
	$(COMPILE) --extra serving -c requirements/dev.txt -o requirements/serving.txt
	$(COMPILE) --extra spark -c requirements/dev.txt -o requirements/spark.txt
	$(COMPILE) --extra monitoring -c requirements/dev.txt -o requirements/monitoring.txt
	$(COMPILE) --extra feast --group feast-tests -o requirements/feast.txt
	$(COMPILE:pyproject.toml=) --group ministack -o requirements/ministack.txt
	$(COMPILE:pyproject.toml=) --group awswrangler -o requirements/awswrangler.txt
	$(COMPILE:pyproject.toml=) --group build -c requirements/dev.txt -o requirements/build.txt

.PHONY: demo
demo: venv ## the whole main job on real flights: train, serve, replay July, stop, show what was captured
	$(PYTHON) -m examples.flights demo

.PHONY: serve
serve: venv ## leave the flights endpoint running, with a curl line to try
	$(PYTHON) -m examples.flights serve

# A test waits for processes most of its time: two for each processor.
TEST_WORKERS := $(shell echo $$((2 * $$(nproc))))

.PHONY: test
test: venv ## the test suite
	$(PYTHON) -m pytest -n $(TEST_WORKERS) --dist loadfile --ignore tests/system tests

.PHONY: test-system
test-system: .venv/spark .venv-ministack/ready .venv-awswrangler/ready ## build the image, run it, send it a request, stop it (docker, else IMAGE_BUILD and IMAGE_RUN); read with Spark
	@java -version >/dev/null 2>&1 || { apt-get update -qq && apt-get install -y -qq openjdk-17-jre-headless >/dev/null; }
	@test -x /usr/bin/chromium || { apt-get update -qq && apt-get install -y -qq chromium >/dev/null; }
	$(PYTHON) -m pytest tests/system

# Half a gigabyte that nothing else needs.
.venv/spark: .venv/ready requirements/spark.txt
	$(INSTALL) --require-hashes --no-build-isolation --use-pep517 -r requirements/spark.txt
	@touch $@

# ministack pins a release of botocore: it is started from an environment of its own.
.venv-ministack/ready: requirements/build.txt requirements/ministack.txt
	$(BASE_PYTHON) -m venv .venv-ministack
	.venv-ministack/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/build.txt
	.venv-ministack/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-build-isolation --use-pep517 -r requirements/ministack.txt
	@touch $@

# awswrangler wants an older pyarrow than ours.
.venv-awswrangler/ready: requirements/build.txt requirements/awswrangler.txt
	$(BASE_PYTHON) -m venv .venv-awswrangler
	.venv-awswrangler/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/build.txt
	.venv-awswrangler/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-build-isolation --use-pep517 -r requirements/awswrangler.txt
	@touch $@

.PHONY: pictures
pictures: venv ## make the pictures of the documents again, from real flights in headless Chromium
	@test -x /usr/bin/chromium || { apt-get update -qq && apt-get install -y -qq chromium >/dev/null; }
	$(PYTHON) -m tests.system.pictures

.PHONY: test-feast
test-feast: .venv-feast/ready ## the tests of the Feast store, in an environment of its own: Feast wants an older pandas
	.venv-feast/bin/python -m pytest tests/container/feature_stores/test_feast.py

.venv-feast/ready: requirements/build.txt requirements/feast.txt
	$(BASE_PYTHON) -m venv .venv-feast
	.venv-feast/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/build.txt
	.venv-feast/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-build-isolation --use-pep517 -r requirements/feast.txt
	@touch $@

.PHONY: test-long
test-long: venv ## the tests that take minutes
	@rm -f benchmarks/results/faults.json
	FAULTS_RESULTS=$(CURDIR)/benchmarks/results/faults.json $(PYTHON) -m pytest -n auto -m long --ignore tests/system tests

.PHONY: bench
bench: venv ## the benchmarks, one after the other; results go to benchmarks/results
	@for file in $$(grep -l '__main__' benchmarks/*.py); do $(PYTHON) -m benchmarks.$$(basename $$file .py) || exit 1; done

.PHONY: lint
lint: venv ## format, lint and the arrows between the rooms
	.venv/bin/ruff format --check --quiet .
	.venv/bin/ruff check --quiet .
	@contracts=$$(.venv/bin/lint-imports --no-logo) || { echo "$$contracts"; exit 1; }

.PHONY: graph
graph: venv ## the import graph of each room, in DOT
	@for room in capture container monitoring serialization; do .venv/bin/import-linter drawgraph $$room || exit 1; done

.PHONY: types
types: venv ## the type checker, strict over all but the tests
	.venv/bin/mypy $(ROOMS)

.PHONY: format
format: venv ## let ruff put the files in order
	.venv/bin/ruff format --quiet .
	.venv/bin/ruff check --quiet --fix .
