/* calibration.h – how much work fits into a millisecond of this machine.
 *
 * "/heavy?ms=200" asks for fixed work that takes about 200 ms of an undisturbed core. Once, at
 * start-up or when it is asked for the first time, a thread of its own runs a sample of every
 * kernel, for less than 100 ms together, while the server answers. Jobs that need the figure before
 * it is there wait for it off the loop's time. */
#ifndef OFFLOOP_OFFLOAD_CALIBRATION_H
#define OFFLOOP_OFFLOAD_CALIBRATION_H

#include <stdatomic.h>
#include <uv.h>

#include "kernel/kernel.h"
#include "server/offload/bell.h"
#include "server/offload/leavers.h"

enum { CALIBRATION_KERNELS_MAX = 16 };

struct calibration {
    double units_per_ms[CALIBRATION_KERNELS_MAX]; /* written by the thread before `ready` */
    bool begun, ready;                            /* the loop's */
    atomic_bool abandoned;                        /* nobody needs the figures any more */
    struct leaver leaver;                         /* its thread */
    bool has_thread;                              /* if none can be made, the figures are guessed */
    struct leavers leavers;
    struct bell measured;
    void (*on_ready)(void *data);
    void *data;
};

/* Measures nothing yet. Returns 0, or a negative UV_E… code: then nothing is left of it. */
int calibration_init(struct calibration *calibration, uv_loop_t *loop, void (*on_ready)(void *data),
                     void *data);

/* Begins to measure, unless it has begun. on_ready(data) is called once, later, on the loop's
 * thread; then its handles are closed as well. */
void calibration_begin(struct calibration *calibration);

/* The end for whoever has not come to on_ready: what is being measured ends soon, and on_ready is
 * called as ever; what has not begun is closed, and shall not begin. */
void calibration_end(struct calibration *calibration);

/* The size of about `ms` milliseconds, within the kernel's bounds. Only when ready. */
uint64_t calibration_size(const struct calibration *calibration, const struct kernel *kernel,
                          uint64_t ms);

#endif
