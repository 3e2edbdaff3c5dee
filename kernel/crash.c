/* crash.c – see crash.h. The signal is raised, not provoked: a sanitizer would take a bad access
 * for a finding, and a compiler for something that cannot happen. */
#include "kernel/crash.h"

#include <signal.h>

static uint64_t crash_size_of(uint64_t units)
{
    return units;
}

static int crash_init(void *state, const struct kernel_arguments *arguments, uint64_t *total_units)
{
    (void)state;
    *total_units = arguments->values[0];
    return 0;
}

static uint64_t crash_step(void *state, uint64_t budget)
{
    (void)state;
    (void)budget;
    signal(SIGSEGV, SIG_DFL);
    raise(SIGSEGV);
    return 1;
}

static int crash_finish(void *state, struct kernel_result *result)
{
    (void)state;
    *result = (struct kernel_result){0};
    return 0;
}

static void crash_close(void *state)
{
    (void)state;
}

const struct kernel kernel_crash = {
    .name = "crash",
    .help = "dies of a bad pointer",
    .unit = "crashes",
    .parameters = {{"n", "how many crashes; the first is enough", 1, 1, 1}},
    .step_units = 1,
    .sample_size = 1,
    .size_of = crash_size_of,
    .state_bytes = 1,
    .init = crash_init,
    .step = crash_step,
    .finish = crash_finish,
    .close = crash_close,
};
