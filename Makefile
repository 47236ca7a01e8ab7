# Archon. `make up` starts it, `make test` checks all of it, `make help` lists the rest.
PYTHON ?= python3
ARCHON := .venv/bin/archon
PREPARE := $(PYTHON) scripts/bootstrap.py
CHECKS := .venv/bin/python scripts/checks.py

.DEFAULT_GOAL := help
.PHONY: up down status doctor gateway containers test check bench crash format generate clean help

up: ## install what is missing, start everything, say where to go (Ctrl-C or `make down` stops it)
	@$(PREPARE) up

down: ## stop everything that `make up` started
	@if [ -x $(ARCHON) ]; then $(ARCHON) down; else echo "Nothing is installed here, so nothing runs."; fi

status: ## what runs, and where
	@$(ARCHON) status

doctor: ## look at every part; says what is broken and what to do
	@$(ARCHON) doctor

gateway: ## one OpenAI-compatible address for several model servers, on 8200 (docs/operate/gateway.md)
	@$(ARCHON) gateway

test: ## everything: lint, types, unit, integration on real Postgres and real vLLM, pages, browser
	@$(PREPARE) dev && $(CHECKS) test

check: ## the fast part, under a minute: lint, types, import rules, tests that need no server
	@$(PREPARE) dev && $(CHECKS) check

bench: ## measure speed and memory, and print ratios
	@$(PREPARE) dev && $(CHECKS) bench

crash: ## kill -9 a worker at N random moments (N=100) and at every boundary; writes docs/crash-log.txt
	@$(PREPARE) dev && cd python && ../.venv/bin/python -m tests.ingest.crash --kills $(or $(N),100)

format: ## bring the code into its form
	@$(PREPARE) dev && $(CHECKS) format

generate: ## write again what is derived from the code (.env.example, tables in the docs)
	@.venv/bin/python scripts/generate.py

containers: ## check the compose file and the Dockerfiles without a container engine, and run their RUN lines
	@$(PREPARE) dev && .venv/bin/python scripts/containers.py --run

clean: down ## remove what was installed and built; data (.archon) stays
	rm -rf .venv archon-ui-main/node_modules archon-ui-main/dist

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' Makefile
