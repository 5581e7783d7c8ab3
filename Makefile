# Everything runs from here with nothing but Python 3.11, its venv module and make. `make help` lists the targets.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
DAYS   ?= 2
BENCHES := ledger node lightclient storeforward race footprint

.DEFAULT_GOAL := help
.PHONY: help demo story test lint bench soak-storeforward clean $(BENCHES:%=bench-%)

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

$(READY): setup.cfg pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "homewatt needs Python 3.11 or newer; name one with: make PYTHON=python3.11" >&2; exit 3; }
	@$(PYTHON) -m venv $(VENV) || { echo "the venv module is missing; on Debian: apt install python3-venv" >&2; exit 3; }
	@echo "installing homewatt and what it needs into $(VENV)" >&2
	@$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

demo: $(READY)  ## real days of the carried week, with the battery's agent offline for four hours (DAYS=7: the week)
	@$(BIN)/homewatt society --days $(DAYS) --offline battery:12:16 \
	  --report build/report.html --json build/report.json
	@echo
	@echo "Next: make demo DAYS=7 runs the whole week, make story replays a day in the house with who did what and why."

story: $(READY)  ## replay the day in the house, told as it happens
	@$(BIN)/homewatt society --scenario story

test: $(READY)  ## all tests
	@$(BIN)/python -m pytest -n auto

lint: $(READY)  ## ruff and mypy, strict in every folder
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

bench: $(READY)  ## the benchmarks; each prints a table and writes build/bench/NAME.json (one: make bench-storeforward ARGS=--peers)
	@for name in $(BENCHES); do $(BIN)/python -m tools.bench.$$name || exit 1; done

$(BENCHES:%=bench-%): bench-%: $(READY)
	@$(BIN)/python -m tools.bench.$* $(ARGS)

soak-storeforward: $(READY)  ## try for minutes to make the journal lose something; each campaign writes build/soak/NAME.json
	@$(BIN)/python -m tools.soak

clean:  ## remove the environment and everything built
	rm -rf $(VENV) build *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
