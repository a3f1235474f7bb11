# The recorder's tests and its benchmark. The recorder itself is compiled by those who use it.

TRACE_TESTS   := $(patsubst trace/tests/%.c,$(BUILD)/tests/trace/%,$(wildcard trace/tests/test_*.c))
TRACE_PLAIN   := $(filter-out %/test_hooks,$(TRACE_TESTS))
TRACE_SCRIPTS := $(wildcard trace/tests/check_*)
TRACE_OBJECTS := $(BUILD)/trace/trace.o $(BUILD)/trace/site.o $(BUILD)/trace/tests/reading.o

TESTS += $(TRACE_TESTS) $(TRACE_SCRIPTS)

$(TRACE_PLAIN): $(BUILD)/tests/trace/%: $(BUILD)/trace/tests/%.o $(TRACE_OBJECTS)
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $^ -o $@ $$(sed -n 's|^/\* LINK: ||p' trace/tests/$*.c) -lcmocka $(LDLIBS)

# This test has a recorder of its own, in which every trace point is a hook.
$(BUILD)/tests/trace/test_hooks: $(BUILD)/trace/tests/test_hooks.o $(BUILD)/trace/hooks.o
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $^ -o $@ -lcmocka $(LDLIBS)

$(BUILD)/trace/tests/test_hooks.o: override CPPFLAGS += -DHOOKS
$(BUILD)/trace/hooks.o: trace/trace.c $(BUILD)/flags | packages
	$(call say,HOOKS,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) -DHOOKS $(CFLAGS) -MMD -MP -c $< -o $@

$(BUILD)/bin/bench_trace: $(BUILD)/trace/bench_trace.o $(BUILD)/trace/trace.o
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $^ -o $@ $(LDLIBS)

##bench-trace    measure what recording an event costs; the table goes to out/bench-trace.txt as well
.PHONY: bench-trace
bench-trace: $(BUILD)/bin/bench_trace
	@mkdir -p out
	@$< out > out/bench-trace.txt && cat out/bench-trace.txt
