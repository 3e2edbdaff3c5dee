# fuzz.mk – the fuzz targets; included by the Makefile.
#
#   make fuzz FUZZ_SECONDS=60        each target for so long; reproducers go to build/fuzz/found
#   make fuzz-targets                only build them, with clang and libFuzzer, into build/fuzz
#   $(FUZZ_REPLAYS)                  the same targets as plain programs, to be given files
#
# The code under test is compiled again here: with clang, its sanitizers and the fuzzer's counters.

FUZZ_SECONDS ?= 60
FUZZ_CC      ?= clang
FUZZ_BUILD   := build/fuzz
FUZZ_NAMES   := connection segmentation query options
FUZZ_TARGETS := $(FUZZ_NAMES:%=$(FUZZ_BUILD)/%_fuzz)
FUZZ_REPLAYS := $(FUZZ_NAMES:%=$(BUILD)/tests/fuzz/%_fuzz)

# What each target is made of, besides its own file. The first two have a transport of their own in the
# place of libuv, and no other library but cJSON.
FUZZ_HTTP := $(wildcard server/http/*.c)
FUZZ_BENCH := $(FUZZ_HTTP) $(addprefix tests/fuzz/,fake_uv.c bench.c responses.c allocation.c)
FUZZ_SOURCES_connection   := $(FUZZ_BENCH)
FUZZ_SOURCES_segmentation := $(FUZZ_BENCH)
FUZZ_SOURCES_query        := server/http/request.c server/http/accept.c server/http/syntax.c \
                             kernel/bounded.c
FUZZ_SOURCES_options      := $(filter-out server/main.c server/app.c,$(wildcard server/*.c)) \
                             $(wildcard server/*/*.c) $(filter-out kernel/main.c,$(wildcard kernel/*.c)) \
                             $(wildcard process/*.c)

comma ?= ,
FUZZ_WRAPS := $(addprefix -Wl$(comma)--wrap=,malloc calloc realloc free shutdown accept4 close recv ioctl time \
                http_listener_start http_router_dispatch http_exchange_answer)
FUZZ_LIBS_connection   := $(FUZZ_WRAPS) $(LLHTTP_LIBS) -lcjson
FUZZ_LIBS_segmentation := $(FUZZ_LIBS_connection) -Wl,--wrap=http_exchange_refuse
FUZZ_LIBS_options      := $(LLHTTP_LIBS) $(LIB_LIBS) -lm
FUZZ_LLHTTP := connection segmentation options

# The targets' own code is not what the fuzzer shall explore: it counts no edges there.
FUZZ_CFLAGS := -O1 -g -fsanitize=address,undefined -fno-omit-frame-pointer -fno-sanitize-recover=all
FUZZ_COUNTS := -fsanitize=fuzzer-no-link
$(FUZZ_BUILD)/object/tests/%.o: FUZZ_COUNTS :=

$(FUZZ_BUILD)/object/llhttp/%.o: $(LLHTTP_SRC)/%.c
	@mkdir -p $(@D)
	$(call quiet,CC)$(FUZZ_CC) -DLLHTTP_STRICT_MODE=1 -I/usr/share/include/llhttp $(FUZZ_CFLAGS) $(FUZZ_COUNTS) -w -c -o $@ $<

$(FUZZ_BUILD)/object/%.o: %.c VERSION
	@mkdir -p $(@D)
	$(call quiet,CC)$(FUZZ_CC) $(filter-out -fsanitize=%,$(ALL_CFLAGS)) $(FUZZ_CFLAGS) $(FUZZ_COUNTS) -MMD -MP -c -o $@ $<

# $(1): the target; $(2): the folder of the objects; $(3): llhttp's objects
fuzz_objects = $(2)/tests/fuzz/$(1)_fuzz.o $(FUZZ_SOURCES_$(1):%.c=$(2)/%.o) \
               $(if $(filter $(1),$(FUZZ_LLHTTP)),$(3))

define fuzz_rules
$(FUZZ_BUILD)/$(1)_fuzz: $(call fuzz_objects,$(1),$(FUZZ_BUILD)/object,$(LLHTTP_OBJECTS:$(BUILD)/%=$(FUZZ_BUILD)/object/%))
	$$(call quiet,LD)$(FUZZ_CC) -fsanitize=fuzzer,address,undefined -pthread -o $$@ $$^ $(FUZZ_LIBS_$(1))

$(BUILD)/tests/fuzz/$(1)_fuzz: $(call fuzz_objects,$(1),$(BUILD),$(LLHTTP_OBJECTS)) $(BUILD)/tests/fuzz/replay_main.o
	$$(call quiet,LD)$(CC) $(ALL_LDFLAGS) -o $$@ $$^ $(FUZZ_LIBS_$(1))
endef
$(foreach name,$(FUZZ_NAMES),$(eval $(call fuzz_rules,$(name))))

# Turns transcripts into seeds.
FUZZ_SEEDS := $(BUILD)/tests/fuzz/transcript_seeds
$(FUZZ_SEEDS): $(FUZZ_SEEDS).o $(BUILD)/tests/support/transcript.o
	$(call quiet,LD)$(CC) $(ALL_LDFLAGS) -o $@ $^

.PHONY: fuzz fuzz-targets
fuzz-targets: $(FUZZ_TARGETS) $(FUZZ_SEEDS)

fuzz:
	@.ci/deps build fuzz
	@$(MAKE) --no-print-directory -j$(JOBS) fuzz-targets
	@BUILD=$(BUILD) tests/fuzz/run $(FUZZ_SECONDS)
