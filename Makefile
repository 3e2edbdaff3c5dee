# offloop – see README.md. The targets worth knowing: `make help`.
#
# CC, CFLAGS, LDFLAGS, PKG_CONFIG and V=1 are honoured; BUILD= moves the products; SANITIZER=address,undefined
# or SANITIZER=thread builds (into a folder of its own) with the sanitizers on.

SHELL      := /bin/bash
.DEFAULT_GOAL := all
.SECONDEXPANSION:
PKG_CONFIG ?= pkg-config
PREFIX     ?= /usr/local
SANITIZER  ?=
CFLAGS     ?= $(if $(SANITIZER),-O1 -g1,-O2 -g)
comma      := ,
JOBS       := $(shell nproc 2>/dev/null || echo 2)
BUILD      ?= build$(if $(SANITIZER),/$(subst $(comma),-,$(SANITIZER)))

# A line for each file that is made; V=1 shows the commands, -s nothing.
ifeq ($(filter-out 0,$(V))$(findstring s,$(firstword -$(MAKEFLAGS))),)
quiet = @printf '  %-7s %s\n' $(1) $@;
endif

WARNINGS := -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes \
            -Wpointer-arith -Wcast-qual -Wwrite-strings -Wundef -Wvla
VERSION  := $(shell cat VERSION)

# llhttp: the system's library where pkg-config knows one (llhttp 9), else Debian's sources, which are
# built strict: the lenient build takes a bare CR for a line end (CVE-2023-30589).
LLHTTP_SRC := /usr/share/llhttp
ifeq ($(shell $(PKG_CONFIG) --exists libllhttp 2>/dev/null && echo yes),yes)
  LLHTTP_CFLAGS  := $(shell $(PKG_CONFIG) --cflags libllhttp)
  LLHTTP_LIBS    := $(shell $(PKG_CONFIG) --libs libllhttp)
else
  LLHTTP_CFLAGS  := -isystem /usr/share/include/llhttp -DLLHTTP_STRICT_MODE=1
  LLHTTP_OBJECTS := $(patsubst %,$(BUILD)/llhttp/%.o,api http llhttp)
endif

LIBRARIES  := libuv sqlite3 libpng libcjson
LIB_CFLAGS := $(patsubst -I%,-isystem %,$(shell $(PKG_CONFIG) --cflags $(LIBRARIES) 2>/dev/null))
LIB_LIBS   := $(shell $(PKG_CONFIG) --libs $(LIBRARIES) 2>/dev/null)

ALL_CFLAGS  := -std=c11 -D_GNU_SOURCE -DOFFLOOP_VERSION='"$(VERSION)"' $(WARNINGS) -pthread \
               -I. $(LLHTTP_CFLAGS) $(LIB_CFLAGS) $(CFLAGS) \
               $(if $(SANITIZER),-fsanitize=$(SANITIZER) -fno-omit-frame-pointer -fno-sanitize-recover=all)
ALL_LDFLAGS := -pthread $(LDFLAGS) $(if $(SANITIZER),-fsanitize=$(SANITIZER))

# ---------------------------------------------------------------- what is built from what
SERVER_SRC := $(filter-out server/main.c,$(wildcard server/*.c server/*/*.c))
KERNEL_SRC := $(filter-out kernel/main.c,$(wildcard kernel/*.c))
PROCESS_OBJ := $(patsubst %.c,$(BUILD)/%.o,$(wildcard process/*.c))
SERVER_OBJ := $(SERVER_SRC:%.c=$(BUILD)/%.o) $(PROCESS_OBJ) $(LLHTTP_OBJECTS)
KERNEL_OBJ := $(KERNEL_SRC:%.c=$(BUILD)/%.o)
CLI_OBJ    := $(patsubst %.c,$(BUILD)/%.o,$(wildcard kernel/cli/*.c))

PROGRAMS := $(BUILD)/offloop $(BUILD)/offloop-kernel $(BUILD)/offloop-probe

.PHONY: all
all: $(PROGRAMS)

$(BUILD)/offloop: $(BUILD)/server/main.o $(SERVER_OBJ) $(KERNEL_OBJ)
	$(call quiet,LD)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LLHTTP_LIBS) $(LIB_LIBS) -lm

$(BUILD)/offloop-kernel: $(BUILD)/kernel/main.o $(CLI_OBJ) $(KERNEL_OBJ) $(PROCESS_OBJ)
	$(call quiet,LD)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIB_LIBS) -lm

$(BUILD)/offloop-probe: $(patsubst %.c,$(BUILD)/%.o,$(wildcard loadtest/probe*.c)) $(PROCESS_OBJ)
	$(call quiet,LD)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIB_LIBS) -lm

# The page is assembled into it (.incbin), which no compiler reports as a dependency.
$(BUILD)/server/observe/dashboard.o: $(wildcard server/observe/dashboard/*)

$(BUILD)/llhttp/%.o: $(LLHTTP_SRC)/%.c
	@mkdir -p $(@D)
	$(call quiet,CC)$(CC) -O2 -g -DLLHTTP_STRICT_MODE=1 -I/usr/share/include/llhttp $(CFLAGS) \
	  $(if $(SANITIZER),-fsanitize=$(SANITIZER)) -w -c -o $@ $<

$(BUILD)/%.o: %.c VERSION
	@mkdir -p $(@D)
	$(call quiet,CC)$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

# ---------------------------------------------------------------- the two commands
# Both install what is missing first, and then start make anew: what pkg-config says may have changed.
.PHONY: demo results test run deps
deps:
	@.ci/deps build

demo:
	@.ci/deps build demo
	@$(MAKE) --no-print-directory -j$(JOBS) all
	@BUILD=$(BUILD) loadtest/experiment

results: demo
	@loadtest/publish

test:
	@.ci/deps build test
	@[ '$(BROWSER)' = off ] || .ci/deps browser || echo 'The tests in a browser will be skipped.'
	@$(MAKE) --no-print-directory -j$(JOBS) run-tests

run: deps
	@$(MAKE) --no-print-directory -j$(JOBS) all
	@$(BUILD)/offloop

# ---------------------------------------------------------------- tests
# The longest ones begin first: while they run, the other core does all the rest.
TEST_SRC     := $(wildcard tests/integration/*_test.c tests/unit/*_test.c)
SUPPORT_OBJ  := $(patsubst %.c,$(BUILD)/%.o,$(wildcard tests/support/*.c))
TESTS        := $(TEST_SRC:%.c=$(BUILD)/%)
PROBE_OBJ    := $(patsubst %.c,$(BUILD)/%.o,$(filter-out loadtest/probe.c,$(wildcard loadtest/probe*.c))) $(PROCESS_OBJ)
PROBE_TESTS  := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/loadtest/*_test.c))
SCRIPT_TESTS := $(filter-out %.c,$(wildcard tests/loadtest/*_test tests/fuzz/*_test tests/browser/*_test))
ALONE_TESTS  := $(filter tests/browser/%,$(SCRIPT_TESTS))

$(TESTS): $(BUILD)/%: $(BUILD)/%.o $(SUPPORT_OBJ) $(SERVER_OBJ) $(KERNEL_OBJ)
	$(call quiet,LD)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LLHTTP_LIBS) $(LIB_LIBS) -lcmocka -lm

$(PROBE_TESTS): $(BUILD)/%: $(BUILD)/%.o $(PROBE_OBJ)
	$(call quiet,LD)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIB_LIBS) -lcmocka -lm

.PHONY: run-tests coverage layers lint debian format
run-tests: $(PROGRAMS) $$(filter-out $(WITHOUT),$(TESTS) $(PROBE_TESTS) $$(FAULT_TESTS)) $$(FUZZ_REPLAYS) $$(FUZZ_SEEDS)
	@$(if $(WITHOUT),echo 'skipped: $(WITHOUT) (WITHOUT says so)')
	@BUILD=$(BUILD) BROWSER=$(BROWSER) SANITIZER=$(SANITIZER) tests/run \
	  $(filter-out $(WITHOUT),$(FAULT_TESTS) $(filter-out $(ALONE_TESTS),$(SCRIPT_TESTS)) $(TESTS) $(PROBE_TESTS)) \
	  --alone $(ALONE_TESTS)

coverage:
	@.ci/deps build test
	@.ci/coverage build/coverage 90

layers:
	@.ci/layers

lint:
	@.ci/deps build test lint
	@.ci/lint

# Debian 12 is bookworm, 13 is trixie.
RELEASE ?= trixie
debian:
	@[ "$$(id -u)" -ne 0 ] || .ci/deps debian
	@.ci/debian $(RELEASE)

format:
	clang-format -i $(shell git ls-files '*.c' '*.h')

# ---------------------------------------------------------------- installing, cleaning, helping
.PHONY: install clean help
install: all
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/share/doc/offloop
	install -m 755 $(PROGRAMS) $(DESTDIR)$(PREFIX)/bin
	install -m 644 README.md $(DESTDIR)$(PREFIX)/share/doc/offloop

clean:
	rm -rf build

help:
	@echo 'make            build offloop, offloop-kernel and offloop-probe into $(BUILD)/'
	@echo 'make demo       install what is missing, build, run the blocking experiment'
	@echo 'make test       install what is missing, build, run all tests'
	@echo 'make run        install what is missing, build, start the server on 127.0.0.1:8080'
	@echo 'make deps       install what is missing to build'
	@echo 'make install    into PREFIX ($(PREFIX)), below DESTDIR'
	@echo 'make results    make demo, and put its table and picture into the README'
	@echo 'make coverage   line coverage of server/ and kernel/'
	@echo 'make lint       clang-format, cppcheck, shellcheck, gcc and clang with -Werror'
	@echo 'make layers     who includes whom, against the rules of docs/architecture.md'
	@echo 'make fuzz       each fuzz target for FUZZ_SECONDS=60'
	@echo 'make soak       a mixed load for SOAK_SECONDS=60, after a minute of it, then nothing may have leaked'
	@echo 'make bench      side by side with other servers; BENCH=quick takes about three minutes'
	@echo 'make browser-bench  what the dashboard costs a browser at 10,000 requests/s'
	@echo 'make pictures   play scenes in a browser and take docs/images/observer-*.png'
	@echo 'make instructions  instructions per request, against the figures checked in'
	@echo 'make debian     make demo and make test in a minimal RELEASE=trixie of Debian, as root and as an ordinary user; needs root'
	@echo 'make clean      remove build/'
	@echo 'SANITIZER=address,undefined or SANITIZER=thread go with all, test and demo.'
	@echo "BROWSER=off leaves the tests in a browser out, WITHOUT='%/faults_test %/transcript_test' those named."

include tests/fuzz/fuzz.mk
include tests/faults/faults.mk
include tests/soak/soak.mk
include tests/browser/browser.mk
include loadtest/bench/bench.mk

# In build/debian lie whole systems.
-include $(shell find $(BUILD) -path $(BUILD)/debian -prune -o -type f -name '*.d' -print 2>/dev/null)
