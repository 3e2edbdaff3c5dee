/* gate.c – see gate.h. The pointer to the gate travels as the kernel's first argument. */
#include "tests/support/gate.h"

#include <errno.h>
#include <stdlib.h>

struct passage {
    struct gate *gate;
    bool entered;
};

void gate_init(struct gate *gate, uint64_t units)
{
    *gate = (struct gate){.units = units};
    if (uv_sem_init(&gate->entered, 0) != 0 || uv_sem_init(&gate->open, 0) != 0)
        abort();
}

void gate_destroy(struct gate *gate)
{
    uv_sem_destroy(&gate->entered);
    uv_sem_destroy(&gate->open);
}

struct kernel_arguments gate_arguments(struct gate *gate)
{
    return (struct kernel_arguments){.values = {(uint64_t)(uintptr_t)gate}};
}

void gate_await_entry(struct gate *gate)
{
    uv_sem_wait(&gate->entered);
}

void gate_open(struct gate *gate, unsigned units)
{
    for (unsigned i = 0; i < units; i++)
        uv_sem_post(&gate->open);
}

static int passage_init(void *state, const struct kernel_arguments *arguments,
                        uint64_t *total_units)
{
    struct passage *passage = state;
    passage->gate = (struct gate *)(uintptr_t)arguments->values[0];
    *total_units = passage->gate->units;
    return 0;
}

static uint64_t passage_step(void *state, uint64_t budget)
{
    struct passage *passage = state;
    struct gate *gate = passage->gate;
    (void)budget;
    if (!passage->entered)
        uv_sem_post(&gate->entered);
    passage->entered = true;
    uv_sem_wait(&gate->open);
    gate->passed++;
    return 1;
}

static int passage_finish(void *state, struct kernel_result *result)
{
    const struct passage *passage = state;
    result->numbers[0] = (struct kernel_number){
        .name = "passed", .type = KERNEL_INTEGER, .value.integer = passage->gate->passed};
    result->number_count = 1;
    return 0;
}

static void passage_close(void *state)
{
    struct passage *passage = state;
    passage->gate->closed = true;
}

static uint64_t any_size(uint64_t units)
{
    return units;
}

#define GATE_ROW                                                                                  \
    .help = "waits for the test", .unit = "steps",                                                \
    .parameters = {{"gate", "its address", 0, UINT64_MAX, 0}}, .step_units = 1, .sample_size = 1, \
    .size_of = any_size, .state_bytes = sizeof(struct passage), .step = passage_step,             \
    .close = passage_close

const struct kernel gate_kernel = {
    .name = "gate", GATE_ROW, .init = passage_init, .finish = passage_finish};

static int fail_to_start(void *state, const struct kernel_arguments *arguments,
                         uint64_t *total_units)
{
    (void)state, (void)arguments, (void)total_units;
    return -ENOMEM;
}

static int fail_to_end(void *state, struct kernel_result *result)
{
    (void)state, (void)result;
    return -EIO;
}

const struct kernel broken_at_start_kernel = {
    .name = "broken-at-start", GATE_ROW, .init = fail_to_start, .finish = passage_finish};
const struct kernel broken_at_end_kernel = {
    .name = "broken-at-end", GATE_ROW, .init = passage_init, .finish = fail_to_end};
