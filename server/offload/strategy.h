/* strategy.h – what a way of running jobs must offer to offload.c, and what it gets. For offload/
 * only.
 *
 * To add a strategy: write its file with a `const struct strategy`, declare that below, give it a
 * row in the list. The contract suite in tests/unit/strategy_contract_test.c then holds it to this
 * interface. */
#ifndef OFFLOOP_OFFLOAD_STRATEGY_H
#define OFFLOOP_OFFLOAD_STRATEGY_H

#include <uv.h>

#include "server/offload/offload.h"
#include "server/offload/queue.h"

struct strategy {
    const char *name;
    const char *help;
    /* Makes the lanes, when warmed up or at the first job. If not all can be had it takes fewer,
     * and tells (lanes.h). Returns 0, or a negative UV_E… code if there are none. Mandatory. */
    int (*start)(uv_loop_t *loop, const struct offload_options *options, void **lanes);
    /* Sends the job to a lane, which calls job_run, and brings it back to the loop, which calls
     * job_deliver; once each. Returns 0, or a negative UV_E… code: then it did nothing. Mandatory.
     */
    int (*submit)(void *lanes, struct job *job);
    /* If the job still waits, takes it out of its queue and delivers it, before this returns.
     * Optional: a strategy without queue has nothing to do, for job->unwanted is already set. */
    void (*cancel)(void *lanes, struct job *job);
    /* How many jobs run at the same time; above that they wait. 0: they never wait. Mandatory. */
    unsigned (*width)(const void *lanes);
    /* Closes the handles and frees the lanes once these are closed; waits for no thread. No job is
     * out. Mandatory. */
    void (*stop)(void *lanes);
};

/* In the order of the documentation. */
#define STRATEGIES(row) row(none) row(deferred) row(sliced) row(threadpool) row(worker) row(process)

#define STRATEGY_DECLARE(name) extern const struct strategy strategy_##name;
STRATEGIES(STRATEGY_DECLARE)
#undef STRATEGY_DECLARE

/* Runs the job's kernel to its end, or until it is unwanted. On the lane's thread. */
void job_run(struct job *job, struct lane lane);

/* The same in pieces. job_begin returns false if the kernel cannot run, or need not (job->error
 * says why): then it is over. job_step works for at most `budget` of the kernel's units and returns
 * false when the kernel is done or the job is unwanted: then job_end is due. */
bool job_begin(struct job *job, struct lane lane);
bool job_step(struct job *job, uint64_t budget);
void job_end(struct job *job);

/* Brings a job home. On the loop's thread. `error` is 0 if it was run (job->error says how that
 * went), or UV_ECANCELED if not (job->unwanted says why), or UV_EPIPE if it was lost with the
 * process that had it (job->problem says how). */
void job_deliver(struct job *job, int error);

#endif
