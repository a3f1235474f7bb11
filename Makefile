# The one front door. `make help` lists what it can do.
#
# Each folder says in its own fragment what it builds: the fragment adds programs to PROGRAMS and test programs to TESTS,
# and writes only below $(BUILD). Stages have a Makefile of their own, because each of them also builds alone.

BUILD  ?= build
PREFIX ?= /usr/local
CFLAGS ?= -O2 -g

# `override`, so that `make CFLAGS=-O0` changes the optimisation and not the language.
override CFLAGS += -std=gnu11 -pthread -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla $(WERROR)

# Objects depend on this file, so that they are built again when the compiler or its flags change.
FLAGS := $(strip $(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) $(LDLIBS))
ifneq ($(FLAGS),$(file < $(BUILD)/flags))
$(shell mkdir -p $(BUILD))
$(file > $(BUILD)/flags,$(FLAGS))
endif

PROGRAMS   :=
TESTS      :=
TOOL_TESTS := tools/tests/test_tools

MAKEFLAGS += --no-builtin-rules --no-print-directory
.DEFAULT_GOAL := all
.SUFFIXES:
.DELETE_ON_ERROR:

# One short line for each command; V=1 shows the command itself.
say = $(if $(V),,@printf '  %-5s %s\n' $(1) $(2))
Q   = $(if $(V),,@)

-include trace/trace.mk
-include lifeline/lifeline.mk
-include explore/explore.mk

# ---- stages

STAGES      := $(patsubst stages/%/Makefile,%,$(wildcard stages/[0-9][0-9]_*/Makefile))
STAGE_TESTS := $(foreach s,$(STAGES),$(patsubst stages/$(s)/%.c,$(BUILD)/stages/$(s)/%,\
                 $(wildcard stages/$(s)/tests/test_*.c)))

# The folder of the stage whose number is in STAGE.
STAGE ?= 06
stage  = $(or $(filter $(STAGE)_%,$(STAGES)),$(error there is no stage $(STAGE); there are: $(STAGES)))

in_stage = -C stages/$(1) OUT=$(abspath $(BUILD))/stages/$(1)

# The demo that shows best what the stage is about: `make lifecycle` draws it.
demo_of_01 := countdown
demo_of_02 := join_values
demo_of_03 := three_timers
demo_of_04 := read_socket
demo_of_05 := read_socket
demo_of_06 := read_socket
demo_of_07 := read_socket
main_demo = stages/$(1)/demos/$(demo_of_$(firstword $(subst _, ,$(1)))).c

-include bench/bench.mk

# ---- what people ask for

.PHONY: all tests test asan tsan lifecycle pictures check-stages diff install clean format ci help check-docs check-format packages

##all            everything: lifeline, and every stage with its demos
all: $(PROGRAMS) $(STAGES:%=stage-%)

##lifecycle      draw the life of a future from a real run [STAGE=01 ... 07]
lifecycle: $(BUILD)/bin/lifeline | packages
	@$(MAKE) $(call in_stage,$(stage)) all
	@tools/lifecycle $(BUILD) $(call main_demo,$(stage))

##pictures       draw the picture in README.md anew
pictures: STAGE = 06
pictures: lifecycle
	@for form in svg png; do \
	  $(BUILD)/bin/lifeline draw out/lifecycle.trace --stage-notes --source ../../stages/$(stage)/ \
	    -o docs/pictures/lifecycle.$$form || exit 1; \
	done

##test           build and run all tests
test: tests
	@tools/run-tests --logs $(BUILD)/logs $(TOOL_TESTS) $(TESTS) $(STAGE_TESTS)

tests: all $(TESTS) $(STAGES:%=tests-of-%)

##asan           all tests under the address and the undefined behaviour sanitizer
ASAN := -fsanitize=address,undefined -fno-sanitize-recover=all
asan:
	@LSAN_OPTIONS=suppressions=$(abspath tools/lsan.supp):print_suppressions=0 UBSAN_OPTIONS=print_stacktrace=1 \
	  $(MAKE) BUILD=$(BUILD)/asan TOOL_TESTS= CFLAGS='-O1 -g -fno-omit-frame-pointer $(ASAN)' test

##tsan           the tests of everything that has threads under the thread sanitizer
TSAN := -fsanitize=thread
tsan:
	@TSAN_OPTIONS=suppressions=$(abspath tools/tsan.supp) $(MAKE) BUILD=$(BUILD)/tsan TOOL_TESTS= CFLAGS='-O1 -g $(TSAN)' test

##check-stages   each stage builds alone, and its README says truly what is new
check-stages: | packages
	@tools/check-stages $(foreach s,$(STAGES),$(call main_demo,$(s)))

##check-docs     no page points to something that is not there
check-docs:
	@tools/check-docs $(PAGES)

##diff           the lesson of one stage: how its runtime differs from the one before [STAGE=NN]
diff:
	@tools/diff-stage stages/$(stage)

##install        lifeline and its man page, below $(PREFIX) [PREFIX=, DESTDIR=]
install: $(BUILD)/bin/lifeline
	install -D -m 755 $(BUILD)/bin/lifeline $(DESTDIR)$(PREFIX)/bin/lifeline
	install -D -m 644 lifeline/lifeline.1 $(DESTDIR)$(PREFIX)/share/man/man1/lifeline.1

##format         lay out all C files by .clang-format
format:
	clang-format -i $(SOURCES)

##check-format   complain about C files that are laid out otherwise
check-format:
	@clang-format --dry-run -Werror $(SOURCES)

##ci             everything that a change must pass
ci:
	@.ci/run

##clean          remove what was built and what was drawn
clean:
	rm -rf $(BUILD) out

##help           this list
help:
	@echo 'make [target] [CC=clang] [CFLAGS=...] [V=1: show commands]'
	@sed -n 's/^##/  /p' $(wildcard Makefile trace/trace.mk lifeline/lifeline.mk explore/explore.mk bench/bench.mk)

# ---- how it is done

SOURCES = $(shell find . -name '*.[ch]' -type f -not -path './build/*' -not -path './stages/*/build/*')
PAGES   = $(shell find . -name '*.md' -not -path './build/*' -not -path '*/node_modules/*' | sed 's|^./||')

# What the goals of this run need from the system; named, and installed where that is allowed.
GOALS := $(or $(MAKECMDGOALS),all)
NEEDS := build $(if $(filter-out check-stages bench%,$(GOALS)),draw) \
           $(if $(filter test tests asan tsan model models,$(GOALS)),test) $(if $(filter test-mermaid,$(GOALS)),browser)
packages:
	@setup/packages $(NEEDS)

$(BUILD)/%.o: %.c $(BUILD)/flags | packages
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c $< -o $@

stage-%: | packages
	@$(MAKE) $(call in_stage,$*) all

tests-of-%: | packages stage-%
	@$(MAKE) $(call in_stage,$*) tests

-include $(wildcard $(BUILD)/*/*.d $(BUILD)/*/*/*.d)
