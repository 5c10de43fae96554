PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SEED ?=
SEEDS ?= 2000
MINUTES ?= 10
MINIONS ?= 10000
N ?= 3
H ?= web1

.PHONY: help demo test test-lab lab lab-shell lab-down lint format simulate hour soak bench coverage-page salt-page packages man clean
## make demo               the example tree on three minions, and a master killed in mid-run
## make test               everything: lint, types, unit, simulation, real processes
## make test-lab           as root: everything on systemd hosts, with 30 rounds of faults (an hour)
## make lab                as root: N=3 systemd hosts and a master's, with limpet on them
## make lab-shell          a shell on H=web1 or H=master; make lab-down ends the lab
## make lint               ruff, mypy --strict, import-linter
## make simulate           SEEDS=2000 seeds; SEED=n replays one with its trace
## make hour               one simulated hour of churn with MINIONS=10000: what is held before and after, as JSON
## make soak               more than 500 kills of real processes, then simulation, MINUTES=10
## make bench              figures as ratios, printed as JSON; N=1000 minions, SALT=where/salt/bin
## make packages           dist/: limpet-minion and limpet-master for Debian, wheel, sdist; ARGS=--help
## make man                the manual pages, in build/man: `man -l build/man/limpet-run.1`
help:
	@grep -E '^## ' Makefile | sed 's/^## //'

$(VENV)/ready: packaging/requirements/dev.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --require-hashes --requirement packaging/requirements/dev.txt
	$(BIN)/pip install --quiet --no-deps --no-build-isolation --editable .
	$(BIN)/python -m compileall -q common master minion states packaging/python/limpet/__main__.py
	touch $@

demo: $(VENV)/ready
	$(BIN)/python docs/examples/demo.py

test: lint
	$(BIN)/pytest -n 3 --dist loadgroup -m "not alone and not lab"
	$(BIN)/pytest -m "alone and not lab"
	$(BIN)/pytest -m "lab and short"

test-lab: $(VENV)/ready
	$(BIN)/pytest --capture=tee-sys -m "lab" tests/lab

lab: $(VENV)/ready
	$(BIN)/python packaging/lab/lab.py fleet $(N)

lab-shell:
	$(PYTHON) packaging/lab/lab.py shell $(H)

lab-down:
	$(PYTHON) packaging/lab/lab.py down

lint: $(VENV)/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

format: $(VENV)/ready
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

packages: $(VENV)/ready
	PYTHONPATH=packaging $(BIN)/python -m deb $(ARGS)

man: $(VENV)/ready
	$(BIN)/python packaging/man/generate.py build/man

simulate: $(VENV)/ready
	PYTHONPATH=tests $(BIN)/python -m support.simulator.command $(if $(SEED),--seed $(SEED) --trace,--seeds $(SEEDS))

hour: $(VENV)/ready
	$(BIN)/python tests/simulation/hour.py --minions $(MINIONS)

soak: $(VENV)/ready
	LIMPET_CHAOS_ROUNDS=3 LIMPET_CHAOS_LONG=1 $(BIN)/pytest tests/system/chaos
	PYTHONPATH=tests $(BIN)/python -m support.simulator.command --minutes $(MINUTES)

bench: $(VENV)/ready
	$(BIN)/python tests/benchmarks/run.py --minions $(if $(filter file,$(origin N)),1000,$(N)) $(if $(SALT),--salt $(SALT)) $(ARGS)

coverage-page: $(VENV)/ready
	PYTHONPATH=tests $(BIN)/python -m support.pages.failure_page --write

salt-page: $(VENV)/ready
	PYTHONPATH=tests $(BIN)/python -m support.pages.salt_page --write

clean:
	rm -rf $(VENV) dist build .mypy_cache .ruff_cache .pytest_cache
