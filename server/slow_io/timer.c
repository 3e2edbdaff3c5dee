/* timer.c – await a timer: setTimeout under a promise. Nothing waits anywhere but the loop's own
 * list of timers, so ten thousand of these cost no thread at all. */
#include <stdlib.h>

#include "server/slow_io/source.h"

static int timer_start(uv_loop_t *loop, const struct slow_io_options *options, void **state)
{
    (void)options;
    *state = loop;
    return 0;
}

static void on_timer_closed(uv_handle_t *timer)
{
    free(timer);
}

static void timer_end(struct query *query, enum trip_outcome outcome)
{
    uv_handle_t *timer = query->source_data;
    trip_finish(&query->trip);
    query_deliver(query, outcome);
    uv_close(timer, on_timer_closed);
}

static void on_timer(uv_timer_t *timer)
{
    timer_end(timer->data, TRIP_SUCCEEDED);
}

static int timer_submit(void *state, struct query *query)
{
    uv_timer_t *timer = malloc(sizeof *timer);
    if (timer == NULL)
        return UV_ENOMEM;
    uv_timer_init(state, timer);
    timer->data = query;
    query->source_data = timer;
    trip_start(&query->trip, (struct lane){LANE_TIMER, 0});
    uv_update_time(state); /* a callback before this one may have held the loop for seconds */
    uv_timer_start(timer, on_timer, query->ms, 0);
    return 0;
}

static void timer_cancel(void *state, struct query *query)
{
    (void)state;
    timer_end(query, TRIP_CANCELLED);
}

static void timer_stop(void *state)
{
    (void)state;
}

const struct source source_timer = {
    .name = "timer",
    .help = "a timer of the loop: no thread waits",
    .start = timer_start,
    .submit = timer_submit,
    .cancel = timer_cancel,
    .stop = timer_stop,
};
