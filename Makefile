# `make demo` and `make test` need python3 (3.11 to 3.13, with venv) and nothing else. `make help` lists the rest.

BIN := .venv/bin

.PHONY: help demo test check fix bench kills mutants

help:  ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /  make \1	/p' Makefile

demo:  ## set up, then run a spoken conversation: a caller books a table
	@scripts/setup offline
	@echo "==> antiphon demo"
	@$(BIN)/antiphon demo

test:  ## set up, then run the tests; SEEDS=5000 searches further
	@scripts/setup offline,silero,test
	@echo "==> pytest"
	@$(if $(SEEDS),ANTIPHON_SEEDS=$(SEEDS)) $(BIN)/pytest --numprocesses auto --maxprocesses 4 --dist loadfile

check:  ## all of CI but the tests, with how to repair what it finds
	@scripts/setup offline,silero,dev
	@scripts/check

fix:  ## repair what a machine can: format, simple lint, the reference, the pictures of turns
	@scripts/setup offline,silero,dev
	@$(BIN)/ruff check --fix --quiet . ; $(BIN)/ruff format .
	@$(BIN)/python scripts/reference.py
	@$(BIN)/python -m scripts.turn_pictures

bench:  ## measure the runtime beside pipecat and Trio; docs/benchmarks.md tells what it printed last
	@scripts/setup offline
	@$(BIN)/python -m benchmarks

kills:  ## the demo with an actor killed in each, side by side; each must still book the table
	@scripts/setup offline
	@$(BIN)/python scripts/kills.py

mutants:  ## plant mistakes into copies of runtime and turn layer; the searches must find each
	@scripts/setup offline,silero,test
	@$(BIN)/python -m tests.mutants
	@$(BIN)/python -m tests.turn.mutants
