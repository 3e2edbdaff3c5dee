# soak.mk – the server under a mixed load; included by the Makefile. tests/soak/run says what can be set.

SOAK_SECONDS ?= 60
STORM := $(BUILD)/tests/soak/storm

$(STORM): $(STORM).o
	$(call quiet,LD)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIB_LIBS)

.PHONY: soak
soak: $(PROGRAMS) $(STORM)
	@BUILD=$(BUILD) SOAK_SECONDS=$(SOAK_SECONDS) tests/soak/run
