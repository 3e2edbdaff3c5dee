/* kernel_child.h – one child process that runs kernels, and what is said over its two pipes. For
 * offload/ only, on the loop's thread.
 *
 * It is started anew whenever it has died, until it is closed. A child that dies before it has
 * finished one job is replaced more and more slowly (from 10 ms, doubling to a second), and one
 * that cannot be started is tried more and more rarely (doubling to 30 s): neither a broken
 * installation nor a machine without processes to spare becomes a fork bomb.
 *
 *              started                job sent              result read
 *     RESTING ──────────▶ IDLE ──────────────────▶ BUSY ──────────────────▶ IDLE
 *       ▲ │                 │                        │
 *       │ │ closed          ├────────────────────────┤ closed its pipe ──▶ LEAVING
 *       │ ▼                 │                        │                        │ does not end
 *       │ GONE              ├────────────────────────┤ hung, lied  ──▶ KILLED ◀┘
 *       │                   ▼ died                   ▼ died               │ died
 *       └── all handles ◀── CLOSING ◀─────────────────────────────────────┘
 *           are closed
 *
 * Nothing that a killed child has left in its pipe is read, and it gets no job: from KILLED the
 * only way is CLOSING. */
#ifndef OFFLOOP_OFFLOAD_KERNEL_CHILD_H
#define OFFLOOP_OFFLOAD_KERNEL_CHILD_H

#include "kernel/wire.h"
#include "server/offload/strategy.h"
#include "server/spawn.h"

/* What all children of a pool have in common. Outlives them. */
struct kernel_child_plan {
    uv_loop_t *loop;
    const char *program; /* offloop-kernel */
    unsigned nice_value;
    void (*on_idle)(void *data);              /* one of them can take a job */
    void (*on_failed)(void *data, int error); /* one cannot be started, and was tried often */
    void (*on_closed)(void *data);            /* once for each, as the last */
    void *data;
};

enum kernel_child_state {
    KERNEL_CHILD_RESTING,
    KERNEL_CHILD_IDLE,
    KERNEL_CHILD_BUSY,
    KERNEL_CHILD_LEAVING, /* it has closed its pipe, and has a second to end */
    KERNEL_CHILD_KILLED,
    KERNEL_CHILD_CLOSING,
    KERNEL_CHILD_GONE,
};

/* What is being read from a child, in this order. */
enum kernel_child_part { PART_HEAD, PART_RESULT, PART_IMAGE };

/* The caller owns the memory, until on_closed. */
struct kernel_child {
    const struct kernel_child_plan *plan;
    unsigned number; /* of its lane */
    enum kernel_child_state state;
    bool closing; /* it is not started again */
    bool started; /* the last attempt to start it went well */
    struct spawned process;
    uv_pipe_t to, from;
    unsigned open_handles; /* of these three */
    uv_timer_t timer;      /* its rest, or a grace before it is killed */
    unsigned rest_ms;
    unsigned looks; /* into its pipe, since its grace is over */
    struct job *job;
    const char *fault; /* why it was killed; NULL if it died by itself */

    enum kernel_child_part part;
    char *target; /* where the part goes */
    size_t target_bytes, target_filled;
    struct wire_head head;
    struct wire_result result;
    unsigned char *image;
};

/* A child that rests. It must be closed, whether it is started or not. */
void kernel_child_init(struct kernel_child *child, const struct kernel_child_plan *plan,
                       unsigned number);

/* Starts it for the first time. Returns 0, and it is idle, or a negative UV_E… code. */
int kernel_child_start(struct kernel_child *child);

/* Sends the job to a child that is idle, which brings it home. Returns false if it turns out to be
 * dead: then it is not idle any more, and the job is as it was. */
bool kernel_child_give(struct kernel_child *child, struct job *job);

/* Tells the child that its job is not wanted any more; it has a second to stop. */
void kernel_child_cancel(struct kernel_child *child);

/* Ends it; it has no job. */
void kernel_child_close(struct kernel_child *child);

/* Whether it may go from one state to the other. */
bool kernel_child_may(enum kernel_child_state from, enum kernel_child_state to);

#endif
