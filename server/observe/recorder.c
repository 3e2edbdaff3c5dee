/* recorder.c – see recorder.h. What it costs: one clock reading when bytes are read, and one when
 * what they brought about is answered, however many requests that were. */
#include "server/observe/recorder.h"

static size_t row_of(size_t route)
{
    return route < RECORDING_ROUTES - 1 ? route : RECORDING_ROUTES - 1;
}

/* If this one has waited, those that were read with it have waited, too, and each of them counts.
 */
static bool on_begin(void *data, const struct http_exchange *exchange)
{
    struct recorder *recorder = data;
    struct loop_record *loop = &recorder->recording->loop;
    uint64_t waiters = counter_get(&loop->waiters);
    counter_set(&loop->route, row_of(http_exchange_route(exchange)) + 1);
    loop_monitor_request(&recorder->monitor, http_exchange_fd(exchange),
                         http_exchange_began_ns(exchange));
    return counter_get(&loop->waiters) != waiters;
}

static void on_answered(void *data, const struct http_answers *answers)
{
    struct recorder *recorder = data;
    struct route_record *route = &recorder->recording->routes[row_of(answers->to.route)];
    unsigned class = (unsigned)answers->status / 100; /* 0: the client has left */
    counter_add(&route->answers[class < 6 ? class : 0], answers->count);
    histogram_record_many(&route->duration, trip_elapsed_ns(answers->to.began_ns, trip_clock_ns()),
                          answers->count);
}

int recorder_start(struct recorder *recorder, uv_loop_t *loop, struct recording *recording,
                   const struct watchdog_listener *listener)
{
    int rc = uv_loop_configure(loop, UV_METRICS_IDLE_TIME);
    if (rc == 0)
        rc = watchdog_start(&recorder->watchdog, loop, recording, listener);
    if (rc != 0)
        return rc;
    recorder->recording = recording;
    loop_monitor_start(&recorder->monitor, loop, recording);
    return 0;
}

void recorder_watch(struct recorder *recorder, struct http_server *http)
{
    recorder->watcher = (struct http_watcher){on_begin, on_answered, recorder};
    http_server_count_in(http, &recorder->recording->http);
    http_server_watch(http, &recorder->watcher);
}

void recorder_stop(struct recorder *recorder)
{
    watchdog_stop(&recorder->watchdog);
    loop_monitor_stop(&recorder->monitor, NULL, NULL);
}
