# lifeline, the program, and its tests.

LIFELINE_OBJECTS := $(patsubst %.c,$(BUILD)/%.o,$(wildcard lifeline/*.c))

# Asked for when the compiler runs and not before: Graphviz may be installed by this very `make`.
$(LIFELINE_OBJECTS): override CPPFLAGS += $$(pkg-config --cflags libcgraph libgvc jansson)

PROGRAMS += $(BUILD)/bin/lifeline

$(BUILD)/bin/lifeline: $(LIFELINE_OBJECTS)
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $^ -o $@ $$(pkg-config --libs libcgraph libgvc jansson) -lm $(LDLIBS)

# ---- tests: each test_*.c is a program, linked with the other files of the folder and all of lifeline but its main

LIFELINE_TESTS := $(patsubst lifeline/tests/%.c,$(BUILD)/tests/lifeline/%,$(wildcard lifeline/tests/test_*.c))
LIFELINE_HELPERS := $(patsubst %.c,$(BUILD)/%.o,$(addprefix lifeline/tests/,script.c scenes.c mutation.c judged.c))

TESTS += $(LIFELINE_TESTS) lifeline/tests/check_lifecycle

# Runs that break a rule each; recorded with the recorder itself.
BREAKER := $(BUILD)/tests/lifeline/breaker

$(BREAKER): $(patsubst %.c,$(BUILD)/%.o,lifeline/tests/breaker.c trace/trace.c trace/site.c)
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $^ -o $@ $(LDLIBS)

$(BUILD)/tests/lifeline/test_rules: | $(BREAKER)

# A crowd of threads that wake few tasks, on stage 03.
CROWD := $(BUILD)/tests/lifeline/crowd

$(CROWD): lifeline/tests/crowd.c $(wildcard stages/03_waker/*.[ch]) | stage-03_waker
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) -Istages/03_waker $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) $< $(BUILD)/stages/03_waker/libwakeful.a -o $@ $(LDLIBS)

# A swarm of tasks that do everything to each other, on the workers of stages 05 and 06.
SWARMS := $(patsubst %,$(BUILD)/tests/lifeline/swarm_%,05_multithread 06_work_stealing)

$(SWARMS): $(BUILD)/tests/lifeline/swarm_%: lifeline/tests/swarm.c $(wildcard stages/0[56]*/*.[ch]) | stage-%
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) -Istages/$* $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) $< $(BUILD)/stages/$*/libwakeful.a -o $@ $(LDLIBS)

$(BUILD)/tests/lifeline/test_demos: | $(CROWD) $(SWARMS)

$(LIFELINE_TESTS): $(BUILD)/tests/lifeline/%: $(BUILD)/lifeline/tests/%.o $(LIFELINE_HELPERS) \
                   $(filter-out %/main.o,$(LIFELINE_OBJECTS))
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $^ -o $@ $$(pkg-config --libs libcgraph libgvc jansson) -lcmocka -lm $(LDLIBS)

# ---- Mermaid itself, in a browser, draws what `lifeline draw -T mermaid` writes

$(BUILD)/tests/lifeline/odd_names: $(BUILD)/lifeline/tests/odd_names.o $(BUILD)/trace/trace.o $(BUILD)/trace/site.o
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $^ -o $@ $(LDLIBS)

MERMAID_RUNS := 04_epoll_reactor/read_socket '04_epoll_reactor/read_socket already' \
                '04_epoll_reactor/read_socket twice' '04_epoll_reactor/read_socket reset' \
                01_manual_poll/compose 02_queue_executor/wasted_polls 03_waker/three_timers 03_waker/abort \
                03_waker/coalesce 05_multithread/read_socket 06_work_stealing/read_socket 06_work_stealing/steal \
                07_futex_sync/lock_across_await_std

##test-mermaid   have Mermaid draw our diagrams in a browser (npm fetches Mermaid)
test-mermaid: all $(BUILD)/tests/lifeline/odd_names
	@cd $(BUILD)/stages && $(CURDIR)/lifeline/tests/mermaid/run $(abspath $(BUILD))/bin/lifeline \
	  $(abspath $(BUILD))/mermaid $(abspath $(BUILD))/tests/lifeline/odd_names $(MERMAID_RUNS)
