/* probe_load.c – the open loop.
 *
 * A closed-loop generator (wrk, ab) asks again only when it has been answered. While the server
 * stands still it asks nothing, so a stall of three seconds becomes one slow answer per connection
 * among thousands of quick ones: it has coordinated its omissions with the server ("coordinated
 * omission", Gil Tene). Here the schedule is fixed before the run: request i is due at i / rate,
 * whatever the server does, and its latency counts from that instant.
 *
 * A connection carries one request at a time. When all are busy the due requests wait here, in
 * order, and that waiting counts too. Connections are taken in turn (first in, first out), so that
 * none stays idle long enough for the server to close it while others are in use.
 *
 * Every request is settled exactly once: answered, lost (connection refused or broken, or the bytes
 * were no answer), or unanswered when the time-out after the end of the schedule has passed.
 *
 * One thread, one loop; all memory belongs to load_run(). */
#include "loadtest/probe_load.h"

#include "loadtest/probe_connection.h"
#include "loadtest/probe_pacer.h"

#include <assert.h>
#include <stdlib.h>
#include <uv.h>

enum { READ_BUFFER_BYTES = 65536 };

/* FINDING an address that connects, OPENING the other connections, RUNNING the schedule, DRAINING
 * what is still unanswered. */
enum load_phase { LOAD_FINDING, LOAD_OPENING, LOAD_RUNNING, LOAD_DRAINING, LOAD_FINISHED };

struct load {
    const struct load_plan *plan;
    struct sample *samples;
    size_t count;   /* how many requests will be due */
    size_t due;     /* how many are */
    size_t taken;   /* how many of those have a connection */
    size_t settled; /* how many are over */
    enum load_phase phase;
    size_t target;       /* the address that is tried, and then the one that has connected */
    uint64_t open_by_ms; /* on the loop's clock */
    int error;
    uint64_t epoch_ns; /* the measurement begins */
    uv_loop_t loop;
    struct pacer pacer;
    uv_timer_t timeout;
    uv_signal_t interrupt, terminate;
    struct connection_context context;
    struct connection *connections;
    size_t opened;
    struct connection *first, **last; /* the queue of those that may take a request */
    char read_buffer[READ_BUFFER_BYTES];
};

/* ---------------------------------------------------------------- the clock */

/* Now, in nanoseconds since the measurement began. */
static int64_t elapsed_ns(const struct load *load)
{
    return (int64_t)(uv_hrtime() - load->epoch_ns);
}

static int64_t intended_ns(const struct load *load, size_t request)
{
    int64_t index = (int64_t)request - (int64_t)load->plan->warmup_count;
    return index * 1000000000 / (int64_t)load->plan->rate;
}

static void say(const struct load *load, const char *what)
{
    if (load->plan->say)
        load->plan->say(what);
}

/* ---------------------------------------------------------------- the end */

static void finish(struct load *load)
{
    if (load->phase == LOAD_FINISHED)
        return;
    load->phase = LOAD_FINISHED;
    pacer_close(&load->pacer);
    uv_close((uv_handle_t *)&load->timeout, NULL);
    uv_close((uv_handle_t *)&load->interrupt, NULL);
    uv_close((uv_handle_t *)&load->terminate, NULL);
    for (size_t i = 0; i < load->plan->connections; i++)
        connection_retire(&load->connections[i]);
}

static void finish_if_settled(struct load *load)
{
    if (load->phase == LOAD_DRAINING && load->settled == load->count)
        finish(load);
}

static void settle(struct load *load, size_t request, int status)
{
    load->samples[request].done_ns = elapsed_ns(load);
    load->samples[request].status = status;
    load->settled++;
}

static void give_up(struct load *load)
{
    for (size_t i = 0; i < load->plan->connections; i++)
        if (load->connections[i].request != CONNECTION_NO_REQUEST)
            settle(load, load->connections[i].request, SAMPLE_UNANSWERED);
    for (; load->taken < load->due; load->taken++) {
        load->samples[load->taken].sent_ns = elapsed_ns(load);
        settle(load, load->taken, SAMPLE_UNANSWERED);
    }
    finish(load);
}

/* It does not even begin. */
static void fail(struct load *load, int error)
{
    load->plan->targets[load->target].error = error;
    load->error = error;
    finish(load);
}

static void on_timeout(uv_timer_t *timer)
{
    struct load *load = timer->data;
    if (load->phase == LOAD_FINDING)
        connection_abandon(&load->connections[0], UV_ETIMEDOUT);
    else if (load->phase == LOAD_OPENING)
        fail(load, UV_ETIMEDOUT);
    else
        give_up(load);
}

/* The last request is due: wait for what is not answered yet. */
static void drain(struct load *load)
{
    load->phase = LOAD_DRAINING;
    say(load, "waiting for the last answers");
    uv_timer_start(&load->timeout, on_timeout, load->plan->timeout_ms, 0);
    finish_if_settled(load);
}

/* SIGINT or SIGTERM: no more requests; the second time, no more answers either. */
static void on_signal(uv_signal_t *signal, int number)
{
    struct load *load = signal->data;
    (void)number;
    load->count = load->due;
    if (load->phase == LOAD_FINDING || load->phase == LOAD_OPENING)
        fail(load, UV_ECANCELED);
    else if (load->phase == LOAD_RUNNING)
        drain(load);
    else if (load->phase != LOAD_FINISHED)
        give_up(load);
}

/* ---------------------------------------------------------------- the schedule */

static struct connection *next_ready(struct load *load)
{
    struct connection *connection = load->first;
    if (!connection)
        return NULL;
    load->first = connection->next;
    if (!load->first)
        load->last = &load->first;
    connection->queued = false;
    return connection;
}

static void dispatch(struct load *load)
{
    struct connection *connection;
    while (load->taken < load->due && (connection = next_ready(load)))
        connection_take(connection, load->taken++);
}

static void take_due(struct load *load)
{
    int64_t now = elapsed_ns(load);
    while (load->due < load->count && intended_ns(load, load->due) <= now) {
        struct sample *sample = &load->samples[load->due];
        sample->intended_ns = intended_ns(load, load->due);
        sample->noticed_ns = now;
        if (load->due == load->plan->warmup_count)
            say(load, "measuring");
        load->due++;
    }
}

static void wake_for_next(struct load *load)
{
    pacer_wake_at(&load->pacer, load->epoch_ns + (uint64_t)intended_ns(load, load->due));
}

static void on_wake(struct pacer *pacer)
{
    struct load *load = (struct load *)((char *)pacer - offsetof(struct load, pacer));
    if (load->phase != LOAD_RUNNING)
        return;
    take_due(load);
    dispatch(load);
    if (load->due == load->count)
        drain(load);
    else
        wake_for_next(load);
}

/* All connections are open. */
static void begin(struct load *load)
{
    const uint64_t margin_ns = 1000000; /* so that the first request is not late already */
    uv_timer_stop(&load->timeout);
    load->phase = LOAD_RUNNING;
    load->epoch_ns = uv_hrtime() + margin_ns - (uint64_t)intended_ns(load, 0);
    wake_for_next(load);
}

/* ---------------------------------------------------------------- the connections at the start */

/* An address that keeps silent must leave time for those behind it. */
static void try_target(struct load *load)
{
    const struct load_plan *plan = load->plan;
    uint64_t now_ms = uv_now(&load->loop), left = plan->target_count - load->target;
    uint64_t left_ms = load->open_by_ms > now_ms ? load->open_by_ms - now_ms : 0;
    load->context.address = (const struct sockaddr *)&plan->targets[load->target].address;
    uv_timer_start(&load->timeout, on_timeout, left_ms / left, 0);
    connection_open(&load->connections[0]);
}

/* The first has found the address: the others follow. */
static void open_others(struct load *load)
{
    uint64_t now_ms = uv_now(&load->loop);
    load->phase = LOAD_OPENING;
    uv_timer_start(&load->timeout, on_timeout,
                   load->open_by_ms > now_ms ? load->open_by_ms - now_ms : 0, 0);
    for (size_t i = 1; i < load->plan->connections; i++)
        connection_open(&load->connections[i]);
}

static void on_open(struct connection *connection)
{
    struct load *load = connection->context->owner;
    load->opened++;
    if (load->phase == LOAD_FINDING)
        open_others(load);
    if (load->opened == load->plan->connections)
        begin(load);
}

static void on_open_failed(struct connection *connection, int error)
{
    struct load *load = connection->context->owner;
    if (load->phase != LOAD_FINDING || load->target + 1 == load->plan->target_count) {
        fail(load, error);
        return;
    }
    load->plan->targets[load->target++].error = error;
    try_target(load);
}

/* ---------------------------------------------------------------- what connections tell */

static void on_ready(struct connection *connection)
{
    struct load *load = connection->context->owner;
    if (!connection->queued) { /* one that the server closed while idle is queued already */
        connection->queued = true;
        connection->next = NULL;
        *load->last = connection;
        load->last = &connection->next;
    }
    dispatch(load);
}

static void on_sent(struct connection *connection, size_t request)
{
    struct load *load = connection->context->owner;
    load->samples[request].sent_ns = elapsed_ns(load);
}

static void on_settled(struct connection *connection, size_t request, int status)
{
    struct load *load = connection->context->owner;
    settle(load, request, status);
    finish_if_settled(load);
}

/* ---------------------------------------------------------------- from the first handle to the
 * last */

static void start_handles(struct load *load)
{
    uv_timer_init(&load->loop, &load->timeout);
    uv_signal_init(&load->loop, &load->interrupt);
    uv_signal_init(&load->loop, &load->terminate);
    load->timeout.data = load->interrupt.data = load->terminate.data = load;
    load->open_by_ms = uv_now(&load->loop) + load->plan->timeout_ms;
    uv_signal_start(&load->interrupt, on_signal, SIGINT);
    uv_signal_start(&load->terminate, on_signal, SIGTERM);
}

static void open_connections(struct load *load)
{
    const struct load_plan *plan = load->plan;
    load->context = (struct connection_context){
        .loop = &load->loop,
        .request = plan->request,
        .request_bytes = plan->request_bytes,
        .read_buffer = load->read_buffer,
        .read_buffer_bytes = sizeof load->read_buffer,
        .owner = load,
        .on_open = on_open,
        .on_open_failed = on_open_failed,
        .on_ready = on_ready,
        .on_sent = on_sent,
        .on_settled = on_settled,
    };
    for (size_t i = 0; i < plan->connections; i++)
        connection_init(&load->connections[i], &load->context);
    try_target(load);
}

static int run_loop(struct load *load)
{
    int error = uv_loop_init(&load->loop);
    if (error != 0)
        return error;
    error = pacer_init(&load->pacer, &load->loop, on_wake);
    if (error == 0) {
        start_handles(load);
        open_connections(load);
    }
    uv_run(&load->loop, UV_RUN_DEFAULT);
    int left_open = uv_loop_close(&load->loop);
    assert(left_open == 0);
    (void)left_open;
    return error != 0 ? error : load->error;
}

int load_run(const struct load_plan *plan, struct sample *samples, size_t *sample_count)
{
    struct load *load = calloc(1, sizeof *load);
    struct connection *connections = calloc(plan->connections, sizeof *connections);
    int error = UV_ENOMEM;
    *sample_count = 0;
    if (load && connections) {
        load->plan = plan;
        load->samples = samples;
        load->count = plan->count;
        load->connections = connections;
        load->last = &load->first;
        error = run_loop(load);
        *sample_count = error == 0 ? load->due : 0;
    }
    free(connections);
    free(load);
    return error;
}
