/* deadline.h – the jobs that must be home by a certain time, and one timer for all of them. For
 * offload/ only, on the loop's thread.
 *
 * On its lane a job looks at its deadline by itself, between two steps. The timer is for those that
 * cannot: they wait, or are with a child process. */
#ifndef OFFLOOP_OFFLOAD_DEADLINE_H
#define OFFLOOP_OFFLOAD_DEADLINE_H

#include <uv.h>

#include "server/offload/offload.h"

struct deadlines {
    uv_timer_t timer; /* active while there is a job */
    uint64_t armed_ns;
    struct job *first; /* the root of the heap */
    void (*on_due)(struct job *job);
};

/* on_due(job) is called once for a job whose deadline_ns has passed; it is not kept any more then.
 */
void deadlines_init(struct deadlines *deadlines, uv_loop_t *loop, void (*on_due)(struct job *job));

/* Keeps a job with a deadline_ns above 0; forgets it, if it is kept. */
void deadlines_add(struct deadlines *deadlines, struct job *job);
void deadlines_remove(struct deadlines *deadlines, struct job *job);

/* Closes the timer. No job is kept. May be called more than once. */
void deadlines_close(struct deadlines *deadlines);

#endif
