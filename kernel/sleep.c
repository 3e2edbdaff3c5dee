/* sleep.c – blocks its thread and computes nothing.
 *
 * The one kernel that is not work. It makes a point that the others cannot: what freezes an event
 * loop is not the load of the processor but the thread that does not come back. A server whose only
 * thread sleeps is as dead as one that computes, at 0 % CPU; put into a thread pool, sleeps take a
 * thread each and the fifth of them waits, although all processors are idle.
 *
 * A step sleeps its whole budget in one call: a call for each millisecond would add the kernel's
 * timer slack (50 µs) a thousand times. Interruptions by signals go on with what remains.
 *
 * Rejected: an absolute deadline (between two steps the run may lie still for as long as it likes,
 * and kernels read no clock). */
#include "kernel/kernel.h"
#include "kernel/table.h"

#include <errno.h>
#include <time.h>

#define SIZE_MAX_MS UINT64_C(60000)

struct sleep {
    uint64_t total_ms, slept_ms;
};

static void sleep_ms(uint64_t ms)
{
    struct timespec left = {.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000};
    while (nanosleep(&left, &left) != 0 && errno == EINTR)
        continue;
}

static int sleep_init(void *state, const struct kernel_arguments *arguments, uint64_t *total_units)
{
    struct sleep *sleep = state;
    sleep->total_ms = arguments->values[0];
    *total_units = sleep->total_ms;
    return 0;
}

static uint64_t sleep_step(void *state, uint64_t budget)
{
    struct sleep *sleep = state;
    uint64_t left_ms = sleep->total_ms - sleep->slept_ms;
    uint64_t units = budget < left_ms ? budget : left_ms;
    sleep_ms(units);
    sleep->slept_ms += units;
    return units;
}

static int sleep_finish(void *state, struct kernel_result *result)
{
    const struct sleep *sleep = state;
    result->numbers[0] = (struct kernel_number){
        .name = "slept_ms", .type = KERNEL_INTEGER, .value.integer = sleep->slept_ms};
    result->number_count = 1;
    return 0;
}

static void sleep_close(void *state)
{
    (void)state;
}

static uint64_t sleep_size_of(uint64_t units)
{
    return units < 1 ? 1 : units < SIZE_MAX_MS ? units : SIZE_MAX_MS;
}

const struct kernel kernel_sleep = {
    .name = "sleep",
    .help = "block the thread for n milliseconds without computing",
    .unit = "milliseconds",
    .parameters = {{"n", "milliseconds to sleep", 1, SIZE_MAX_MS, 200}},
    .idles = true,
    .step_units = 5,
    .sample_size = 10,
    .size_of = sleep_size_of,
    .state_bytes = sizeof(struct sleep),
    .init = sleep_init,
    .step = sleep_step,
    .finish = sleep_finish,
    .close = sleep_close,
};
