/* watchdog_test.c – the loop is held until the watchdog has seen it, and not for a time that
 * somebody thought would do. What never comes fails after AGES_MS. */
#include "server/observe/watchdog.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/support/observed_loop.h"

static const uint64_t MS = 1000000, CELL_NS = RECORDING_CELL_MS * UINT64_C(1000000);

enum { AGES_MS = 20000, STALLS_MAX = 16 };

/* What the listener was told. */
struct told {
    pthread_mutex_t lock;
    unsigned blocks, stalls;
    unsigned deaf_to;         /* so many times it does not hear of a block */
    uint64_t since_ns, at_ns; /* of the last block */
    uint64_t stopped_ns;
    struct lane_view view;
    struct trace_record records[STALLS_MAX];
};

struct watched {
    struct observed_loop observed;
    struct watchdog watchdog;
    struct told told;
    uint64_t earlier; /* records in the trace when the watchdog began */
    bool is_stopped, was_blocked;
};

static bool on_blocked(void *data, uint64_t since_ns, const struct lane_view *view)
{
    struct told *told = data;
    pthread_mutex_lock(&told->lock);
    told->since_ns = since_ns;
    told->at_ns = trip_clock_ns();
    told->view = *view;
    told->blocks++;
    bool is_heard = told->blocks > told->deaf_to;
    pthread_mutex_unlock(&told->lock);
    return is_heard;
}

static void on_stall(void *data, const struct trace_record *stall)
{
    struct told *told = data;
    pthread_mutex_lock(&told->lock);
    told->records[told->stalls++ % STALLS_MAX] = *stall;
    pthread_mutex_unlock(&told->lock);
}

static void on_stopped(void *data, uint64_t stopped_ns)
{
    struct told *told = data;
    pthread_mutex_lock(&told->lock);
    told->stopped_ns += stopped_ns;
    pthread_mutex_unlock(&told->lock);
}

static struct told what_was_told(struct watched *watched)
{
    pthread_mutex_lock(&watched->told.lock);
    struct told told = watched->told;
    pthread_mutex_unlock(&watched->told.lock);
    return told;
}

static void watch(struct watched *watched, unsigned patience_ms)
{
    const struct watchdog_listener listener = {
        .on_blocked = on_blocked,
        .on_stall = on_stall,
        .on_stopped = on_stopped,
        .data = &watched->told,
        .patience_ms = patience_ms,
    };
    watched->earlier = counter_get(&watched->observed.recording->trace.written);
    assert_int_equal(watchdog_start(&watched->watchdog, &watched->observed.loop,
                                    watched->observed.recording, &listener),
                     0);
    watched->is_stopped = false;
}

static void unwatch(struct watched *watched)
{
    if (!watched->is_stopped)
        watchdog_stop(&watched->watchdog);
    watched->is_stopped = true;
}

static int open_watched(void **state)
{
    static struct watched watched;
    watched = (struct watched){.told.lock = PTHREAD_MUTEX_INITIALIZER};
    *state = &watched;
    observed_loop_open(&watched.observed);
    watch(&watched, WATCHDOG_BLOCKED_MS);
    return 0;
}

static int close_watched(void **state)
{
    struct watched *watched = *state;
    unwatch(watched);
    observed_loop_close(&watched->observed);
    return 0;
}

static struct watch_record *watch_of(struct watched *watched)
{
    return &watched->observed.recording->watch;
}

/* ------------------------------------------------------------------ waiting for what is seen */

/* Holds the thread until the condition is true; fails if it never is. */
static void hold_until(struct watched *watched, bool (*is_true)(struct watched *watched))
{
    uint64_t end_ns = trip_clock_ns() + AGES_MS * MS;
    while (!is_true(watched))
        assert_true(trip_clock_ns() < end_ns);
}

/* The same, while the loop turns. */
static void turn_until(struct watched *watched, bool (*is_true)(struct watched *watched))
{
    uint64_t end_ns = trip_clock_ns() + AGES_MS * MS;
    while (!is_true(watched)) {
        assert_true(trip_clock_ns() < end_ns);
        observed_loop_turn(&watched->observed, 1);
    }
}

static bool is_blocked(struct watched *watched)
{
    return counter_get(&watch_of(watched)->blocked_since_ns) != 0;
}

static bool is_free(struct watched *watched)
{
    return !is_blocked(watched);
}

static bool was_told(struct watched *watched)
{
    return what_was_told(watched).blocks > 0;
}

/* The machine may have made stalls as well. */
static bool is_told_of_all(struct watched *watched)
{
    const struct observed_loop *observed = &watched->observed;
    uint64_t written = counter_get(&observed->recording->trace.written);
    return !observed->monitor.has_stall &&
           what_was_told(watched).stalls == written - watched->earlier;
}

/* Until the watchdog has looked so often again. */
static void hold_for_looks(struct watched *watched, unsigned looks)
{
    const struct counter *sampled = &watch_of(watched)->sampled_ns;
    uint64_t last_ns = counter_get(sampled), end_ns = trip_clock_ns() + AGES_MS * MS;
    while (looks > 0) {
        uint64_t now_ns = counter_get(sampled);
        looks -= now_ns != last_ns;
        last_ns = now_ns;
        assert_true(trip_clock_ns() < end_ns);
    }
}

/* ------------------------------------------------------------------ blocks */

static void test_a_blocked_loop_is_seen_while_it_is_blocked(void **state)
{
    struct watched *watched = *state;
    uint64_t opened_ns = counter_get(&watched->observed.recording->epoch_ns);
    hold_until(watched, is_blocked);
    uint64_t since_ns = counter_get(&watch_of(watched)->blocked_since_ns);
    assert_in_range(since_ns, opened_ns, trip_clock_ns() - WATCHDOG_BLOCKED_MS * MS);
    assert_int_equal(counter_get(&watch_of(watched)->progress_ns), since_ns);
    turn_until(watched, is_free);
    assert_true(counter_get(&watch_of(watched)->progress_ns) > since_ns);
}

static void test_a_block_is_told_once(void **state)
{
    struct watched *watched = *state;
    hold_until(watched, was_told);
    hold_for_looks(watched, 6);
    struct told told = what_was_told(watched);
    assert_int_equal(told.blocks, 1);
    assert_int_equal(told.since_ns, counter_get(&watch_of(watched)->blocked_since_ns));
}

/* Whoever cannot hear it now is told once more, while it lasts. */
static void test_a_block_is_told_until_it_is_heard(void **state)
{
    struct watched *watched = *state;
    pthread_mutex_lock(&watched->told.lock);
    watched->told.deaf_to = 3;
    pthread_mutex_unlock(&watched->told.lock);
    hold_until(watched, was_told);
    hold_for_looks(watched, 6);
    struct told told = what_was_told(watched);
    assert_int_equal(told.blocks, 4);
    assert_int_equal(told.since_ns, counter_get(&watch_of(watched)->blocked_since_ns));
}

static void test_the_next_block_is_told_again(void **state)
{
    struct watched *watched = *state;
    for (unsigned blocks = 0; blocks < 3; blocks++) {
        struct told before = what_was_told(watched);
        hold_until(watched, is_blocked);
        hold_for_looks(watched, 2);
        struct told after = what_was_told(watched);
        assert_true(after.blocks > before.blocks);
        assert_true(after.since_ns > before.since_ns);
        turn_until(watched, is_free);
    }
}

static void test_patience(void **state)
{
    struct watched *watched = *state;
    unwatch(watched);
    watch(watched, 150);
    hold_until(watched, is_blocked);
    hold_until(watched, was_told);
    struct told told = what_was_told(watched);
    assert_true(told.at_ns - told.since_ns >= 150 * MS);
}

static void test_what_blocks_the_loop_is_told(void **state)
{
    struct watched *watched = *state;
    struct trip trip;
    trip_submit(&trip, watched->observed.recording, (struct trip_subject){5, 2, 99});
    trip_start(&trip, LANE_THE_LOOP);
    hold_until(watched, was_told);
    trip_finish(&trip);
    struct told told = what_was_told(watched);
    assert_int_equal(told.view.trip, trip.id);
    assert_int_equal(told.view.since_ns, trip.started_ns);
    assert_int_equal(told.view.subject.work, 5);
    assert_int_equal(told.view.subject.kernel, 2);
    assert_int_equal(told.view.subject.size, 99);
}

static void test_nothing_is_known_to_block_the_loop(void **state)
{
    struct watched *watched = *state;
    hold_until(watched, was_told);
    assert_int_equal(what_was_told(watched).view.trip, 0);
}

/* It is never idle either. */
static void test_a_loop_that_turns_is_not_blocked(void **state)
{
    struct watched *watched = *state;
    uint64_t end_ns = trip_clock_ns() + 700 * MS;
    unwatch(watched);
    watch(watched, 500);
    unsigned before = what_was_told(watched).blocks;
    while (trip_clock_ns() < end_ns)
        observed_loop_turn(&watched->observed, 1);
    assert_int_equal(what_was_told(watched).blocks, before);
}

/* ------------------------------------------------------------------ the loop that waits */

static void on_timer(uv_timer_t *timer)
{
    uv_close((uv_handle_t *)timer, NULL);
}

static void wait_in_poll(struct watched *watched, unsigned ms)
{
    uv_timer_t timer;
    uv_update_time(&watched->observed.loop);
    uv_timer_init(&watched->observed.loop, &timer);
    uv_timer_start(&timer, on_timer, ms, 0);
    assert_int_equal(uv_run(&watched->observed.loop, UV_RUN_DEFAULT), 0);
}

/* All of it in one poll, which no turn interrupts. */
static void test_a_loop_that_waits_is_not_blocked(void **state)
{
    struct watched *watched = *state;
    unwatch(watched);
    watch(watched, 500);
    unsigned before = what_was_told(watched).blocks;
    wait_in_poll(watched, 700);
    assert_int_equal(what_was_told(watched).blocks, before);
}

/* ------------------------------------------------------------------ stalls */

static void hold_sixty(void *data)
{
    uint64_t *from_ns = data;
    *from_ns = trip_clock_ns();
    burn_ms(60);
}

static unsigned stalls_around(const struct told *told, uint64_t from_ns)
{
    unsigned count = 0;
    for (unsigned i = 0; i < told->stalls && i < STALLS_MAX; i++) {
        const struct trace_record *stall = &told->records[i];
        assert_int_equal(stall->kind, TRACE_STALL);
        count += stall->began_ns <= from_ns && stall->ended_ns >= from_ns + 60 * MS;
    }
    return count;
}

static void test_stalls_are_told_when_they_are_over(void **state)
{
    struct watched *watched = *state;
    uint64_t from_ns = 0;
    observed_loop_call(&watched->observed, hold_sixty, &from_ns);
    turn_until(watched, is_told_of_all);
    unwatch(watched);
    struct told told = what_was_told(watched);
    assert_int_equal(stalls_around(&told, from_ns), 1);
}

/* Between the last look and the end. */
static void test_the_last_stall_is_told(void **state)
{
    struct watched *watched = *state;
    const struct trace_record stall = {.kind = TRACE_STALL, .began_ns = 1, .ended_ns = 2 + 60 * MS};
    trace_write(&watched->observed.recording->trace, &stall);
    unwatch(watched);
    struct told told = what_was_told(watched);
    assert_int_equal(stalls_around(&told, 1), 1);
}

static void test_earlier_stalls_are_not_told(void **state)
{
    struct watched *watched = *state;
    const struct trace_record stall = {.kind = TRACE_STALL, .began_ns = 1, .ended_ns = 2 + 60 * MS};
    unwatch(watched);
    trace_write(&watched->observed.recording->trace, &stall);
    watch(watched, WATCHDOG_BLOCKED_MS);
    unwatch(watched);
    struct told told = what_was_told(watched);
    assert_int_equal(stalls_around(&told, 1), 0);
}

static void test_nobody_need_listen(void **state)
{
    struct watched *watched = *state;
    const struct trace_record stall = {.kind = TRACE_STALL};
    unwatch(watched);
    assert_int_equal(watchdog_start(&watched->watchdog, &watched->observed.loop,
                                    watched->observed.recording, &(struct watchdog_listener){0}),
                     0);
    trace_write(&watched->observed.recording->trace, &stall);
    hold_until(watched, is_blocked);
    watchdog_stop(&watched->watchdog);
}

/* ------------------------------------------------------------------ the strip */

static uint64_t cell_at(struct watched *watched, uint64_t ns)
{
    return (ns - counter_get(&watched->observed.recording->epoch_ns)) / CELL_NS;
}

/* The first cell that the watchdog has not closed yet. */
static uint64_t open_cell(struct watched *watched)
{
    uint64_t cell = cell_at(watched, counter_get(&watch_of(watched)->sampled_ns));
    while (counter_get(&watch_of(watched)->cells[cell % RECORDING_CELLS]) >> 16 == cell + 1)
        cell++;
    return cell;
}

static uint64_t share_of(struct watched *watched, uint64_t cell)
{
    uint64_t value = counter_get(&watch_of(watched)->cells[cell % RECORDING_CELLS]);
    assert_int_equal(value >> 16, cell + 1);
    return value & 0xffff;
}

/* Holds the loop until this cell is closed. Returns the next one that is open. */
static uint64_t hold_past(struct watched *watched, uint64_t cell)
{
    const struct counter *value = &watch_of(watched)->cells[cell % RECORDING_CELLS];
    uint64_t end_ns = trip_clock_ns() + AGES_MS * MS;
    while (counter_get(value) >> 16 != cell + 1)
        assert_true(trip_clock_ns() < end_ns);
    hold_for_looks(watched, 1); /* the look that closed it is over */
    return open_cell(watched);
}

/* Those that were closed together share their measure; so the first ones may reach back to before
 * the block, and all that are closed after them cannot. */
static void test_cells_of_a_blocked_loop_are_full(void **state)
{
    struct watched *watched = *state;
    hold_for_looks(watched, 1);
    uint64_t first = hold_past(watched, cell_at(watched, trip_clock_ns()));
    uint64_t end = hold_past(watched, first + 3);
    for (uint64_t cell = first; cell < end; cell++)
        assert_int_equal(share_of(watched, cell), 10000);
}

static void test_cells_of_a_waiting_loop_are_empty(void **state)
{
    struct watched *watched = *state;
    uint64_t least = 10000;
    wait_in_poll(watched, 60);
    hold_for_looks(watched, 1);
    uint64_t first = open_cell(watched);
    wait_in_poll(watched, 400);
    uint64_t end = hold_past(watched, first + 4);
    for (uint64_t cell = first; cell < end; cell++)
        least = share_of(watched, cell) < least ? share_of(watched, cell) : least;
    assert_true(least < 1000);
}

/* Before its first turn nobody waits for the loop. */
static void test_no_cells_before_the_first_turn(void **state)
{
    struct watched *watched = *state;
    counter_set(&watched->observed.recording->loop.turns, 0);
    hold_for_looks(watched, 1);
    uint64_t first = cell_at(watched, trip_clock_ns()) + 1;
    hold_for_looks(watched, 8);
    uint64_t end = cell_at(watched, counter_get(&watch_of(watched)->sampled_ns));
    assert_true(end > first);
    for (uint64_t cell = first; cell < end; cell++)
        assert_int_equal(counter_get(&watch_of(watched)->cells[cell % RECORDING_CELLS]), 0);
}

/* Every cell is there, also where the watchdog came too late to close one by one. */
static void test_no_cell_is_missing(void **state)
{
    struct watched *watched = *state;
    hold_for_looks(watched, 4);
    uint64_t first = open_cell(watched) - 1, last = first + 12;
    while (open_cell(watched) <= last)
        wait_in_poll(watched, 20);
    for (uint64_t cell = first; cell <= last; cell++)
        assert_true(share_of(watched, cell) <= 10000);
}

static void see_whether_blocked(void *data)
{
    struct watched *watched = data;
    for (unsigned looks = 0; looks < 4; looks++) {
        hold_for_looks(watched, 1);
        watched->was_blocked |= is_blocked(watched);
    }
}

/* libuv counts the wait anew then. */
static void test_an_interrupted_poll_is_no_block(void **state)
{
    struct watched *watched = *state;
    uint64_t first = open_cell(watched) + 1;
    observed_loop_interrupt(&watched->observed, 300, see_whether_blocked, watched);
    assert_false(watched->was_blocked);
    uint64_t end = open_cell(watched);
    for (uint64_t cell = first; cell < end; cell++)
        assert_true(share_of(watched, cell) < 10000);
}

/* ------------------------------------------------------------------ stops of the process */

/* As if it had been stopped for ten seconds since the last look, which is when this says so. */
static void seem_stopped(struct watched *watched)
{
    struct stops *stops = &watch_of(watched)->stops;
    counter_set(&stops->looked_ns, counter_get(&stops->looked_ns) - 10000 * MS);
}

static bool was_stopped(struct watched *watched)
{
    return counter_get(&watch_of(watched)->stops.count) > 0;
}

static void test_a_stop_is_told(void **state)
{
    struct watched *watched = *state;
    while (!was_stopped(watched)) {
        seem_stopped(watched);
        hold_for_looks(watched, 2);
    }
    unwatch(watched);
    struct told told = what_was_told(watched);
    assert_int_equal(told.stopped_ns, counter_get(&watch_of(watched)->stops.stopped_ns));
    assert_true(told.stopped_ns > 9000 * MS);
}

/* The block has lasted less by as much. */
static void test_a_stop_is_no_part_of_a_block(void **state)
{
    struct watched *watched = *state;
    hold_until(watched, is_blocked);
    uint64_t since_ns = counter_get(&watch_of(watched)->blocked_since_ns);
    while (!was_stopped(watched)) {
        seem_stopped(watched);
        hold_for_looks(watched, 2);
    }
    assert_int_equal(counter_get(&watch_of(watched)->progress_ns),
                     since_ns + counter_get(&watch_of(watched)->stops.stopped_ns));
}

/* ------------------------------------------------------------------ the end */

static uint64_t stop_twenty_times(struct watched *watched)
{
    uint64_t taken_ns = 0;
    for (unsigned i = 0; i < 20; i++) {
        uint64_t from_ns = trip_clock_ns();
        unwatch(watched);
        taken_ns += trip_clock_ns() - from_ns;
        watch(watched, WATCHDOG_BLOCKED_MS);
    }
    return taken_ns;
}

/* Who waited for the next look would take 250 ms for twenty of them. */
static void test_the_end_does_not_wait_for_the_next_look(void **state)
{
    unsigned tries = 0;
    while (stop_twenty_times(*state) > 100 * MS)
        assert_true(++tries < 10);
}

static void test_nobody_is_blocked_when_nobody_looks(void **state)
{
    struct watched *watched = *state;
    hold_until(watched, is_blocked);
    unwatch(watched);
    assert_true(is_free(watched));
}

#define WATCHDOG_TEST(name) cmocka_unit_test_setup_teardown(name, open_watched, close_watched)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WATCHDOG_TEST(test_a_blocked_loop_is_seen_while_it_is_blocked),
        WATCHDOG_TEST(test_a_block_is_told_once),
        WATCHDOG_TEST(test_a_block_is_told_until_it_is_heard),
        WATCHDOG_TEST(test_the_next_block_is_told_again),
        WATCHDOG_TEST(test_patience),
        WATCHDOG_TEST(test_what_blocks_the_loop_is_told),
        WATCHDOG_TEST(test_nothing_is_known_to_block_the_loop),
        WATCHDOG_TEST(test_a_loop_that_turns_is_not_blocked),
        WATCHDOG_TEST(test_a_loop_that_waits_is_not_blocked),
        WATCHDOG_TEST(test_stalls_are_told_when_they_are_over),
        WATCHDOG_TEST(test_the_last_stall_is_told),
        WATCHDOG_TEST(test_earlier_stalls_are_not_told),
        WATCHDOG_TEST(test_nobody_need_listen),
        WATCHDOG_TEST(test_cells_of_a_blocked_loop_are_full),
        WATCHDOG_TEST(test_cells_of_a_waiting_loop_are_empty),
        WATCHDOG_TEST(test_no_cells_before_the_first_turn),
        WATCHDOG_TEST(test_no_cell_is_missing),
        WATCHDOG_TEST(test_an_interrupted_poll_is_no_block),
        WATCHDOG_TEST(test_a_stop_is_told),
        WATCHDOG_TEST(test_a_stop_is_no_part_of_a_block),
        WATCHDOG_TEST(test_the_end_does_not_wait_for_the_next_look),
        WATCHDOG_TEST(test_nobody_is_blocked_when_nobody_looks),
    };
    return cmocka_run_group_tests_name("watchdog", tests, NULL, NULL);
}
