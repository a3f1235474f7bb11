# The explorer, its tests, and the models.
#
# Everything here is built by rules of its own: what a model is made of is compiled as if for the thread sanitizer, whose
# functions the explorer defines itself (explore/README.md). So CFLAGS, which may ask for a real sanitizer, has no say.

EXPLORE_CFLAGS := -std=gnu11 -g -pthread -fno-pie -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla \
                  $(WERROR)
EXPLORE_WATCH  := -O1 -fsanitize=thread -fno-optimize-sibling-calls
EXPLORE        := $(BUILD)/explore
EXPLORER       := $(patsubst explore/%.c,$(EXPLORE)/%.o,$(filter-out explore/main.c,$(wildcard explore/*.c))) \
                  $(EXPLORE)/trace.o

$(EXPLORE)/%.o: explore/%.c $(BUILD)/flags | packages
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(EXPLORE_CFLAGS) -O2 -MMD -MP -c $< -o $@

$(EXPLORE)/trace.o: trace/trace.c $(BUILD)/flags | packages
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(EXPLORE_CFLAGS) -O2 -MMD -MP -c $< -o $@

# A source that is explored: unchanged, but its accesses to memory are reported to the explorer, and what it calls of the
# C library goes to the functions that explore/symbols names. WATCH_FLAGS: where the headers are.
watch = $(Q)$(CC) $(EXPLORE_CFLAGS) $(EXPLORE_WATCH) $(WATCH_FLAGS) -MMD -MP -c $< -o $@ && \
        objcopy --redefine-syms=explore/symbols $@

$(EXPLORE)/watched/%.o: %.c explore/symbols $(BUILD)/flags | packages
	$(call say,WATCH,$<)
	@mkdir -p $(@D)
	$(watch)

# Threads draw numbers in blocks, which are smaller in a run that is recorded, and each block is a step. The steps of a run
# must be the same whether it is recorded or not.
$(EXPLORE)/watched/stages/%/ids.o: WATCH_FLAGS = -Dtrace_on=never_traced

$(EXPLORE)/watched/%.a:
	@rm -f $@ && ar rcs $@ $^

link = $(Q)$(CC) $(EXPLORE_CFLAGS) -no-pie $^ -o $@

# ---- tests

TESTS += $(BUILD)/tests/explore/test_litmus

$(BUILD)/tests/explore/test_litmus: $(EXPLORE)/tests/test_litmus.o $(EXPLORE)/watched/explore/tests/litmus.o $(EXPLORER)
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(link) -lcmocka

# ---- models: explore/model reads in each what it is made of, and writes the rules

$(EXPLORE)/models.mk: explore/model $(wildcard explore/models/*.model)
	@mkdir -p $(@D)
	@explore/model rules > $@

ifneq ($(filter model models,$(MAKECMDGOALS)),)
-include $(EXPLORE)/models.mk
endif

##model          run every interleaving of the models, and see their mutants rejected [MODEL=, MUTANT=, BOUND=, REPLAY=]
.PHONY: model models
# A mutant whose place in the source has changed must not keep the others from being run: it fails by itself.
model: $(if $(MODEL),$(BUILD)/bin/lifeline)
	@$(MAKE) -k models || true
	@explore/model run --build $(BUILD) $(if $(BOUND),--bound $(BOUND)) $(if $(MUTANT),--mutant $(MUTANT)) \
	  $(if $(REPLAY),--replay $(REPLAY)) $(MODEL)
models: $(MODEL_PROGRAMS)

-include $(wildcard $(EXPLORE)/*.d $(EXPLORE)/*/*.d $(EXPLORE)/*/*/*.d $(EXPLORE)/*/*/*/*.d)
