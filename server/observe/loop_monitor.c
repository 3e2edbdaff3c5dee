/* loop_monitor.c – see loop_monitor.h.
 *
 *            prepare                    check                                  prepare
 *     ─────────┼──────── poll ────────────┼──────────────────────────────────────┼────
 *              │   idle   │ I/O callbacks    check callbacks, closing, timers …  │
 *                         └────────────────── one block ─────────────────────────┘
 *
 * When the poll returned is known only afterwards: prepared_ns and the idle time since then. But a
 * signal that interrupts the poll (also a stop and its end, or a debugger) makes libuv forget how
 * long it had been idle by then. So the loop's own time is looked at as well: libuv sets it
 * whenever a poll returns. It has milliseconds only, and whoever runs a job on the loop sets it,
 * too.
 *
 * Costs two reads of the clock and one of the idle time for each turn, and another of the idle time
 * if the turn serves requests, however many. */
#include "server/observe/loop_monitor.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

/* A connection that came during a block is accepted in the first turn after it and read in the
 * second. */
enum { TICK_MS = 10, WAITED_MS = 5, LAG_MS = 1000, LATE_TURNS = 3 };

static const uint64_t MS = 1000000;

static uint64_t idle_since(const struct loop_monitor *monitor)
{
    return uv_metrics_idle_time(monitor->loop) - monitor->idle_ns;
}

/* When the poll returned whose callbacks run now. */
static uint64_t returned_ns(const struct loop_monitor *monitor)
{
    if (monitor->polled_ns != 0)
        return monitor->polled_ns;
    uint64_t idle_ns = monitor->prepared_ns + idle_since(monitor);
    uint64_t time_ns = uv_now(monitor->loop) * MS;
    bool had_job = counter_get(&monitor->recording->lanes[0].since_ns) >= monitor->prepared_ns;
    return had_job || time_ns < idle_ns ? idle_ns : time_ns;
}

static uint64_t block_began_ns(const struct loop_monitor *monitor)
{
    return monitor->polling ? returned_ns(monitor) : monitor->began_ns;
}

/* How long it has lasted since from_ns, without the time in which the process was stopped. Each
 * request asks, and hardly any block is long enough for a stop. */
static uint64_t ran_since(const struct loop_monitor *monitor, uint64_t from_ns, uint64_t now_ns)
{
    uint64_t all_ns = trip_elapsed_ns(from_ns, now_ns);
    if (all_ns < STOP_MS * MS)
        return all_ns;
    return all_ns - stops_since(&monitor->recording->watch.stops, from_ns, now_ns);
}

/* ------------------------------------------------------------------ who waited */

static void wait_for(struct loop_waiters *waiters, uint64_t waited_ns)
{
    waiters->count++;
    if (waited_ns > waiters->longest_ns)
        waiters->longest_ns = waited_ns;
}

static uint64_t lay_in_socket_ns(int fd)
{
    struct tcp_info info;
    socklen_t length = sizeof info;
    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) != 0)
        return 0;
    return info.tcpi_last_data_recv * MS;
}

/* How long the block that serves a request has lasted when it is read. */
static uint64_t block_before(struct loop_monitor *monitor, uint64_t now_ns)
{
    uint64_t began_ns = block_began_ns(monitor);
    if (monitor->polling)
        monitor->polled_ns = began_ns;
    return ran_since(monitor, began_ns, now_ns);
}

/* A request that came before the end of the last stall has waited for that, unless the present
 * block is another one. */
static void enter_wait(struct loop_monitor *monitor, uint64_t block_ns, uint64_t now_ns,
                       uint64_t waited_ns)
{
    bool again = block_ns >= LOOP_STALL_MS * MS;
    monitor->asking_turns = LATE_TURNS;
    counter_add(&monitor->recording->loop.waiters, 1);
    histogram_record(&monitor->recording->loop.waited, waited_ns);
    if (monitor->has_stall && !again &&
        trip_elapsed_ns(waited_ns, now_ns) < monitor->stall.ended_ns) {
        wait_for(&monitor->for_stall, waited_ns);
        monitor->stall_turns = LATE_TURNS;
    } else if (block_ns >= LOOP_LATE_MS * MS) {
        wait_for(&monitor->for_block, waited_ns);
    }
}

void loop_monitor_request(struct loop_monitor *monitor, int fd, uint64_t now_ns)
{
    uint64_t block_ns = block_before(monitor, now_ns);
    monitor->request_ns = now_ns;
    if (block_ns < LOOP_LATE_MS * MS && monitor->asking_turns == 0)
        return;
    uint64_t lay_ns = lay_in_socket_ns(fd);
    uint64_t waited_ns = ran_since(monitor, trip_elapsed_ns(lay_ns, now_ns), now_ns);
    if (waited_ns >= WAITED_MS * MS)
        enter_wait(monitor, block_ns, now_ns, waited_ns);
}

/* ------------------------------------------------------------------ stalls */

static void stall_publish(struct loop_monitor *monitor)
{
    struct trace_record *stall = &monitor->stall;
    stall->waited = monitor->for_stall.count;
    stall->longest_wait_ns = monitor->for_stall.longest_ns;
    trace_write(&monitor->recording->trace, stall);
    monitor->has_stall = false;
    monitor->for_stall = (struct loop_waiters){0};
}

/* Whose fault it was: the trip that ran on the loop last, or else the request that came last, if
 * either did in this block. */
static void stall_explain(const struct loop_monitor *monitor, struct trace_record *stall)
{
    const struct lane_record *lane = &monitor->recording->lanes[0];
    if (counter_get(&lane->since_ns) < monitor->entered_ns) {
        if (monitor->request_ns >= monitor->entered_ns)
            stall->route = (uint8_t)counter_get(&monitor->recording->loop.route);
        return;
    }
    uint64_t subject = counter_get(&lane->subject);
    stall->work = (uint8_t)subject;
    stall->kernel = (uint8_t)(subject >> 8);
    stall->size = counter_get(&lane->size);
    stall->times = (uint32_t)(counter_get(&lane->trips) - monitor->trips);
}

static void stall_note(struct loop_monitor *monitor, uint64_t began_ns, uint64_t ended_ns)
{
    struct loop_record *loop = &monitor->recording->loop;
    if (monitor->has_stall)
        stall_publish(monitor);
    monitor->stall =
        (struct trace_record){.kind = TRACE_STALL, .began_ns = began_ns, .ended_ns = ended_ns};
    stall_explain(monitor, &monitor->stall);
    monitor->has_stall = true;
    monitor->for_stall = monitor->for_block;
    monitor->stall_turns = LATE_TURNS;
    counter_add(&loop->stalls, 1);
    counter_add(&loop->stalled_ns, trip_elapsed_ns(began_ns, ended_ns));
}

static void on_again(uv_idle_t *again)
{
    (void)again;
}

/* At the end of each turn: are all counted who waited? */
static void catch_up(struct loop_monitor *monitor, uint64_t block_ns)
{
    if (block_ns >= LOOP_STALL_MS * MS)
        stall_note(monitor, monitor->began_ns, monitor->began_ns + block_ns);
    else if (monitor->has_stall && --monitor->stall_turns == 0)
        stall_publish(monitor);
    if (block_ns >= LOOP_LATE_MS * MS)
        monitor->asking_turns = LATE_TURNS;
    else if (monitor->asking_turns > 0)
        monitor->asking_turns--;
    if (monitor->asking_turns > 0 || monitor->has_stall)
        uv_idle_start(&monitor->again, on_again);
    else
        uv_idle_stop(&monitor->again);
}

/* ------------------------------------------------------------------ each turn */

static bool is_past(const struct loop_block *block, uint64_t now_ns)
{
    return trip_elapsed_ns(block->ended_ns, now_ns) > LAG_MS * MS;
}

/* When the worst one is forgotten, the worst since then takes its place. */
static void keep_worst(struct loop_monitor *monitor, uint64_t block_ns, uint64_t now_ns)
{
    const struct loop_block block = {block_ns, now_ns};
    if (is_past(&monitor->worst, now_ns)) {
        monitor->worst = monitor->second;
        monitor->second = (struct loop_block){0};
    }
    if (block_ns >= monitor->worst.lasted_ns || is_past(&monitor->worst, now_ns)) {
        monitor->worst = block;
        monitor->second = (struct loop_block){0};
    } else if (block_ns >= monitor->second.lasted_ns) {
        monitor->second = block;
    }
    counter_set(&monitor->recording->loop.lag_ns, monitor->worst.lasted_ns);
}

/* Ticks that fell into a poll were in time. */
static void ticks_in_poll(struct loop_monitor *monitor, uint64_t until_ns)
{
    if (monitor->tick_ns >= until_ns)
        return;
    uint64_t count = (until_ns - monitor->tick_ns + TICK_MS * MS - 1) / (TICK_MS * MS);
    histogram_record_many(&monitor->recording->loop.lag, 0, count);
    monitor->tick_ns += count * TICK_MS * MS;
}

static void ticks_in_block(struct loop_monitor *monitor, uint64_t until_ns)
{
    for (; monitor->tick_ns < until_ns; monitor->tick_ns += TICK_MS * MS)
        histogram_record(&monitor->recording->loop.lag, until_ns - monitor->tick_ns);
}

/* A stop of the process is no part of the block, which is taken to have begun later, whoever began
 * it before; and the ticks that fell into it were nobody's. */
static void leave_out_stops(struct loop_monitor *monitor, uint64_t now_ns)
{
    monitor->entered_ns = monitor->began_ns;
    uint64_t began_ns = now_ns - ran_since(monitor, monitor->began_ns, now_ns);
    if (began_ns == monitor->began_ns)
        return;
    monitor->tick_ns += (began_ns - monitor->began_ns) / (TICK_MS * MS) * (TICK_MS * MS);
    monitor->began_ns = began_ns;
}

static void on_prepare(uv_prepare_t *prepare)
{
    struct loop_monitor *monitor = prepare->data;
    struct loop_record *loop = &monitor->recording->loop;
    uint64_t now_ns = trip_clock_ns();
    if (!monitor->turns) /* before the first poll the server was being made: nobody waited */
        monitor->began_ns = monitor->tick_ns = now_ns;
    leave_out_stops(monitor, now_ns);
    uint64_t block_ns = now_ns - monitor->began_ns;
    monitor->turns = true;
    counter_add(&loop->turns, 1);
    counter_add(&loop->busy_ns, block_ns);
    counter_set(&loop->turn_ns, block_ns);
    ticks_in_block(monitor, now_ns);
    keep_worst(monitor, block_ns, now_ns);
    catch_up(monitor, block_ns);
    monitor->for_block = (struct loop_waiters){0};
    monitor->trips = counter_get(&monitor->recording->lanes[0].trips);
    monitor->prepared_ns = now_ns;
    monitor->polled_ns = 0;
    monitor->polling = true;
}

static void on_check(uv_check_t *check)
{
    struct loop_monitor *monitor = check->data;
    monitor->began_ns = returned_ns(monitor);
    monitor->idle_ns += idle_since(monitor);
    monitor->polling = false;
    counter_add(&monitor->recording->loop.idle_ns, monitor->began_ns - monitor->prepared_ns);
    ticks_in_poll(monitor, monitor->began_ns);
}

uint64_t loop_monitor_lag_ns(const struct loop_monitor *monitor)
{
    uint64_t now_ns = trip_clock_ns();
    uint64_t present_ns = ran_since(monitor, block_began_ns(monitor), now_ns);
    uint64_t past_ns = is_past(&monitor->worst, now_ns) ? 0 : monitor->worst.lasted_ns;
    return past_ns > present_ns ? past_ns : present_ns;
}

/* ------------------------------------------------------------------ beginning and end */

/* None of the three keeps the loop alive. */
void loop_monitor_start(struct loop_monitor *monitor, uv_loop_t *loop, struct recording *recording)
{
    uint64_t now_ns = trip_clock_ns();
    *monitor = (struct loop_monitor){
        .loop = loop,
        .recording = recording,
        .open_handles = 3,
        .prepared_ns = now_ns,
        .began_ns = now_ns,
        .tick_ns = now_ns,
        .idle_ns = uv_metrics_idle_time(loop),
    };
    uv_prepare_init(loop, &monitor->prepare);
    uv_check_init(loop, &monitor->check);
    uv_idle_init(loop, &monitor->again);
    monitor->prepare.data = monitor->check.data = monitor->again.data = monitor;
    uv_prepare_start(&monitor->prepare, on_prepare);
    uv_check_start(&monitor->check, on_check);
    uv_unref((uv_handle_t *)&monitor->prepare);
    uv_unref((uv_handle_t *)&monitor->check);
    uv_unref((uv_handle_t *)&monitor->again);
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct loop_monitor *monitor = handle->data;
    if (--monitor->open_handles == 0 && monitor->on_closed != NULL)
        monitor->on_closed(monitor->on_closed_data);
}

void loop_monitor_stop(struct loop_monitor *monitor, void (*on_closed)(void *data), void *data)
{
    monitor->on_closed = on_closed;
    monitor->on_closed_data = data;
    if (monitor->has_stall)
        stall_publish(monitor);
    uv_close((uv_handle_t *)&monitor->prepare, on_handle_closed);
    uv_close((uv_handle_t *)&monitor->check, on_handle_closed);
    uv_close((uv_handle_t *)&monitor->again, on_handle_closed);
}
