# bench.mk – the programs of the bench and of the instruction count, and their targets. Included by the
# Makefile.

BENCH_PROGRAMS := $(addprefix $(BUILD)/bench-,limit load meter plain)

$(BENCH_PROGRAMS): $(BUILD)/bench-%: $(BUILD)/loadtest/bench/%.o
	$(call quiet,LD)$(CC) $(ALL_LDFLAGS) -o $@ $^

$(BUILD)/bench-handover: $(BUILD)/loadtest/bench/handover.o $(SERVER_OBJ) $(KERNEL_OBJ)
	$(call quiet,LD)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LLHTTP_LIBS) $(LIB_LIBS) -lm

$(BUILD)/bench-requests: $(BUILD)/tests/bench/requests.o $(SERVER_OBJ) $(KERNEL_OBJ)
	$(call quiet,LD)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LLHTTP_LIBS) $(LIB_LIBS) -lm

.PHONY: bench bench-programs instructions
bench:
	@.ci/deps build bench
	@$(MAKE) --no-print-directory -j$(JOBS) all bench-programs
	@BUILD=$(BUILD) loadtest/bench/run

bench-programs: $(BENCH_PROGRAMS) $(BUILD)/bench-handover

instructions:
	@.ci/deps build instructions
	@BUILD=$(BUILD) tests/bench/instructions
