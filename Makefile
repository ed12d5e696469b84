# `make demo` and `make test` need python3 (3.11 to 3.13, with venv) and nothing else. `make help` lists the rest.

BIN := .venv/bin

.PHONY: help demo test check fix bench kills

help:  ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' Makefile

demo:  ## set up, then run a spoken conversation: a caller books a table
	@scripts/setup offline
	@echo "==> antiphon demo"
	@$(BIN)/antiphon demo

test:  ## set up, then run the tests; SEEDS=5000 searches further
	@scripts/setup offline,test
	@echo "==> pytest"
	@ANTIPHON_SEEDS=$(SEEDS) $(BIN)/pytest
