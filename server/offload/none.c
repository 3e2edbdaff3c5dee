/* none.c – on the loop: what res.send(doHeavyMathCalculations()) does.
 *
 * The kernel runs to its end inside the handler. Meanwhile nothing is accepted, read, written or
 * timed: every other client waits, however cheap its request. There is no queue to see either: the
 * waiting requests stand in the kernel's socket buffers. This is the patient of the demonstration.
 */
#include "server/offload/strategy.h"

static int none_start(uv_loop_t *loop, const struct offload_options *options, void **lanes)
{
    (void)options;
    *lanes = loop;
    return 0;
}

static int none_submit(void *lanes, struct job *job)
{
    job_run(job, LANE_THE_LOOP);
    uv_update_time(lanes); /* for the loop no time has passed; its timers should know better */
    job_deliver(job, 0);
    return 0;
}

static unsigned none_width(const void *lanes)
{
    (void)lanes;
    return 0;
}

static void none_stop(void *lanes)
{
    (void)lanes;
}

const struct strategy strategy_none = {
    .name = "none",
    .help = "on the event loop itself: one request blocks everybody",
    .start = none_start,
    .submit = none_submit,
    .width = none_width,
    .stop = none_stop,
};
