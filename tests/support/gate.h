/* gate.h – a kernel that a test holds by the hand.
 *
 * A run of it says that it has begun and then does one unit whenever the test opens the gate, so a
 * test knows for certain that a job is running, and how many steps it has made, without waiting for
 * time to pass. It leaves the gate by itself when it is cancelled between two units. */
#ifndef OFFLOOP_TESTS_GATE_H
#define OFFLOOP_TESTS_GATE_H

#include <uv.h>

#include "kernel/kernel.h"

struct gate {
    uv_sem_t entered; /* posted when a run makes its first step */
    uv_sem_t open;    /* each post lets one unit pass */
    uint64_t units;   /* in all; set by gate_init */
    unsigned passed;  /* units that were done; to be read when the job is home */
    bool closed;      /* the run was closed */
};

/* The kernel; every run needs a gate of its own. */
extern const struct kernel gate_kernel;

/* Kernels whose runs fail: when they begin (ENOMEM), and when they end (EIO). */
extern const struct kernel broken_at_start_kernel, broken_at_end_kernel;

void gate_init(struct gate *gate, uint64_t units);
void gate_destroy(struct gate *gate);

/* The arguments that lead a run through this gate. */
struct kernel_arguments gate_arguments(struct gate *gate);

/* Returns when the run has begun. Blocks the thread. */
void gate_await_entry(struct gate *gate);

/* Lets `units` of them pass. */
void gate_open(struct gate *gate, unsigned units);

#endif
