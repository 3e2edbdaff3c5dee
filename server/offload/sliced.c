/* sliced.c – cooperative partitioning: the first remedy of Node's "Don't Block the Event Loop".
 *
 * A kernel is resumable, so it can be run a slice at a time: in every turn of the loop one job gets
 * one slice of about slice_ms, then all the others on the loop have their turn, then the next job.
 * Nothing runs in parallel and nothing gets faster; but /fast waits for a slice and not for a
 * kernel, and no thread is needed.
 *
 * Slices are counted in the kernel's units, because a kernel has no clock. How many units fit is
 * measured with every slice and followed with care: one that was too long shortens the next at
 * once, one that was too short lengthens it by half at most. A job costs nothing while it waits for
 * its turn. */
#include <stdlib.h>

#include "server/offload/later.h"
#include "server/offload/strategy.h"

struct sliced {
    uv_loop_t *loop;
    struct later later;
    struct job_queue jobs; /* the first one's turn is next */
    uint64_t slice_ns;
};

static uint64_t next_budget(uint64_t units, uint64_t taken_ns, uint64_t slice_ns)
{
    double fits = (double)units * (double)slice_ns / (double)(taken_ns > 0 ? taken_ns : 1);
    double most = (double)units * 1.5;
    double next = fits < most ? fits : most;
    return next < 1.0 ? 1 : (uint64_t)(next + 0.5);
}

/* Returns true while the job has work left. */
static bool run_slice(struct sliced *sliced, struct job *job)
{
    if (job->trip.started_ns != 0) {
        trip_resume(&job->trip);
    } else {
        job->slice_units = job->kernel->step_units;
        if (!job_begin(job, LANE_THE_LOOP))
            return false;
    }
    uint64_t begin_ns = trip_clock_ns(), done_units = job->run.done_units;
    bool more = job_step(job, job->slice_units);
    uint64_t taken_ns = trip_clock_ns() - begin_ns;
    if (!more) {
        job_end(job);
        return false;
    }
    trip_pause(&job->trip);
    job->slice_units = next_budget(job->run.done_units - done_units, taken_ns, sliced->slice_ns);
    return true;
}

static void run_turn(void *data)
{
    struct sliced *sliced = data;
    struct job *job = job_queue_pop(&sliced->jobs);
    if (job != NULL && run_slice(sliced, job)) {
        job_queue_push(&sliced->jobs, job);
        job = NULL;
    }
    uv_update_time(sliced->loop);
    if (sliced->jobs.first == NULL)
        later_stop(&sliced->later);
    if (job != NULL)
        job_deliver(job, 0);
}

static int sliced_start(uv_loop_t *loop, const struct offload_options *options, void **lanes)
{
    struct sliced *sliced = calloc(1, sizeof *sliced);
    if (sliced == NULL)
        return UV_ENOMEM;
    sliced->loop = loop;
    sliced->slice_ns = (uint64_t)options->slice_ms * 1000000u;
    later_init(&sliced->later, loop, run_turn, sliced);
    *lanes = sliced;
    return 0;
}

static int sliced_submit(void *lanes, struct job *job)
{
    struct sliced *sliced = lanes;
    job_queue_push(&sliced->jobs, job);
    later_start(&sliced->later);
    return 0;
}

/* Between two slices a job is in the queue, so it can be stopped here and now. */
static void sliced_cancel(void *lanes, struct job *job)
{
    struct sliced *sliced = lanes;
    job_queue_remove(&sliced->jobs, job);
    if (job->trip.started_ns != 0)
        job_end(job);
    job_deliver(job, UV_ECANCELED);
}

static unsigned sliced_width(const void *lanes)
{
    (void)lanes;
    return 1;
}

static void sliced_stop(void *lanes)
{
    struct sliced *sliced = lanes;
    later_close(&sliced->later, free);
}

const struct strategy strategy_sliced = {
    .name = "sliced",
    .help = "on the event loop, a few milliseconds at a time (--slice-ms)",
    .start = sliced_start,
    .submit = sliced_submit,
    .cancel = sliced_cancel,
    .width = sliced_width,
    .stop = sliced_stop,
};
