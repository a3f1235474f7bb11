# lifeline, the program, and its tests.

LIFELINE_OBJECTS := $(patsubst %.c,$(BUILD)/%.o,$(wildcard lifeline/*.c))

# Asked for when the compiler runs and not before: Graphviz may be installed by this very `make`.
$(LIFELINE_OBJECTS): override CPPFLAGS += $$(pkg-config --cflags libcgraph libgvc)

PROGRAMS += $(BUILD)/bin/lifeline

$(BUILD)/bin/lifeline: $(LIFELINE_OBJECTS)
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $^ -o $@ $$(pkg-config --libs libcgraph libgvc) -lm $(LDLIBS)

# ---- tests: each test_*.c is a program, linked with the other files of the folder and all of lifeline but its main

LIFELINE_TESTS := $(patsubst lifeline/tests/%.c,$(BUILD)/tests/lifeline/%,$(wildcard lifeline/tests/test_*.c))
LIFELINE_HELPERS := $(patsubst %.c,$(BUILD)/%.o,$(addprefix lifeline/tests/,script.c scenes.c judged.c))

TESTS += $(LIFELINE_TESTS)

# Runs that break a rule each; recorded with the recorder itself.
BREAKER := $(BUILD)/tests/lifeline/breaker

$(BREAKER): $(patsubst %.c,$(BUILD)/%.o,lifeline/tests/breaker.c trace/trace.c trace/site.c)
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $^ -o $@ $(LDLIBS)

$(BUILD)/tests/lifeline/test_rules: | $(BREAKER)

$(LIFELINE_TESTS): $(BUILD)/tests/lifeline/%: $(BUILD)/lifeline/tests/%.o $(LIFELINE_HELPERS) \
                   $(filter-out %/main.o,$(LIFELINE_OBJECTS))
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $^ -o $@ $$(pkg-config --libs libcgraph libgvc) -lcmocka -lm $(LDLIBS)
