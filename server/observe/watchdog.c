/* watchdog.c – see watchdog.h.
 *
 * A loop that turns is not blocked, even if it never has to wait in a poll; so both are looked at:
 * the idle time, which changes while it waits, and the number of turns.
 *
 * The idle time grows, but not always: a signal that interrupts a poll (also a stop and its end, or
 * a debugger) makes libuv count that wait from there on, and the sum is smaller than before. */
#include "server/observe/watchdog.h"

#include <pthread.h>

static const uint64_t MS = 1000000;

/* ------------------------------------------------------------------ the strip */

static uint64_t cell_at(const struct watchdog *watchdog, uint64_t ns)
{
    uint64_t epoch_ns = counter_get(&watchdog->recording->epoch_ns);
    return trip_elapsed_ns(epoch_ns, ns) / (RECORDING_CELL_MS * MS);
}

/* What came before is not known, or nobody's. */
static void begin_strip(struct watchdog *watchdog, uint64_t now_ns)
{
    watchdog->cell = cell_at(watchdog, now_ns);
    watchdog->cell_waited_ns = watchdog->waited_ns;
    watchdog->cell_at_ns = now_ns;
}

static void close_cells(struct watchdog *watchdog, uint64_t now_ns)
{
    struct watch_record *watch = &watchdog->recording->watch;
    uint64_t cell = cell_at(watchdog, now_ns);
    if (cell <= watchdog->cell)
        return;
    uint64_t all_ns = now_ns - watchdog->cell_at_ns;
    uint64_t waited_ns = watchdog->waited_ns - watchdog->cell_waited_ns;
    uint64_t share = waited_ns >= all_ns ? 0 : (all_ns - waited_ns) * 10000 / all_ns;
    uint64_t first =
        cell - watchdog->cell > RECORDING_CELLS ? cell - RECORDING_CELLS : watchdog->cell;
    for (uint64_t i = first; i < cell; i++)
        counter_set(&watch->cells[i % RECORDING_CELLS], (i + 1) << 16 | share);
    begin_strip(watchdog, now_ns);
}

/* ------------------------------------------------------------------ blocks and stalls */

static void tell_blocked(struct watchdog *watchdog, uint64_t since_ns)
{
    struct lane_view view;
    const struct watchdog_listener *listener = &watchdog->listener;
    if (!recording_lane(watchdog->recording, 0, &view))
        view = (struct lane_view){0};
    watchdog->told =
        listener->on_blocked == NULL || listener->on_blocked(listener->data, since_ns, &view);
}

static void look_for_block(struct watchdog *watchdog, uint64_t now_ns)
{
    struct watch_record *watch = &watchdog->recording->watch;
    uint64_t since_ns = watchdog->progress_ns, held_ns = trip_elapsed_ns(since_ns, now_ns);
    bool blocked = held_ns >= WATCHDOG_BLOCKED_MS * MS;
    counter_set(&watch->blocked_since_ns, blocked ? since_ns : 0);
    if (!blocked)
        watchdog->told = false;
    else if (!watchdog->told && held_ns >= watchdog->listener.patience_ms * MS)
        tell_blocked(watchdog, since_ns);
}

static void look_for_stalls(struct watchdog *watchdog)
{
    struct trace_record record;
    uint64_t missed = 0;
    while (recording_read(watchdog->recording, &watchdog->cursor, &record, &missed)) {
        if (record.kind == TRACE_STALL && watchdog->listener.on_stall != NULL)
            watchdog->listener.on_stall(watchdog->listener.data, &record);
    }
}

static uint64_t look_for_stop(struct watchdog *watchdog, uint64_t now_ns)
{
    const struct watchdog_listener *listener = &watchdog->listener;
    uint64_t stopped_ns =
        stops_look(&watchdog->recording->watch.stops, now_ns, stops_spent(watchdog->loop_cpu));
    if (stopped_ns > 0 && listener->on_stopped != NULL)
        listener->on_stopped(listener->data, stopped_ns);
    return stopped_ns;
}

/* How long the loop has waited in polls since the last look. libuv adds the wait that is under way
 * to the sum with a clock of its own: if the wait ends while it does, the answer is a little too
 * large, and the next one smaller. One that is much smaller is that of an interrupted poll. */
static uint64_t look_at_poll(struct watchdog *watchdog, uint64_t now_ns)
{
    uint64_t before_ns = watchdog->idle_ns;
    watchdog->idle_ns = uv_metrics_idle_time(watchdog->loop);
    if (watchdog->idle_ns + MS >= before_ns)
        return trip_elapsed_ns(before_ns, watchdog->idle_ns);
    return trip_elapsed_ns(watchdog->looked_ns, now_ns);
}

static void look(struct watchdog *watchdog)
{
    struct watch_record *watch = &watchdog->recording->watch;
    uint64_t now_ns = trip_clock_ns(), waited_ns = look_at_poll(watchdog, now_ns);
    uint64_t stopped_ns = look_for_stop(watchdog, now_ns);
    uint64_t turns = counter_get(&watchdog->recording->loop.turns);
    if (waited_ns > 0 || turns != watchdog->turns || turns == 0)
        watchdog->progress_ns = now_ns;
    else
        watchdog->progress_ns += stopped_ns;
    watchdog->turns = turns;
    watchdog->looked_ns = now_ns;
    watchdog->waited_ns += waited_ns;
    counter_set(&watch->sampled_ns, now_ns);
    counter_set(&watch->progress_ns, watchdog->progress_ns);
    if (turns == 0 || stopped_ns > 0) /* while the server is being made, nobody waits for it */
        begin_strip(watchdog, now_ns);
    else
        close_cells(watchdog, now_ns);
    look_for_block(watchdog, now_ns);
    look_for_stalls(watchdog);
}

/* ------------------------------------------------------------------ the thread */

/* Ticks lie on the strip's grid, so that every other one closes a cell. Returns false when it is
 * time to end. */
static bool await_tick(struct watchdog *watchdog)
{
    uint64_t epoch_ns = counter_get(&watchdog->recording->epoch_ns), now_ns = trip_clock_ns();
    uint64_t rest_ns =
        WATCHDOG_TICK_MS * MS - trip_elapsed_ns(epoch_ns, now_ns) % (WATCHDOG_TICK_MS * MS);
    uv_mutex_lock(&watchdog->lock);
    if (!watchdog->ends)
        (void)uv_cond_timedwait(&watchdog->wake, &watchdog->lock, rest_ns);
    bool goes_on = !watchdog->ends;
    uv_mutex_unlock(&watchdog->lock);
    return goes_on;
}

static void watchdog_main(void *data)
{
    struct watchdog *watchdog = data;
    pthread_setname_np(pthread_self(), "watchdog");
    while (await_tick(watchdog))
        look(watchdog);
    look_for_stalls(watchdog);
    counter_set(&watchdog->recording->watch.blocked_since_ns, 0); /* nobody looks any more */
}

int watchdog_start(struct watchdog *watchdog, uv_loop_t *loop, struct recording *recording,
                   const struct watchdog_listener *listener)
{
    uint64_t now_ns = trip_clock_ns();
    *watchdog = (struct watchdog){
        .loop = loop,
        .recording = recording,
        .listener = *listener,
        .idle_ns = uv_metrics_idle_time(loop),
        .progress_ns = now_ns,
        .looked_ns = now_ns,
        .cursor = counter_get(&recording->trace.written),
    };
    int rc = -pthread_getcpuclockid(pthread_self(), &watchdog->loop_cpu);
    if (rc == 0)
        rc = uv_mutex_init(&watchdog->lock);
    if (rc != 0)
        return rc;
    begin_strip(watchdog, now_ns);
    stops_begin(&recording->watch.stops, now_ns, stops_spent(watchdog->loop_cpu));
    rc = uv_cond_init(&watchdog->wake);
    if (rc == 0 && (rc = uv_thread_create(&watchdog->thread, watchdog_main, watchdog)) != 0)
        uv_cond_destroy(&watchdog->wake);
    if (rc != 0)
        uv_mutex_destroy(&watchdog->lock);
    return rc;
}

void watchdog_stop(struct watchdog *watchdog)
{
    uv_mutex_lock(&watchdog->lock);
    watchdog->ends = true;
    uv_cond_signal(&watchdog->wake);
    uv_mutex_unlock(&watchdog->lock);
    uv_thread_join(&watchdog->thread);
    uv_cond_destroy(&watchdog->wake);
    uv_mutex_destroy(&watchdog->lock);
}
