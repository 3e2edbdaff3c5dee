/* deferred.c – later on the same loop: what the async keyword does.
 *
 * The handler returns at once, and that is all that is gained: the kernel runs whole in a later
 * callback of the same thread and blocks everybody just as `none` does. A promise is no thread.
 * What is due at the beginning of a turn runs in that turn, one job after the other, as
 * setImmediate callbacks do. */
#include <stdlib.h>

#include "server/offload/later.h"
#include "server/offload/strategy.h"

struct deferred {
    uv_loop_t *loop;
    struct later later;
    struct job_queue waiting;
    unsigned count; /* jobs in it */
};

static void run_one(struct deferred *deferred)
{
    struct job *job = job_queue_pop(&deferred->waiting);
    deferred->count--;
    job_run(job, LANE_THE_LOOP);
    uv_update_time(deferred->loop);
    job_deliver(job, 0);
}

static void run_turn(void *data)
{
    struct deferred *deferred = data;
    for (unsigned due = deferred->count; due > 0 && deferred->count > 0; due--)
        run_one(deferred);
    if (deferred->count == 0)
        later_stop(&deferred->later);
}

static int deferred_start(uv_loop_t *loop, const struct offload_options *options, void **lanes)
{
    struct deferred *deferred = calloc(1, sizeof *deferred);
    (void)options;
    if (deferred == NULL)
        return UV_ENOMEM;
    deferred->loop = loop;
    later_init(&deferred->later, loop, run_turn, deferred);
    *lanes = deferred;
    return 0;
}

static int deferred_submit(void *lanes, struct job *job)
{
    struct deferred *deferred = lanes;
    job_queue_push(&deferred->waiting, job);
    deferred->count++;
    later_start(&deferred->later);
    return 0;
}

/* On the loop a job either waits, or is over before anybody could cancel it. */
static void deferred_cancel(void *lanes, struct job *job)
{
    struct deferred *deferred = lanes;
    job_queue_remove(&deferred->waiting, job);
    deferred->count--;
    job_deliver(job, UV_ECANCELED);
}

static unsigned deferred_width(const void *lanes)
{
    (void)lanes;
    return 1;
}

static void deferred_stop(void *lanes)
{
    struct deferred *deferred = lanes;
    later_close(&deferred->later, free);
}

const struct strategy strategy_deferred = {
    .name = "deferred",
    .help = "later on the same loop, as `async` does: it blocks just as much",
    .start = deferred_start,
    .submit = deferred_submit,
    .cancel = deferred_cancel,
    .width = deferred_width,
    .stop = deferred_stop,
};
