# Each target does its own set-up (scripts/setup) and builds with one feature set, so that nothing is compiled twice.
.PHONY: build setup test test-agave test-vm demo bench lint fixtures clean-leftovers

build:
	cargo build

setup:
	scripts/setup

test: setup
	scripts/test

test-vm: setup
	scripts/test --vm-only

test-agave: setup
	scripts/test-agave

demo: setup
	scripts/demo

bench: setup
	scripts/bench

lint:
	cargo fmt --all --check
	cargo clippy --workspace --lib --bins -- -D warnings
	cargo deny check

fixtures:
	cargo run -p warren-ledger --example fixtures -- --write
	cargo run -p warren-protocols --example wire -- --write
