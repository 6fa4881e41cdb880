# Two commands do everything: `make run` brings up the devnet, `make test` runs all tests. `make help` lists the rest.
.DEFAULT_GOAL := help
SHELL := /bin/bash
NPM_STAMP := contracts/node_modules/.package-lock.json

help: ## What each target does
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | column -t -s $$'\t'

check-tools: ## Says plainly what is missing on this machine
	@deploy/check-tools

setup: check-tools $(NPM_STAMP) ## Install what comes from npm: anvil, forge, cast, solc

$(NPM_STAMP): contracts/package-lock.json
	cd contracts && npm ci --no-audit --no-fund --ignore-scripts --loglevel=error

build: setup ## Build the tributary binary
	cargo build --release -p tributary

run: build ## Start the devnet: L1, contracts, DA, sequencer, batcher, proposer, follower, indexer
	target/release/tributary devnet

clients-setup: setup tests/clients/node_modules/.package-lock.json tests/clients/.venv/installed ## Install the clients of tests/clients: viem and ethers from npm, web3.py from PyPI

tests/clients/node_modules/.package-lock.json: tests/clients/package-lock.json
	cd tests/clients && npm ci --no-audit --no-fund --ignore-scripts --loglevel=error

tests/clients/.venv/installed: tests/clients/requirements.txt
	python3 -m venv tests/clients/.venv
	tests/clients/.venv/bin/pip install --quiet --disable-pip-version-check --no-deps --requirement tests/clients/requirements.txt
	touch $@

clients: clients-setup ## cast, forge script, viem, ethers, web3.py and alloy, as they are, against a fresh devnet
	tests/clients/run

test: setup ## All tests (what needs an absent system package is skipped by name)
	@$(MAKE) --no-print-directory clients-setup || echo "the clients could not be installed: their tests are skipped by name"
	cargo test --workspace --no-fail-fast
	cd contracts && ./forge test

lint: ## Formatting and lints, as CI checks them
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings

docs: ## API documentation, warnings denied
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --document-private-items

deny: ## Licences, bans and sources of the dependency tree
	cargo deny check bans licenses sources

audit: ## The advisory database as well (needs a network that reaches it)
	cargo deny check

contracts: setup ## Rebuild the contract artifacts from the sources
	cd contracts && ./build

contracts-check: setup ## Fail if the committed artifacts differ from the sources, or the preinstalls from their packages
	cd contracts && ./build --check && ./preinstalls --check

oracle: ## kona derives and executes 500 random histories and must agree with ours (tests/oracle/run 50 is the short form)
	tests/oracle/run 500

opstack: build ## An unmodified op-node with op-geth derives our chains and must agree (needs Go)
	tests/opstack/run

mutants: ## Break the rules of derivation one by one; the tests must notice each
	tests/mutants/run

riscv: ## The rules build for bare RV64IM, where disputes are decided (needs Debian's rustc-web)
	tests/riscv/run

fuzz: ## Every fuzz target for a short, fixed number of inputs (docs/fuzzing.md says how to run long)
	tests/fuzz/run

bench-cost: build ## What a record costs as usage grows: tables on the screen, files in target/bench
	target/release/tributary bench cost --out target/bench

bench-derive: build ## Blocks and megabytes a second of derivation, with and without execution
	target/release/tributary bench derive

bench-instructions: ## Instructions per transfer by stage, against the committed reference (needs valgrind)
	benches/instructions

bench-e2e: build ## Transfers a second beside anvil, interleaved, and with all roles until safe
	target/release/tributary bench e2e --vs anvil

bench-batch: ## Bytes and CPU of batches, beside kona's encoder on the same blocks (docs/benchmarks.md)
	tests/oracle/encoder/run

.PHONY: help check-tools setup build run clients-setup clients test lint docs deny audit contracts contracts-check oracle fuzz opstack mutants riscv bench-cost bench-derive bench-instructions bench-e2e bench-batch
