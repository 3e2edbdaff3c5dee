/* slow_io_contract_test.c – what every source of slow answers promises, and what the database has
 * to itself.
 *
 * The contract runs once for every row of the table. What a query is doing is known from order, not
 * from time: libuv's pool takes work in the order in which it came, so when a query that needs no
 * time is home, those before it have left the queue. */
#include "server/slow_io/slow_io.h"

#include <errno.h>
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <uv.h>

#include <cmocka.h>

#include "tests/support/harness.h"
#include "tests/support/random.h"
#include "tests/support/temporary.h"

enum { QUERIES_MAX = 400, POOL_THREADS = 4, FOR_EVER_MS = 60000 };

struct tracked {
    struct query query;
    struct bench *bench;
    unsigned times_done, rank; /* it was the first that came home, the second, … */
    bool submitting;
    void (*then)(struct tracked *tracked);
};

struct bench {
    uv_loop_t loop;
    uv_thread_t thread;
    struct slow_io *slow_io;
    const struct source *source;
    char folder[128], database[160];
    struct tracked tracked[QUERIES_MAX];
    unsigned count, home;
    bool stopped;
};

/* ------------------------------------------------------------------ the bench */

static struct bench *bench_open_at(const char *source, const char *database, unsigned connections,
                                   unsigned max_queue)
{
    struct bench *bench = calloc(1, sizeof *bench);
    assert_non_null(bench);
    assert_int_equal(uv_loop_init(&bench->loop), 0);
    bench->thread = uv_thread_self();
    bench->source = source_find(source);
    assert_non_null(bench->source);
    temporary_folder(bench->folder, sizeof bench->folder);
    snprintf(bench->database, sizeof bench->database, "%s/%s", bench->folder, database);
    const struct slow_io_options options = {
        .database = bench->database, .connections = connections, .max_queue = max_queue};
    assert_int_equal(slow_io_new(&bench->slow_io, &bench->loop, &options), 0);
    return bench;
}

static struct bench *bench_open(const char *source, unsigned connections, unsigned max_queue)
{
    return bench_open_at(source, "offloop.db", connections, max_queue);
}

static void run_until(struct bench *bench, const struct tracked *tracked)
{
    while (tracked->times_done == 0)
        assert_true(uv_run(&bench->loop, UV_RUN_ONCE) != 0 || tracked->times_done != 0);
}

static void run_until_all_are_home(struct bench *bench)
{
    for (unsigned i = 0; i < bench->count; i++)
        run_until(bench, &bench->tracked[i]);
}

static void bench_close(struct bench *bench)
{
    if (!bench->stopped)
        slow_io_stop(bench->slow_io);
    assert_int_equal(uv_run(&bench->loop, UV_RUN_DEFAULT), 0);
    for (unsigned i = 0; i < bench->count; i++)
        assert_int_equal(bench->tracked[i].times_done, 1);
    slow_io_free(bench->slow_io);
    assert_int_equal(uv_loop_close(&bench->loop), 0);
    temporary_folder_remove(bench->folder);
    free(bench);
}

/* ------------------------------------------------------------------ queries */

static void check_stamps(const struct trip *trip)
{
    assert_true(trip->submitted_ns > 0 && trip->submitted_ns <= trip->delivered_ns);
    if (trip->started_ns == 0)
        return;
    assert_true(trip->submitted_ns <= trip->started_ns);
    assert_true(trip->started_ns <= trip->finished_ns);
    assert_true(trip->finished_ns <= trip->delivered_ns);
    assert_true(trip->lane.kind != LANE_NONE);
}

static void on_done(struct query *query)
{
    struct tracked *tracked = (struct tracked *)query; /* its first member */
    const uv_thread_t here = uv_thread_self();
    assert_true(uv_thread_equal(&here, &tracked->bench->thread));
    assert_int_equal(++tracked->times_done, 1);
    assert_true(!tracked->submitting || query->outcome == TRIP_REFUSED);
    assert_ptr_equal(query->source, tracked->bench->source);
    tracked->rank = ++tracked->bench->home;
    check_stamps(&query->trip);
    if (tracked->then != NULL)
        tracked->then(tracked);
}

static struct tracked *submit_then(struct bench *bench, unsigned id, unsigned ms,
                                   void (*then)(struct tracked *tracked))
{
    assert_true(bench->count < QUERIES_MAX);
    struct tracked *tracked = &bench->tracked[bench->count++];
    *tracked = (struct tracked){.bench = bench, .submitting = true, .then = then};
    tracked->query.id = id;
    tracked->query.ms = ms;
    tracked->query.done = on_done;
    tracked->query.owner = tracked;
    slow_io_submit(bench->slow_io, bench->source, &tracked->query);
    tracked->submitting = false;
    return tracked;
}

static struct tracked *submit(struct bench *bench, unsigned id, unsigned ms)
{
    return submit_then(bench, id, ms, NULL);
}

/* ------------------------------------------------------------------ every source */

static void test_answers(void **state)
{
    struct bench *bench = bench_open(*state, 4, 10);
    struct tracked *tracked = submit(bench, 7, 1);
    assert_int_equal(tracked->times_done, 0);
    run_until(bench, tracked);
    assert_int_equal(tracked->query.outcome, TRIP_SUCCEEDED);
    assert_int_equal(tracked->query.error, 0);
    if (strcmp(*state, "sqlite") == 0)
        assert_string_equal(tracked->query.name, "User 7");
    else
        assert_string_equal(tracked->query.name, "");
    bench_close(bench);
}

/* The loop is free meanwhile: the shorter wait is home first although it began last. */
static void test_waits_for_nobody(void **state)
{
    struct bench *bench = bench_open(*state, 4, 10);
    struct tracked *for_ever = submit(bench, 1, FOR_EVER_MS), *at_once = submit(bench, 2, 0);
    run_until(bench, at_once);
    assert_int_equal(at_once->query.outcome, TRIP_SUCCEEDED);
    assert_int_equal(for_ever->times_done, 0);
    bench_close(bench);
    /* …and slow_io_stop, in there, has not waited for the longer one either. */
}

static void test_takes_its_time(void **state)
{
    struct bench *bench = bench_open(*state, 4, 10);
    struct tracked *tracked = submit(bench, 1, 20);
    run_until(bench, tracked);
    /* A loop's timers count whole milliseconds from the start of the loop's turn. */
    double least = strcmp(*state, "timer") == 0 ? 15 : 20;
    assert_true(trip_run_ms(&tracked->query.trip) >= least);
    bench_close(bench);
}

/* A callback has held the loop for longer than the query takes, and the loop's clock is as old. */
static void test_takes_its_time_behind_a_block(void **state)
{
    struct bench *bench = bench_open(*state, 4, 10);
    uv_update_time(&bench->loop);
    uv_sleep(40);
    struct tracked *tracked = submit(bench, 1, 20);
    run_until(bench, tracked);
    assert_true(trip_run_ms(&tracked->query.trip) >= 18);
    bench_close(bench);
}

static void test_cancel_at_once_and_twice(void **state)
{
    struct bench *bench = bench_open(*state, 4, 10);
    struct tracked *tracked = submit(bench, 1, FOR_EVER_MS);
    slow_io_cancel(&tracked->query);
    if (tracked->times_done == 0)
        slow_io_cancel(&tracked->query);
    run_until(bench, tracked);
    assert_int_equal(tracked->query.outcome, TRIP_CANCELLED);
    bench_close(bench);
}

static void test_cancel_while_running(void **state)
{
    struct bench *bench = bench_open(*state, 4, 10);
    struct tracked *tracked = submit(bench, 1, FOR_EVER_MS);
    run_until(bench, submit(bench, 2, 0));
    slow_io_cancel(&tracked->query);
    run_until(bench, tracked);
    assert_int_equal(tracked->query.outcome, TRIP_CANCELLED);
    assert_true(tracked->query.trip.started_ns > 0);
    run_until(bench, submit(bench, 3, 0)); /* its place is free again, and not interrupted */
    assert_int_equal(bench->tracked[2].query.outcome, TRIP_SUCCEEDED);
    bench_close(bench);
}

static void submit_the_next(struct tracked *tracked)
{
    if (tracked->bench->count < 20)
        submit_then(tracked->bench, 1, 0, submit_the_next);
}

static void test_one_that_comes_home_sends_the_next(void **state)
{
    struct bench *bench = bench_open(*state, 1, 0);
    submit_then(bench, 1, 0, submit_the_next);
    while (bench->home < 20)
        uv_run(&bench->loop, UV_RUN_ONCE);
    for (unsigned i = 0; i < 20; i++)
        assert_int_equal(bench->tracked[i].query.outcome, TRIP_SUCCEEDED);
    bench_close(bench);
}

static void stop_all(struct tracked *tracked)
{
    if (!tracked->bench->stopped) {
        tracked->bench->stopped = true;
        slow_io_stop(tracked->bench->slow_io);
    }
}

static void test_stop_when_one_comes_home(void **state)
{
    struct bench *bench = bench_open(*state, 2, 10);
    submit_then(bench, 1, 0, stop_all);
    for (unsigned i = 0; i < 6; i++)
        submit_then(bench, 1, FOR_EVER_MS, stop_all);
    run_until_all_are_home(bench);
    bench_close(bench);
}

static void test_stop_without_a_query(void **state)
{
    bench_close(bench_open(*state, 4, 10));
}

static void test_stop_with_queries_out(void **state)
{
    struct bench *bench = bench_open(*state, 3, 10);
    for (unsigned i = 0; i < 10; i++)
        submit(bench, i + 1, FOR_EVER_MS);
    slow_io_stop(bench->slow_io);
    bench->stopped = true;
    run_until_all_are_home(bench);
    for (unsigned i = 0; i < 10; i++)
        assert_int_equal(bench->tracked[i].query.outcome, TRIP_CANCELLED);
    bench_close(bench);
}

static void test_many_cancelled_at_random(void **state)
{
    struct bench *bench = bench_open(*state, 3, 30);
    uint64_t random = random_seed();
    while (bench->count < QUERIES_MAX) {
        submit(bench, 1 + random_below(&random, QUERY_USERS), random_below(&random, 2));
        struct tracked *tracked = &bench->tracked[random_below(&random, bench->count)];
        if (random_below(&random, 3) == 0 && tracked->times_done == 0)
            slow_io_cancel(&tracked->query);
        if (random_below(&random, 5) == 0)
            uv_run(&bench->loop, UV_RUN_NOWAIT);
        if (random_below(&random, 60) == 0)
            run_until(bench, &bench->tracked[random_below(&random, bench->count)]);
    }
    bench_close(bench);
}

/* ------------------------------------------------------------------ the database */

/* Two queries are in the database while a third comes and goes; neither is in a queue. */
static void test_connections_wait_at_the_same_time(void **state)
{
    (void)state;
    struct bench *bench = bench_open("sqlite", 3, 0);
    struct tracked *one = submit(bench, 1, FOR_EVER_MS), *two = submit(bench, 2, FOR_EVER_MS);
    run_until(bench, submit(bench, 3, 0));
    assert_int_equal(one->times_done + two->times_done, 0);
    slow_io_cancel(&one->query);
    slow_io_cancel(&two->query);
    run_until_all_are_home(bench);
    assert_int_equal(one->query.trip.lane.kind, LANE_POOL);
    assert_true(one->query.trip.started_ns > 0 && two->query.trip.started_ns > 0);
    assert_true(one->query.trip.lane.number != two->query.trip.lane.number);
    bench_close(bench);
}

/* Whoever makes the database must not need it for itself: the other may be reading it for long. */
static void test_two_connections_find_it_new(void **state)
{
    (void)state;
    for (int round = 0; round < 30; round++) {
        struct bench *bench = bench_open("sqlite", 2, 0);
        struct tracked *for_ever = submit(bench, 1, FOR_EVER_MS), *at_once = submit(bench, 2, 0);
        run_until(bench, at_once);
        assert_int_equal(at_once->query.outcome, TRIP_SUCCEEDED);
        assert_int_equal(for_ever->times_done, 0);
        bench_close(bench);
    }
}

static void test_waits_for_a_connection_in_order(void **state)
{
    (void)state;
    struct bench *bench = bench_open("sqlite", 1, 10);
    for (unsigned i = 0; i < 5; i++)
        submit(bench, i + 1, 1);
    run_until_all_are_home(bench);
    for (unsigned i = 0; i < 5; i++) {
        assert_int_equal(bench->tracked[i].query.outcome, TRIP_SUCCEEDED);
        assert_int_equal(bench->tracked[i].rank, i + 1);
    }
    bench_close(bench);
}

static void test_cancel_while_waiting_for_a_connection(void **state)
{
    (void)state;
    struct bench *bench = bench_open("sqlite", 1, 10);
    struct tracked *running = submit(bench, 1, FOR_EVER_MS), *waiting[3];
    for (unsigned i = 0; i < 3; i++)
        waiting[i] = submit(bench, 2 + i, 0);
    slow_io_cancel(&waiting[2]->query); /* the last, then one that is not */
    slow_io_cancel(&waiting[0]->query);
    assert_int_equal(waiting[0]->times_done + waiting[2]->times_done, 2);
    assert_int_equal(waiting[0]->query.outcome, TRIP_CANCELLED);
    assert_int_equal(waiting[0]->query.trip.started_ns, 0);
    struct tracked *last = submit(bench, 9, 0);
    slow_io_cancel(&running->query);
    run_until(bench, last);
    assert_int_equal(waiting[1]->query.outcome, TRIP_SUCCEEDED);
    assert_string_equal(last->query.name, "User 9");
    bench_close(bench);
}

/* Work that keeps libuv's pool busy until the test says otherwise. */
struct blockade {
    uv_work_t work[POOL_THREADS];
    uv_sem_t end;
};

static void wait_for_the_end(uv_work_t *work)
{
    uv_sem_wait(work->data);
}

static void block_pool(struct blockade *blockade, uv_loop_t *loop)
{
    uv_sem_init(&blockade->end, 0);
    for (unsigned i = 0; i < POOL_THREADS; i++) {
        blockade->work[i].data = &blockade->end;
        uv_queue_work(loop, &blockade->work[i], wait_for_the_end, NULL);
    }
}

static void test_cancel_while_queued_in_the_pool(void **state)
{
    (void)state;
    struct blockade blockade;
    struct bench *bench = bench_open("sqlite", 2, 0);
    block_pool(&blockade, &bench->loop);
    struct tracked *tracked = submit(bench, 1, FOR_EVER_MS);
    slow_io_cancel(&tracked->query);
    assert_int_equal(tracked->times_done, 0);
    slow_io_cancel(&tracked->query);
    run_until(bench, tracked);
    assert_int_equal(tracked->query.outcome, TRIP_CANCELLED);
    assert_int_equal(tracked->query.trip.started_ns, 0);
    for (unsigned i = 0; i < POOL_THREADS; i++)
        uv_sem_post(&blockade.end);
    bench_close(bench);
    uv_sem_destroy(&blockade.end);
}

static void test_a_full_queue_refuses_the_surplus(void **state)
{
    (void)state;
    for (unsigned max_queue = 0; max_queue < 3; max_queue++) {
        struct bench *bench = bench_open("sqlite", 2, max_queue);
        for (unsigned i = 0; i < 2 + max_queue; i++)
            assert_int_equal(submit(bench, 1, FOR_EVER_MS)->times_done, 0);
        struct tracked *surplus = submit(bench, 1, 0);
        assert_int_equal(surplus->times_done, 1);
        assert_int_equal(surplus->query.outcome, TRIP_REFUSED);
        assert_int_equal(surplus->query.error, UV_ENOBUFS);
        bench_close(bench);
    }
}

static void test_a_database_that_cannot_be_opened(void **state)
{
    (void)state;
    struct bench *bench = bench_open_at("sqlite", "no/such/folder/offloop.db", 2, 10);
    struct tracked *tracked = submit(bench, 1, 0);
    run_until(bench, tracked);
    assert_int_equal(tracked->query.outcome, TRIP_FAILED);
    assert_non_null(strstr(tracked->query.problem, "unable to open database file"));
    bench_close(bench);
}

static void test_a_file_that_is_no_database(void **state)
{
    (void)state;
    struct bench *bench = bench_open("sqlite", 2, 10);
    FILE *file = fopen(bench->database, "w");
    assert_non_null(file);
    for (int i = 0; i < 100; i++)
        fprintf(file, "These lines are not a database.\n");
    fclose(file);
    struct tracked *one = submit(bench, 1, 0), *two = submit(bench, 1, 0);
    run_until_all_are_home(bench);
    assert_int_equal(one->query.outcome, TRIP_FAILED);
    assert_int_equal(two->query.outcome, TRIP_FAILED);
    assert_non_null(strstr(one->query.problem, "not a database"));
    bench_close(bench);
}

/* Somebody else holds the database, for as long as the test likes. */
static sqlite3 *lock_database(struct bench *bench)
{
    sqlite3 *other = NULL;
    run_until(bench, submit(bench, 1, 0)); /* it is made */
    assert_int_equal(sqlite3_open(bench->database, &other), SQLITE_OK);
    assert_int_equal(sqlite3_exec(other, "BEGIN EXCLUSIVE", NULL, NULL, NULL), SQLITE_OK);
    return other;
}

static void do_nothing(uv_work_t *work)
{
    (void)work;
}

static void on_nothing_done(uv_work_t *work, int status)
{
    (void)status;
    *(bool *)work->data = true;
}

/* What was given to the pool before this has a thread. */
static void await_the_pool(struct bench *bench)
{
    bool done = false;
    uv_work_t work = {.data = &done};
    assert_int_equal(uv_queue_work(&bench->loop, &work, do_nothing, on_nothing_done), 0);
    while (!done)
        uv_run(&bench->loop, UV_RUN_ONCE);
}

static void test_cancel_while_the_database_is_locked(void **state)
{
    (void)state;
    struct bench *bench = bench_open("sqlite", 2, 10);
    sqlite3 *other = lock_database(bench);
    struct tracked *open = submit(bench, 1, 0), *closed = submit(bench, 2, 0);
    await_the_pool(bench);
    slow_io_cancel(&open->query);
    slow_io_cancel(&closed->query);
    run_until_all_are_home(bench);
    assert_int_equal(open->query.outcome, TRIP_CANCELLED);
    assert_int_equal(closed->query.outcome, TRIP_CANCELLED);
    sqlite3_close(other);
    for (int i = 0; i < 2; i++)
        run_until(bench, submit(bench, 3, 0));
    assert_int_equal(bench->tracked[4].query.outcome, TRIP_SUCCEEDED);
    bench_close(bench);
}

static void test_a_lock_that_stays_fails_the_query(void **state)
{
    (void)state;
    struct bench *bench = bench_open("sqlite", 1, 10);
    sqlite3 *other = lock_database(bench);
    struct tracked *tracked = submit(bench, 1, 0);
    run_until(bench, tracked);
    assert_int_equal(tracked->query.outcome, TRIP_FAILED);
    assert_int_equal(tracked->query.error, -EBUSY);
    assert_non_null(strstr(tracked->query.problem, bench->database));
    sqlite3_close(other);
    bench_close(bench);
}

/* A crowd that leaves, the last ones first. If each had to be looked for from the front, that would
 * be 20 thousand million steps: minutes of this thread's time. */
static void test_many_that_wait_are_cancelled_from_behind(void **state)
{
    enum { CROWD = 200000, LIMIT_SECONDS = 10 };
    (void)state;
    struct bench *bench = bench_open("sqlite", 1, CROWD);
    struct tracked *crowd = calloc(CROWD, sizeof *crowd), *running = submit(bench, 1, FOR_EVER_MS);
    assert_non_null(crowd);
    for (size_t i = 0; i < CROWD; i++) {
        crowd[i] = (struct tracked){.bench = bench, .query = {.id = 1, .done = on_done}};
        slow_io_submit(bench->slow_io, bench->source, &crowd[i].query);
    }
    clock_t before = clock();
    for (size_t i = CROWD; i-- > 0;) {
        slow_io_cancel(&crowd[i].query);
        assert_int_equal(crowd[i].query.outcome, TRIP_CANCELLED);
    }
    assert_true((clock() - before) / CLOCKS_PER_SEC < LIMIT_SECONDS);
    slow_io_cancel(&running->query);
    run_until(bench, submit(bench, 2, 0));
    bench_close(bench);
    free(crowd);
}

/* ------------------------------------------------------------------ the table */

static void test_table(void **state)
{
    (void)state;
    assert_string_equal(source_names(), "sqlite, timer");
    assert_string_equal(source_name(source_at(0)), "sqlite");
    assert_ptr_equal(source_find("timer"), source_at(1));
    assert_null(source_at(2));
    assert_null(source_find("telepathy"));
    for (size_t i = 0; source_at(i) != NULL; i++)
        assert_true(strlen(source_help(source_at(i))) > 0);
}

static int run_contract(const char *source)
{
    char name[64];
    struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_waits_for_nobody),
        cmocka_unit_test(test_takes_its_time),
        cmocka_unit_test(test_takes_its_time_behind_a_block),
        cmocka_unit_test(test_cancel_at_once_and_twice),
        cmocka_unit_test(test_cancel_while_running),
        cmocka_unit_test(test_one_that_comes_home_sends_the_next),
        cmocka_unit_test(test_stop_when_one_comes_home),
        cmocka_unit_test(test_stop_without_a_query),
        cmocka_unit_test(test_stop_with_queries_out),
        cmocka_unit_test(test_many_cancelled_at_random),
    };
    snprintf(name, sizeof name, "%s", source);
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++)
        tests[i].initial_state = name;
    return cmocka_run_group_tests_name(name, tests, NULL, NULL);
}

static int run_database(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_connections_wait_at_the_same_time),
        cmocka_unit_test(test_two_connections_find_it_new),
        cmocka_unit_test(test_waits_for_a_connection_in_order),
        cmocka_unit_test(test_cancel_while_waiting_for_a_connection),
        cmocka_unit_test(test_cancel_while_queued_in_the_pool),
        cmocka_unit_test(test_cancel_while_the_database_is_locked),
        cmocka_unit_test(test_a_lock_that_stays_fails_the_query),
        cmocka_unit_test(test_many_that_wait_are_cancelled_from_behind),
        cmocka_unit_test(test_a_full_queue_refuses_the_surplus),
        cmocka_unit_test(test_a_database_that_cannot_be_opened),
        cmocka_unit_test(test_a_file_that_is_no_database),
    };
    return cmocka_run_group_tests_name("the database", tests, NULL, NULL);
}

int main(void)
{
    int failed = 0;
    harness_prepare_process();
    setenv("UV_THREADPOOL_SIZE", "4", 1); /* POOL_THREADS */
    for (size_t i = 0; source_at(i) != NULL; i++)
        failed += run_contract(source_name(source_at(i)));
    return failed + run_database();
}
