# Every target is one line that CI calls too. `make help` lists them.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
PORT ?= 8420
CASES ?= 5000
export PIP_DISABLE_PIP_VERSION_CHECK = 1
export PATH := $(CURDIR)/.venv/node/bin:$(PATH)# Node.js from its wheel, when the machine has none

##@ First steps
.PHONY: help setup run test
help: ## Show this help
	@awk 'BEGIN {FS = ":.*##"} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z-]+:.*##/ {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: .make/python .make/web ## Install everything, locked; leaves pli and pli-bridge in .venv/bin
run: .make/python .make/webroot ## Start a seeded demo on SQLite and local files, print where to click
	@$(BIN)/pli demo --port $(PORT)
test: ## Everything: installs what is missing, then lint, types, rooms, unit to browser tests
	@tools/test_all.sh

##@ While working
.PHONY: dev check lint types rooms format api vectors web-test
dev: .make/dev .make/webroot ## Server on a throw-away demo, restarted when Python changes; web rebuilt when it changes
	@$(BIN)/python tools/dev.py --port $(PORT)
check: lint types rooms ## Lint, types, rooms and the quick tests: the set to run before a push
	@$(BIN)/pytest -q -n 2 tests/unit tests/architecture
lint: .make/dev .make/web ## ruff, deptry, eslint
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/deptry . && cd web && npm run --silent lint
types: .make/dev .make/web ## mypy strict, svelte-check
	@$(BIN)/mypy && cd web && npm run --silent check
rooms: .make/dev .make/web ## import-linter, dependency-cruiser
	@$(BIN)/lint-imports && cd web && npm run --silent rooms
format: .make/dev ## Format the Python code
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix .
api: .make/dev ## Regenerate docs/api and the clients' types from the server
	@$(BIN)/python tools/describe_api.py
vectors: .make/dev ## Regenerate tests/vectors from crypto/
	@$(BIN)/python tools/make_vectors.py
web-test: .make/web ## The web client's own tests
	@cd web && npm run --silent test

##@ Measure
.PHONY: bench bench-quick faults faults-release hostile
bench: .make/dev ## The whole benchmark table beside its goals: SQLite, PostgreSQL, two nodes, a million messages, files (7 minutes)
	@$(BIN)/python -m bench && $(BIN)/python -m bench --quick --postgres --json && $(BIN)/python -m bench.nodes && $(BIN)/python -m bench.scale && $(BIN)/python -m bench.files
bench-quick: .make/dev ## Under 50 s; the last line of stdout is JSON
	@$(BIN)/python -m bench --quick
faults: .make/dev ## Kill it, cut its power, part its wires, change it (under 10 minutes); the last line of stdout is JSON
	@$(BIN)/python -m tests.faults
faults-release: .make/dev ## The same with the numbers of a release (about an hour)
	@$(BIN)/python -m tests.faults.mail_restarts --release
	@$(BIN)/python -m tests.faults --release
hostile: .make/dev .make/fuzz ## All that a hostile network tries, with 20,000 random requests, the timing and CASES=5000 of schemathesis
	@$(BIN)/pytest -q -s -n 2 -m "slow or not slow" tests/hostile && $(BIN)/python -m tests.hostile.fuzz --cases $(CASES)

##@ Upkeep
.PHONY: lock clean
lock: ## Resolve dependencies again: hash-pinned, without addresses
	@$(BIN)/uv lock --upgrade -q && $(BIN)/uv export -q --no-header --no-emit-project --no-dev -o requirements.lock && $(BIN)/uv export -q --no-header --no-emit-project -o requirements-dev.lock && $(BIN)/uv export -q --no-header --no-emit-project --only-group build -o requirements-build.lock
clean: ## Remove what was built or installed here
	@rm -rf .venv .make server/webroot web/node_modules demo-data

# --- installation, each step once -----------------------------------------------------------------
.make/python: requirements.lock requirements-build.lock pyproject.toml
	@tools/install.sh python && mkdir -p .make && touch $@
.make/dev: .make/python requirements-dev.lock
	@tools/install.sh dev && touch $@
.make/fuzz: tools/fuzz/requirements.lock
	@tools/install.sh fuzz && mkdir -p .make && touch $@
.make/web: .make/python web/package.json web/package-lock.json
	@tools/install.sh web && touch $@
.make/peers: tools/peers/requirements.lock tools/peers/fhir/package-lock.json tools/peers/oidc/package-lock.json tools/peers/install.sh
	@tools/peers/install.sh && mkdir -p .make && touch $@
.make/webroot: .make/web $(shell find web/src web/public web/index.html web/vite.config.ts -type f 2>/dev/null)
	@tools/install.sh webroot && touch $@
