# Every target installs what it needs and is missing, and says what it installs (tests/setup.sh).
#
#   make run [MEDIA=DIR]  build page and daemon, and start the box on this computer
#   make test             every test
#   make vm-test          the box in a virtual machine: sticks plugged and pulled, power cuts, shares, updates; hours
#                         where the processor is emulated, ARGS=short a part of it
#   make demo             the whole life of a release, in about a minute, with no network
#   make bench            the benches, against an optimised build: two hours; half an hour with ARGS=--quick
#   make bench-TABLE      one of them: create, first-copy, cap, latency, cost, idle, peers, scan
#   make image BOARD=rpi4 the image for a board: hours the first time (board/README.md); BUILD=developer adds a way in
#   make image-check      what can be known of the image without building it; BUILDROOT=DIR asks Buildroot too
#   make smoke            boots the image of BOARD=qemu in QEMU: page, claim, USB stick, download, plug pulled, update
#   make page             the page alone
#   make check            formatting and lints
#   make clean            remove what was built (not ./var, the box's state)
#
# SEMOIR_OFFLINE=1 keeps a box off the internet: no DHT, LSD, UPnP, mDNS, no tracker but on loopback.

# `run`, `test` and `demo` share the dev build: its dependencies, hashing among them, are optimised, it builds in a
# fraction of the release build's time, and a home's uplink does not notice. The benches measure the release build.
SHELL := /bin/sh
TARGET := $(or $(CARGO_TARGET_DIR),target)
PAGE := web/dist/index.html
PAGE_SOURCES := $(shell find web -type f -not -path 'web/node_modules/*' -not -path 'web/dist/*' 2>/dev/null)
# The node that setup installs where the system's is too old for the page's build.
export PATH := $(abspath $(TARGET))/node/node_modules/node/bin:$(PATH)
export MEDIA

.PHONY: run test vm-test image image-check smoke demo page check clean setup-build setup-test setup-bench setup-image setup-smoke setup-vm

run: $(PAGE)
	@cargo build --locked
	@mkdir -p var
	@set --; \
	case "$$MEDIA" in \
	"") ;; \
	"~/"*) set -- --source "$$HOME/$${MEDIA#??}" ;; \
	*) set -- --source "$$MEDIA" ;; \
	esac; \
	exec tests/supervise.sh "$(TARGET)/debug/semoir" serve --data var --admin 127.0.0.1:8080 --public '[::]:6880' --peer '[::]:6881' "$$@"

test: export SEMOIR_OFFLINE = 1
test: setup-test $(PAGE)
	cargo nextest run --locked --config-file .ci/nextest.toml $(ARGS)

# ARGS narrows it down: ARGS=power, or ARGS=short for what CI runs.
vm-test: export SEMOIR_OFFLINE = 1
vm-test: export SEMOIR_VM_TESTS = $(ARGS)
vm-test: setup-vm $(PAGE)
	cargo nextest run --locked --config-file .ci/nextest.toml --test vm --run-ignored all $(ARGS)

# Boards are the folders of board/ that have a `meta`.
BOARD ?= qemu
export BUILDROOT
image: setup-image $(PAGE)
	@buildroot/scripts/image.sh "$(BOARD)" "$(BUILD)"

image-check: setup-image
	cargo nextest run --locked --config-file .ci/nextest.toml --test image $(ARGS)

smoke: setup-smoke
	@buildroot/scripts/smoke.sh "$(BOARD)" "$(BUILD)"

demo: export SEMOIR_OFFLINE = 1
demo: $(PAGE)
	@cargo build --locked
	@"$(TARGET)/debug/semoir" demo

# Tables beside other programs'; tests/bench/run.py --help lists what ARGS takes. It says at the start how long it takes.
BENCH_TABLES := create first-copy cap latency cost idle peers scan
BENCHES := bench $(BENCH_TABLES:%=bench-%)
.PHONY: $(BENCHES)
$(BENCHES): export SEMOIR_OFFLINE = 1
$(BENCHES): setup-bench $(PAGE)
	cargo build --locked --release --bins --example relay
	python3 tests/bench/run.py "$(TARGET)/release/semoir" $(patsubst bench-%,%,$(filter-out bench,$@)) $(ARGS)

page: $(PAGE)

check:
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings

clean:
	cargo clean
	rm -rf web/node_modules web/dist

setup-build:
	@tests/setup.sh build

setup-test:
	@tests/setup.sh test

setup-bench:
	@tests/setup.sh bench

setup-image:
	@tests/setup.sh image

setup-smoke:
	@tests/setup.sh smoke

setup-vm:
	@tests/setup.sh vm

$(PAGE): $(PAGE_SOURCES) | setup-build
	cd web && npm ci --no-fund --no-audit && npm run build
	@touch $@
