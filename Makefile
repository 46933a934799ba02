# Tsunagi's commands: `make` alone lists them. All of them install what the machine lacks below target/tools, start
# private servers on free loopback ports, and stop them again.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help demo run line test check bench chaos clean

# PROFILE=release builds with optimisations where the default is a debug build.
PROFILE ?= debug
# Where `make line` listens.
LINE_PORT ?= 8470
target := $(abspath $(or $(CARGO_TARGET_DIR),target))
build = cargo build --workspace --bins --locked $(if $(filter release,$(PROFILE)),--release)
with_servers := python3 deploy/local/with_servers.py
export TSUNAGI_BIN_DIR = $(target)/$(PROFILE)

help: ## list the commands
	@sed -nE 's/^([a-z]+): .*## (.*)/\1|\2/p' $(MAKEFILE_LIST) | while IFS='|' read -r name does; do \
		printf '  make %-7s %s\n' "$$name" "$$does"; done
	@printf '%s\n' '' \
		'Your own servers: TSUNAGI_DATABASE_URL and TSUNAGI_NATS_URL (demo, run, bench),' \
		'TSUNAGI_TEST_ADMIN_URL and TSUNAGI_TEST_NATS_URL (test).'

demo: ## build, start everything with a stand-in for LINE, play the main job end to end, stop
	$(build)
	$(with_servers) --mode durable -- $(TSUNAGI_BIN_DIR)/tsunagi demo

run: ## build, start everything, leave it running, print what to try; Ctrl-C stops it
	$(build)
	$(with_servers) --mode durable -- $(TSUNAGI_BIN_DIR)/tsunagi run

line: ## LINE in a box alone, on port 8470, for a bot in any language: crates/line-simulator/README.md; Ctrl-C stops it
	cargo build --package line-simulator --bins --locked $(if $(filter release,$(PROFILE)),--release)
	$(TSUNAGI_BIN_DIR)/line-simulator --port $(LINE_PORT) --scenario crates/line-simulator/scenarios/first-steps.yaml --stay

test: ## every test, unit to end-to-end, on real servers
	@.ci/test

check: ## format, lints, docs, protos, dependencies and licences, scripts, manifests
	@.ci/check

bench: PROFILE := release
bench: ## benchmarks with peers beside them; results in target/bench
	$(build)
	$(with_servers) --mode durable -- tests/bench/run

chaos: ## kill runs, faults, fuzzing: make chaos RUNS=100 MINUTES=10 SEED=7 FUZZ_MINUTES=120 INGEST_KILLS=1000 FULL_DISKS=3; results in target/chaos
	$(build)
	$(with_servers) --mode durable --private -- tests/chaos/run

clean: ## remove everything built or installed here
	cargo clean
	rm -rf target
