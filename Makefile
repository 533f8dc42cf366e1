# Each target does its own set-up (scripts/setup) and builds with one feature set, so that nothing is compiled twice.
.PHONY: build setup setup-package test test-agave test-vm demo bench lint fixtures generated deb deb-capd fuzz-api book clean-leftovers

build:
	cargo build

setup:
	scripts/setup

setup-package:
	scripts/setup --package

test: setup-package
	scripts/test

test-vm: setup
	scripts/test --vm-only

test-agave: setup
	scripts/test-agave

# LEDGER=agave: on the real validator, which takes half an hour to build the first time.
demo: setup
	LEDGER=$(LEDGER) scripts/demo

deb: setup-package
	scripts/package

# The authority over caps, a package of its own.
deb-capd: setup-package
	mkdir -p target/package
	cargo deb --locked -p warren-fleet --output target/package/

bench: setup
	scripts/bench

# The API against its own description, with schemathesis (from PyPI, into target/).
fuzz-api: setup
	e2e/schemathesis/run

lint:
	cargo fmt --all --check
	cargo clippy --workspace --lib --bins -- -D warnings
	cargo deny --workspace check

# What is made from the code and committed: the API's description, man pages, completions, the reference in docs/.
generated:
	WARREN_WRITE_OPENAPI=1 WARREN_WRITE_GENERATED=1 cargo test -p warren-api -p warren-cli -p warren-state -p warren --lib the_committed_
	WARREN_WRITE_GENERATED=1 cargo test -p warren-datacap -p warren-fleet generated

# docs/ as a book, in target/book; with mdbook where it is installed (cargo install mdbook --locked).
book:
	@if command -v mdbook >/dev/null; then mdbook build docs; else echo 'mdbook is not installed: no book'; fi

fixtures:
	cargo run -p warren-ledger --example fixtures -- --write
	cargo run -p warren-protocols --example wire -- --write
