# The peers in Rust: built by the distribution's own compiler, without a network, from its library packages. A cargo
# that lies in PATH may be newer, but has no packages. Where any of it is missing, none of them is built: the driver
# names them as skipped, and setup/packages says what to install.

RUST_PEERS  := async-std http-hyper http-tokio-raw localpool parking_lot rust-std smol smol-local tokio-ct tokio-mt
RUST_CRATES := async-channel async-io async-std futures hyper libc parking_lot smol tokio
RUST_NEEDS  := /usr/bin/cargo /usr/bin/rustc $(RUST_CRATES:%=/usr/share/cargo/registry/%-[0-9]*)

rust_missing := $(foreach need,$(RUST_NEEDS),$(if $(wildcard $(need)),,$(need)))
ifeq ($(strip $(rust_missing)),)
BENCH_PROGRAMS += $(RUST_PEERS:%=$(BENCH_DIR)/%)
endif

# One run of cargo builds them all. Cargo.lock is made anew: it would hold to versions that the packages no longer have.
$(RUST_PEERS:%=$(BENCH_DIR)/%) &: $(wildcard bench/peers/rust/src/*.rs bench/peers/rust/src/bin/*.rs) \
    bench/peers/rust/Cargo.toml bench/peers/rust/.cargo/config.toml
	$(call say,RUST,'bench/peers/rust (a few minutes)')
	@mkdir -p $(BENCH_DIR)/rust && rm -f bench/peers/rust/Cargo.lock
	$(Q)cd bench/peers/rust && RUSTC=/usr/bin/rustc CARGO_TARGET_DIR=$(abspath $(BENCH_DIR))/rust \
	  nice /usr/bin/cargo build --release --offline --quiet
	$(Q)cd $(BENCH_DIR)/rust/release && install -m 755 $(RUST_PEERS) $(abspath $(BENCH_DIR))
