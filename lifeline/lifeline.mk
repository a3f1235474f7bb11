# lifeline, the program, and its tests.

LIFELINE_OBJECTS := $(patsubst %.c,$(BUILD)/%.o,$(wildcard lifeline/*.c))

# Asked for when the compiler runs and not before: Graphviz may be installed by this very `make`.
$(LIFELINE_OBJECTS): override CPPFLAGS += $$(pkg-config --cflags libcgraph libgvc)

PROGRAMS += $(BUILD)/bin/lifeline

$(BUILD)/bin/lifeline: $(LIFELINE_OBJECTS)
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $^ -o $@ $$(pkg-config --libs libcgraph libgvc) -lm $(LDLIBS)
