# make run    a private Postfix on loopback with the milter attached, ready to take mail
# make demo   the same, sends the four messages of the README and shows the transcript
# make test   everything that CI runs
# make lint   ruff and mypy only
# make bench  the cost of the milter, against a C milter that adds the same headers
# make bench-imports  the time of an import, against postmap for the same list
# make bench-scaling  what PostgreSQL, PgBouncer, a second node and partitions cost; some ten minutes and 10 GB
# make torture  two nodes, failing servers, scanners and forgers by the hundred thousand, and every drawn test twenty times as long or more
# make lock   the lock file anew from pyproject.toml

PYTHON ?= python3
BIN := .venv/bin

# What Python compiles is kept, whatever the environment says: tests start the program hundreds of times.
export PYTHONDONTWRITEBYTECODE :=

# Tests run in three processes (on two cores; much of it is waiting), each file in one of them: fixtures that start a mail system serve a whole file or more.
WORKERS ?= 3

# No test looks at what the logging module gets; to set up handlers for it in each of thousands of tests takes long.
PLUGINS := -p no:logging

# What came of each test, for the promises whose proofs must have run.
REPORT := build/tests.xml

.PHONY: run demo test lint bench bench-imports bench-scaling torture lock clean

run: .venv/ready
	@exec $(BIN)/python -m lab.run

demo: .venv/ready
	@$(BIN)/python -m lab.demo

test: lint .venv/packages
	$(BIN)/pytest $(PLUGINS) --numprocesses=$(WORKERS) --dist=loadfile --no-loadscope-reorder --junit-xml=$(REPORT)
	$(BIN)/python -m tests.docs.proofs $(REPORT)

lint: .venv/ready
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

bench: .venv/ready
	$(BIN)/python -m bench.run

bench-imports: .venv/ready
	@lab/install-packages bench/packages.txt
	$(BIN)/python -m bench.imports

bench-scaling: .venv/ready .venv/packages
	$(BIN)/python -m bench.scaling

torture: .venv/ready .venv/packages
	OPT_OUTS=1000 STORE_FAULTS=50 PROMOTIONS=20 $(BIN)/pytest --timeout=0 tests/several
	FORGED_TOKENS=100000 SCANS=10000 $(BIN)/pytest --timeout=0 tests/web/test_pages_alike.py -k "scanners or forged"
	EXAMPLES_FACTOR=60 $(BIN)/pytest --timeout=0 tests/unit tests/exporters tests/reports
	EXAMPLES_FACTOR=40 $(BIN)/pytest --timeout=0 tests/service

lock: .venv/ready
	$(BIN)/uv pip compile --quiet --no-config --extra dev --generate-hashes --python-version 3.11 --no-annotate \
		--no-header --no-emit-index-url --no-emit-find-links --output-file requirements.lock pyproject.toml

.venv/ready: requirements.lock pyproject.toml lab/packages.txt
	@lab/install-packages lab/packages.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/pip install --quiet --disable-pip-version-check --use-pep517 --require-hashes -r requirements.lock
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

.venv/packages: .venv/ready tests/packages.txt
	@lab/install-packages tests/packages.txt
	@touch $@

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis bench/floor
