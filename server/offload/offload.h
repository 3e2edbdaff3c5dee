/* offload.h – heavy work goes out and comes back once.
 *
 * A job carries a kernel and its arguments from the loop to wherever a strategy runs it, and the
 * result back. Whatever happens, its `done` is called exactly once, on the loop's thread, perhaps
 * before offload_submit returns. All functions are called on the loop's thread. */
#ifndef OFFLOOP_OFFLOAD_H
#define OFFLOOP_OFFLOAD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "kernel/kernel.h"
#include "server/observe/trip.h"

struct uv_loop_s;
struct offload;
struct strategy;

/* A job's place among those with a deadline, see deadline.c. */
struct deadline_links {
    struct job *child, *next, *previous;
    bool kept;
};

/* The caller owns the memory and keeps it until `done` was called. */
struct job {
    /* Set by the caller. */
    const struct kernel *kernel;
    struct kernel_arguments arguments;
    uint64_t ms; /* above 0: the size is whatever takes about this long, see calibration.h */
    /* How long after it was submitted it may come home; 0: as long as --job-timeout says. Whichever
     * is shorter counts, and stands here in `done`. */
    uint64_t timeout_ms;
    void (*done)(struct job *job);
    void *owner; /* the caller's; NULL once nobody waits for the result */

    /* Valid in `done`. */
    enum trip_outcome outcome; /* succeeded: `result` is there until job_close */
    int error;                 /* a negative errno, unless it succeeded; -ENOBUFS: a full queue */
    char problem[160];         /* what happened, when it was lost; "" if there is nothing to say */
    struct kernel_result result;
    struct trip trip;
    const struct strategy *strategy;

    /* The strategies'. */
    struct offload *offload;
    struct job *next, *previous; /* in the queue that it waits in */
    struct job *newer, *older;   /* among those of its strategy that are out */
    struct kernel_run run;       /* between job_begin and job_end */
    uint64_t slice_units;        /* what fits into a slice, as far as is known */
    void *lane_data;
    uint64_t deadline_ns; /* by the monotonic clock; 0: none */
    struct deadline_links due;
    bool unsized;        /* it waits for the calibration */
    atomic_bool begun;   /* a lane has it */
    atomic_int unwanted; /* 0, or why it shall end: -ECANCELED, -ETIMEDOUT */
};

/* A strategy has fewer lanes than it was asked to have, or none, in which case it is tried again
 * after a rest (machine/backoff.h). Told once. */
struct shortage {
    const struct strategy *strategy;
    unsigned had, wanted; /* had is 0: there are no lanes at all; then wanted does not count */
    int error;            /* what the next one failed with, a negative UV_E… code */
};

struct offload_options {
    unsigned threadpool_size; /* of libuv's pool, as UV_THREADPOOL_SIZE says */
    unsigned workers;
    unsigned max_queue;      /* jobs that may wait for a lane, per strategy */
    bool worker_per_request; /* a thread for each job instead of a pool of them */
    unsigned slice_ms;       /* how long `sliced` may hold the loop at a time */
    unsigned nice_value;     /* of the threads that compute; 0: as the loop */
    unsigned processes;
    unsigned job_timeout_ms;     /* in which a job must come home; 0: it may take for ever */
    const char *kernel_program;  /* path of offloop-kernel, for the children */
    struct recording *recording; /* where trips are entered, from its first row of works; or NULL */
    unsigned shed_lag_ms;        /* how late loop or queue may be; 0: as late as they like */
    /* How late the loop is now; NULL: it is never late. Called on its thread with loop_lag_data. */
    uint64_t (*loop_lag_ns)(void *data);
    void *loop_lag_data;
    /* NULL: nobody listens. Called on the loop's thread with shortage_data. */
    void (*on_shortage)(void *data, const struct shortage *shortage);
    void *shortage_data;
};

/* How the jobs of one strategy ended; and how many were shed, before they were jobs. Written on the
 * loop's thread. */
/* clang-format off */
#define OFFLOAD_COUNTERS(row)                                                       \
    row(submitted) row(succeeded) row(cancelled) row(refused) row(failed) row(lost) \
    row(expired) row(dropped) row(shed)
/* clang-format on */

struct offload_counters {
#define OFFLOAD_COUNTER_MEMBER(name) uint64_t name;
    OFFLOAD_COUNTERS(OFFLOAD_COUNTER_MEMBER)
#undef OFFLOAD_COUNTER_MEMBER
};

/* The strategy of this name, or NULL; the row of this index, or NULL behind the last one; all the
 * names, "none, threadpool, worker", for messages; a row's name and its line of help. */
const struct strategy *strategy_find(const char *name);
const struct strategy *strategy_at(size_t index);
const char *strategy_names(void);
const char *strategy_name(const struct strategy *strategy);
const char *strategy_help(const struct strategy *strategy);

/* Makes the jobs' side of a server: no thread and no process yet. Returns 0 or a negative UV_E…
 * code. */
int offload_new(struct offload **offload, struct uv_loop_s *loop,
                const struct offload_options *options);

/* Begins what the first jobs would wait for otherwise: the calibration, and the lanes of this
 * strategy. Returns 0, or a negative UV_E… code if there are no lanes; the first job after a rest
 * tries again. */
int offload_warm_up(struct offload *offload, const struct strategy *strategy);

/* Sends the job out. */
void offload_submit(struct offload *offload, const struct strategy *strategy, struct job *job);

/* How late the server is for a job that would go to a certain strategy. */
struct lateness {
    uint64_t loop_ns;
    uint64_t queue_ns; /* how long jobs wait for a lane there */
    unsigned limit_ms; /* --shed-lag */
};

/* The later of the two. */
static inline uint64_t lateness_ns(const struct lateness *lateness)
{
    return lateness->loop_ns > lateness->queue_ns ? lateness->loop_ns : lateness->queue_ns;
}

/* Is the server too late to take such a job? True if the loop or the strategy's queue is late by
 * shed_lag_ms, and then until both have been below half of that for a while (see shedding.h).
 * Counts the request as shed then, and says how late they are. */
bool offload_sheds(struct offload *offload, const struct strategy *strategy,
                   struct lateness *lateness);

/* Nobody wants the result any more: a waiting job ends at once, and its place in the queue is free
 * when this returns; a running one ends at its kernel's next step. `done` is called as ever,
 * perhaps before this returns. A job that misses its deadline is ended in the same way. */
void offload_cancel(struct job *job);

/* Cancels all jobs, and closes every lane and handle as soon as all are back. No job may be
 * submitted any more. When the loop has run out of handles, offload_free frees what is left. */
void offload_stop(struct offload *offload);
void offload_free(struct offload *offload);

/* The counters of one strategy. */
const struct offload_counters *offload_counters(const struct offload *offload,
                                                const struct strategy *strategy);

/* Frees the result of a job that is done. */
void job_close(struct job *job);

#endif
