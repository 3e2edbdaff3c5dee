/* calibration.c – see calibration.h.
 *
 * A thread's CPU time is what counts, so neighbours on the same core do not make the machine look
 * slow; only what blocks without computing is measured by the clock. A sample is cut off after
 * SAMPLE_NS, whatever its size: a slow machine gets a shorter sample, not a longer start. */
#include "server/offload/calibration.h"

#include <math.h>
#include <time.h>

enum { SAMPLE_NS = 11 * 1000 * 1000, PASSES = 2 };

static uint64_t clock_ns(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* A kernel that cannot run has the speed that its author took for granted: step_units in a
 * millisecond. */
static double measure(const struct calibration *calibration, const struct kernel *kernel)
{
    clockid_t clock = kernel->idles ? CLOCK_MONOTONIC : CLOCK_THREAD_CPUTIME_ID;
    struct kernel_arguments arguments;
    struct kernel_run run;
    kernel_arguments_init(&arguments, kernel);
    arguments.values[0] = kernel->sample_size;
    if (kernel_run_init(&run, kernel, &arguments) != 0)
        return (double)kernel->step_units;
    uint64_t began_ns = clock_ns(clock);
    while (kernel_run_step(&run, kernel->step_units) && clock_ns(clock) - began_ns < SAMPLE_NS &&
           !atomic_load(&calibration->abandoned))
        continue;
    uint64_t taken_ns = clock_ns(clock) - began_ns;
    double units = (double)run.done_units;
    kernel_run_close(&run);
    return units * 1e6 / (double)(taken_ns > 0 ? taken_ns : 1);
}

static void measure_all(void *data)
{
    struct calibration *calibration = data;
    for (int pass = 0; pass < PASSES && !atomic_load(&calibration->abandoned); pass++) {
        for (size_t i = 0; i < CALIBRATION_KERNELS_MAX && kernel_at(i) != NULL; i++) {
            double units = measure(calibration, kernel_at(i));
            if (units > calibration->units_per_ms[i])
                calibration->units_per_ms[i] = units;
        }
    }
    bell_ring(&calibration->measured);
}

/* Without a thread the authors' figures must do. */
static void guess_all(struct calibration *calibration)
{
    for (size_t i = 0; i < CALIBRATION_KERNELS_MAX && kernel_at(i) != NULL; i++)
        calibration->units_per_ms[i] = (double)kernel_at(i)->step_units;
    bell_ring(&calibration->measured);
}

/* ------------------------------------------------------------------ on the loop */

static void on_bell_closed(uv_handle_t *handle)
{
    struct calibration *calibration = handle->data;
    bell_free(&calibration->measured);
}

static void on_thread_ended(void *data)
{
    struct calibration *calibration = data;
    bell_close(&calibration->measured, on_bell_closed);
}

static void on_joined(struct leaver *leaver)
{
    (void)leaver; /* it is part of the calibration */
}

static void on_measured(void *data)
{
    struct calibration *calibration = data;
    if (calibration->has_thread)
        leavers_add(&calibration->leavers, &calibration->leaver);
    leavers_close(&calibration->leavers, on_thread_ended, calibration);
    calibration->ready = true;
    calibration->on_ready(calibration->data);
}

int calibration_init(struct calibration *calibration, uv_loop_t *loop, void (*on_ready)(void *data),
                     void *data)
{
    calibration->on_ready = on_ready;
    calibration->data = data;
    calibration->begun = calibration->ready = false;
    calibration->leaver.ended = on_joined;
    atomic_init(&calibration->abandoned, false);
    int rc = bell_init(&calibration->measured, loop, on_measured, calibration);
    if (rc == 0)
        leavers_init(&calibration->leavers, loop);
    return rc;
}

void calibration_begin(struct calibration *calibration)
{
    if (calibration->begun)
        return;
    calibration->begun = true;
    calibration->has_thread = leaver_start(&calibration->leaver, measure_all, calibration) == 0;
    if (!calibration->has_thread)
        guess_all(calibration);
}

void calibration_end(struct calibration *calibration)
{
    if (!calibration->begun)
        leavers_close(&calibration->leavers, on_thread_ended, calibration);
    atomic_store(&calibration->abandoned, true);
}

/* One that is not in the table was not measured either. */
static double units_per_ms(const struct calibration *calibration, const struct kernel *kernel)
{
    size_t index = kernel_index(kernel);
    bool measured = kernel_at(index) != NULL && index < CALIBRATION_KERNELS_MAX;
    return measured ? calibration->units_per_ms[index] : (double)kernel->step_units;
}

uint64_t calibration_size(const struct calibration *calibration, const struct kernel *kernel,
                          uint64_t ms)
{
    const struct kernel_parameter *size = &kernel->parameters[0];
    double units = units_per_ms(calibration, kernel) * (double)ms;
    uint64_t n = kernel->size_of(units < 1.0 ? 1 : (uint64_t)llround(units));
    if (n < size->min)
        return size->min;
    return n > size->max ? size->max : n;
}
