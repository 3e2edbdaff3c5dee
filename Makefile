# offloop – see README.md. The targets worth knowing: `make help`.
#
# CC, CFLAGS, LDFLAGS and PKG_CONFIG are honoured; BUILD= moves the products; SANITIZER=address,undefined
# or SANITIZER=thread builds (into a folder of its own) with the sanitizers on.

SHELL      := /bin/bash
.DEFAULT_GOAL := all
PKG_CONFIG ?= pkg-config
PREFIX     ?= /usr/local
CFLAGS     ?= -O2 -g
SANITIZER  ?=
comma      := ,
BUILD      ?= build$(if $(SANITIZER),/$(subst $(comma),-,$(SANITIZER)))

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
SERVER_OBJ := $(SERVER_SRC:%.c=$(BUILD)/%.o) $(LLHTTP_OBJECTS)
KERNEL_OBJ := $(KERNEL_SRC:%.c=$(BUILD)/%.o)

PROGRAMS := $(BUILD)/offloop $(BUILD)/offloop-kernel $(BUILD)/offloop-probe

.PHONY: all
all: $(PROGRAMS)

$(BUILD)/offloop: $(BUILD)/server/main.o $(SERVER_OBJ) $(KERNEL_OBJ)
	$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LLHTTP_LIBS) $(LIB_LIBS) -lm

$(BUILD)/offloop-kernel: $(BUILD)/kernel/main.o $(KERNEL_OBJ)
	$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIB_LIBS) -lm

$(BUILD)/offloop-probe: $(patsubst %.c,$(BUILD)/%.o,$(wildcard loadtest/probe*.c))
	$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIB_LIBS) -lm

$(BUILD)/llhttp/%.o: $(LLHTTP_SRC)/%.c
	@mkdir -p $(@D)
	$(CC) -O2 -g -DLLHTTP_STRICT_MODE=1 -I/usr/share/include/llhttp $(CFLAGS) \
	  $(if $(SANITIZER),-fsanitize=$(SANITIZER)) -w -c -o $@ $<

$(BUILD)/%.o: %.c VERSION
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

.PHONY: clean
clean:
	rm -rf build coverage

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
