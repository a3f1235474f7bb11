# The bench: the programs that are measured (README.md says what they must do), the driver that runs them in turn, the
# report. All programs lie in build/bench/; those of others are built by the fragments in peers/ and http/.

BENCH_DIR := $(BUILD)/bench

TOOL_TESTS += bench/tests/test_bench
TESTS      += bench/tests/check_subjects

# ---- our stages: one set of workloads over the library of each

BENCH_STAGES := $(filter-out 01_% 02_% 03_%,$(STAGES))
BENCH_SHARED := $(BENCH_DIR)/subject.o $(BENCH_DIR)/contest.o $(BENCH_DIR)/http/answer.o

# number_of NN_name: NN
number_of = $(firstword $(subst _, ,$(1)))

define BENCH_LINK
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $(filter %.o %.a,$^) -o $@ $(LDLIBS)
endef

# What a stage is able to do: channels and locks came with stage 07.
bench_sources = $(filter-out $(if $(filter 04_% 05_% 06_%,$(1)),bench/stages/sync_%),$(wildcard bench/stages/*.c))

# bench_stage NN_name NN: the rules for one stage.
define bench_stage
BENCH_PROGRAMS += $(BENCH_DIR)/stage$(2) $(BENCH_DIR)/http-stage$(2)
$(BENCH_DIR)/stage$(2): $(patsubst bench/stages/%.c,$(BENCH_DIR)/$(1)/%.o,$(call bench_sources,$(1))) \
    $(BENCH_SHARED) $(BUILD)/stages/$(1)/libwakeful.a
	$$(BENCH_LINK)
$(BENCH_DIR)/http-stage$(2): $(BENCH_DIR)/stage$(2)
	$$(Q)ln -sf stage$(2) $$@
$(BENCH_DIR)/$(1)/%.o: override CPPFLAGS += -iquote stages/$(1) -DSTAGE=$(2:0%=%)
$(BENCH_DIR)/$(1)/%.o: bench/stages/%.c $(BUILD)/flags | packages
	$$(call say,CC,$$<)
	@mkdir -p $$(@D)
	$$(Q)$$(CC) $$(CPPFLAGS) $$(CFLAGS) -MMD -MP -c $$< -o $$@
$(BUILD)/stages/$(1)/libwakeful.a: stage-$(1)
	@:
endef
$(foreach s,$(BENCH_STAGES),$(eval $(call bench_stage,$(s),$(call number_of,$(s)))))

# Stage 06 once more, with one reactor for all workers; for the workload that is about descriptors.
BENCH_PROGRAMS += $(BENCH_DIR)/http-stage06-shared
$(BENCH_DIR)/http-stage06-shared: private override LDFLAGS += -Wl,--wrap=reactor_current,--wrap=reactor_glance,--wrap=watch_init,--wrap=watch_wait
$(BENCH_DIR)/http-stage06-shared: $(patsubst bench/stages/%.c,$(BENCH_DIR)/06_work_stealing/%.o, \
    $(call bench_sources,06_work_stealing) bench/stages/shared/one_reactor.c) \
    $(BENCH_SHARED) $(BUILD)/stages/06_work_stealing/libwakeful.a
	$(BENCH_LINK)

# ---- the peers in C; libuv only where it is installed

BENCH_PEERS := ring threads select poll epoll http-epoll http-threads \
               $(if $(wildcard /usr/include/uv.h),libuv http-libuv)
BENCH_PROGRAMS += $(BENCH_PEERS:%=$(BENCH_DIR)/%)

in_bench = $(patsubst bench/%.c,$(BENCH_DIR)/%.o,$(wildcard bench/$(1)))
$(BENCH_DIR)/ring: $(call in_bench,c/ring.c) $(BENCH_SHARED)
$(BENCH_DIR)/threads: $(call in_bench,c/threads*.c) $(BENCH_SHARED)
$(BENCH_DIR)/select $(BENCH_DIR)/poll $(BENCH_DIR)/epoll: $(call in_bench,c/multiplex.c) $(BENCH_SHARED)
$(BENCH_DIR)/http-epoll: $(call in_bench,http/epoll.c) $(BENCH_SHARED)
$(BENCH_DIR)/http-threads: $(call in_bench,http/threads.c) $(BENCH_SHARED)
$(BENCH_DIR)/libuv: $(call in_bench,c/libuv.c) $(BENCH_SHARED)
$(BENCH_DIR)/http-libuv: $(call in_bench,http/libuv.c) $(BENCH_SHARED)
$(BENCH_DIR)/libuv $(BENCH_DIR)/http-libuv: override LDLIBS += -luv
$(BENCH_PEERS:%=$(BENCH_DIR)/%):
	$(BENCH_LINK)

# The subjects in C are tested like everything else in C.
bench/tests/check_subjects: $(BENCH_PROGRAMS)

# ---- the peers in Rust, and nginx

-include bench/peers/rust/rust.mk
-include bench/http/http.mk

# ---- running it

.PHONY: bench bench-programs

##bench          run the workloads over our stages and their peers [BENCH="spawn_join yield", QUICK=1, ROUNDS=N]
bench:
	@setup/packages bench || echo 'Going on without them: what cannot be built is left out, and named.'
	@$(MAKE) bench/tests/check_subjects
	@$(MAKE) --keep-going bench-programs || echo 'Going on without what could not be built; it will be named.'
	@mkdir -p out && bench/machine '$(CC)' '$(strip $(CFLAGS))' > out/bench-machine.txt
	@status=0; bench/run --programs $(BENCH_DIR) $(if $(QUICK),--quick) $(if $(ROUNDS),--rounds $(ROUNDS)) $(BENCH) || status=$$?; \
	  [ $$status = 2 ] || bench/report && exit $$status

bench-programs: $(BENCH_PROGRAMS)
