/* recorder.c – see recorder.h. The cost for a request: one clock reading when its bytes are read
 * and one when it is answered, and three counters. */
#include "server/observe/recorder.h"

static size_t route_row(const struct http_exchange *exchange)
{
    size_t route = http_exchange_route(exchange);
    return route < RECORDING_ROUTES - 1 ? route : RECORDING_ROUTES - 1;
}

static void on_begin(void *data, const struct http_exchange *exchange)
{
    struct recorder *recorder = data;
    counter_set(&recorder->recording->loop.route, route_row(exchange) + 1);
    loop_monitor_request(&recorder->monitor, http_exchange_fd(exchange),
                         http_exchange_began_ns(exchange));
}

static void on_answered(void *data, const struct http_exchange *exchange, int status)
{
    struct recorder *recorder = data;
    struct route_record *route = &recorder->recording->routes[route_row(exchange)];
    unsigned class = (unsigned)status / 100; /* 0: the client has left */
    counter_add(&route->answers[class < 6 ? class : 0], 1);
    histogram_record(&route->duration, trip_clock_ns() - http_exchange_began_ns(exchange));
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
