PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SEED ?=
SEEDS ?= 2000
MINUTES ?= 10

.PHONY: help demo test lint format simulate soak bench coverage-page salt-page clean
## make demo               the example tree on three minions, and a master killed in mid-run
## make test               everything: lint, types, unit, simulation, real processes
## make lint               ruff, mypy --strict, import-linter
## make simulate           SEEDS=2000 seeds; SEED=n replays one with its trace
## make soak               more than 500 kills of real processes, then simulation, MINUTES=10
## make bench              figures as ratios, printed as JSON
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
	$(BIN)/pytest -n 2 --dist loadgroup -m "not alone"
	$(BIN)/pytest -m "alone"

lint: $(VENV)/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

format: $(VENV)/ready
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

simulate: $(VENV)/ready
	PYTHONPATH=tests $(BIN)/python -m support.simulator.command $(if $(SEED),--seed $(SEED) --trace,--seeds $(SEEDS))

soak: $(VENV)/ready
	LIMPET_CHAOS_ROUNDS=3 LIMPET_CHAOS_LONG=1 $(BIN)/pytest tests/system/chaos
	PYTHONPATH=tests $(BIN)/python -m support.simulator.command --minutes $(MINUTES)

bench: $(VENV)/ready
	$(BIN)/python tests/benchmarks/run.py

coverage-page: $(VENV)/ready
	PYTHONPATH=tests $(BIN)/python -m support.failure_page --write

salt-page: $(VENV)/ready
	PYTHONPATH=tests $(BIN)/python -m support.salt_page --write

clean:
	rm -rf $(VENV) dist build .mypy_cache .ruff_cache .pytest_cache
