# faults.mk – the tests in which calls fail on purpose; included by the Makefile behind its tests.
#
# The server's objects are copied with a few of their undefined symbols renamed, so that their calls come
# to tests/faults/fault.c and those of the tests' own objects do not.

OBJCOPY ?= objcopy
FAULT_SYMBOLS := malloc calloc realloc free socket setsockopt uv_queue_work uv_thread_create uv_thread_create_ex \
                 memfd_create ftruncate mmap \
                 sqlite3_open_v2 sqlite3_prepare_v2 sqlite3_exec sqlite3_step
FAULT_SRC     := $(wildcard tests/faults/*_test.c)
FAULT_TESTS   := $(FAULT_SRC:%.c=$(BUILD)/%)
FAULT_HELPERS := $(patsubst %.c,$(BUILD)/%.o,$(filter-out $(FAULT_SRC),$(wildcard tests/faults/*.c)))
FAULT_OBJECTS := $(patsubst $(BUILD)/%,$(BUILD)/tests/faults/object/%,$(SERVER_OBJ) $(KERNEL_OBJ))

$(BUILD)/tests/faults/object/%.o: $(BUILD)/%.o tests/faults/faults.mk
	@mkdir -p $(@D)
	$(call quiet,OBJCOPY)$(OBJCOPY) $(foreach symbol,$(FAULT_SYMBOLS),--redefine-sym $(symbol)=fault_$(symbol)) $< $@

$(FAULT_TESTS): $(BUILD)/%: $(BUILD)/%.o $(FAULT_HELPERS) $(SUPPORT_OBJ) $(FAULT_OBJECTS) | $(BUILD)/offloop-kernel
	$(call quiet,LD)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LLHTTP_LIBS) $(LIB_LIBS) -lcmocka -lm
