# Everything a person types. No target needs root; `make run PORT=9000` and `make test ARGS="tests/pay -x"` take a word more.
SHELL := /bin/sh
PYTHON := .venv/bin/python
# Test processes: one more than there are cores, since many a test waits for others; 0 runs the tests in one.
WORKERS ?= $(shell expr $$(getconf _NPROCESSORS_ONLN) + 1)
# Who has done its own tests takes over some of another's: the slow ones lie side by side.
SPREAD = -n $(WORKERS) $(if $(filter-out 0,$(WORKERS)),--dist worksteal)
ifdef PORT
export SALEWRIGHT_PORT := $(PORT)
endif

.PHONY: help setup setup-test run test quick bench soak clean

help:
	@echo "make setup   the environment, the dependencies and the console's assets (quick when nothing changed)"
	@echo "make run     everything on this machine: API, console, worker, sandbox      [PORT=8700]"
	@echo "make test    every test                                                     [ARGS=…] [WORKERS=2]"
	@echo "make quick   the tests that take less than ten seconds each"
	@echo "make bench   figures of this machine        make soak   hours of faults"
	@echo "make clean   takes away what can be made again (never var/)"

setup:
	@python=$$(sh tools/python.sh) && "$$python" tools/setup.py && $(PYTHON) tools/assets.py

setup-test:
	@python=$$(sh tools/python.sh) && "$$python" tools/setup.py test && $(PYTHON) tools/assets.py && $(PYTHON) tools/oracles.py && $(PYTHON) tools/apart.py

run: setup
	@exec $(PYTHON) run.py serve

test: setup-test
	$(PYTHON) -m pytest $(SPREAD) $(ARGS)

quick: setup-test
	$(PYTHON) -m pytest $(SPREAD) -m "not slow" $(ARGS)

bench: setup-test
	$(PYTHON) -m bench $(ARGS)

soak: setup-test
	$(PYTHON) -m bench.soak $(ARGS)

clean:
	rm -rf .venv console/node_modules tests/oracles/node_modules tests/oracles/.venv console/static/build .pytest_cache .hypothesis *.egg-info build
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
