/* calibration.h – how much work fits into a millisecond of this machine.
 *
 * "/heavy?ms=200" asks for fixed work that takes about 200 ms of an undisturbed core. At start-up a
 * thread of its own runs a sample of every kernel, for less than 100 ms together, while the server
 * already answers. Jobs that need the figure before it is there wait for it off the loop's time. */
#ifndef OFFLOOP_OFFLOAD_CALIBRATION_H
#define OFFLOOP_OFFLOAD_CALIBRATION_H

#include <stdatomic.h>
#include <uv.h>

#include "kernel/kernel.h"

enum { CALIBRATION_KERNELS_MAX = 16 };

struct calibration {
    double units_per_ms[CALIBRATION_KERNELS_MAX]; /* written by the thread before `ready` */
    bool ready;                                   /* the loop's */
    atomic_bool abandoned;                        /* nobody needs the figures any more */
    uv_thread_t thread;
    bool has_thread; /* if none can be made, the figures are guessed */
    uv_async_t measured;
    void (*on_ready)(void *data);
    void *data;
};

/* on_ready(data) is called once, on the loop's thread. Returns 0, or a negative UV_E… code:
 * then nothing is left of it. */
int calibration_start(struct calibration *calibration, uv_loop_t *loop,
                      void (*on_ready)(void *data), void *data);

/* Makes a calibration that still runs end soon; on_ready is called as ever. */
void calibration_abandon(struct calibration *calibration);

/* The size of about `ms` milliseconds, within the kernel's bounds. Only when ready. */
uint64_t calibration_size(const struct calibration *calibration, const struct kernel *kernel,
                          uint64_t ms);

#endif
