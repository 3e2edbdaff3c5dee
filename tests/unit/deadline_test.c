/* deadline_test.c – jobs come up in the order of their deadlines, when these have passed and not
 * before, and one timer is enough for all. */
#include "server/offload/deadline.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/harness.h"
#include "tests/support/random.h"

enum { JOBS = 400, MS = 1000000 };

struct bench {
    uv_loop_t loop;
    struct deadlines deadlines;
    struct job jobs[JOBS];
    unsigned due, times_due[JOBS];
    uint64_t last_ns;
};

static void on_due(struct job *job)
{
    struct bench *bench = job->owner;
    assert_true(job->deadline_ns <= trip_clock_ns());
    assert_true(bench->last_ns <= job->deadline_ns);
    bench->last_ns = job->deadline_ns;
    bench->times_due[job - bench->jobs]++;
    bench->due++;
}

static struct bench *bench_open(void)
{
    struct bench *bench = calloc(1, sizeof *bench);
    assert_non_null(bench);
    assert_int_equal(uv_loop_init(&bench->loop), 0);
    deadlines_init(&bench->deadlines, &bench->loop, on_due);
    return bench;
}

static void bench_close(struct bench *bench)
{
    assert_int_equal(uv_run(&bench->loop, UV_RUN_DEFAULT), 0); /* ends when nothing is kept */
    deadlines_close(&bench->deadlines);
    deadlines_close(&bench->deadlines);
    uv_run(&bench->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&bench->loop), 0);
    free(bench);
}

static void add(struct bench *bench, unsigned i, uint64_t deadline_ns)
{
    bench->jobs[i].owner = bench;
    bench->jobs[i].deadline_ns = deadline_ns;
    deadlines_add(&bench->deadlines, &bench->jobs[i]);
}

static void test_without_a_job_there_is_nothing_to_wait_for(void **state)
{
    struct bench *bench = bench_open();
    (void)state;
    assert_false(uv_is_active((uv_handle_t *)&bench->deadlines.timer));
    add(bench, 0, trip_clock_ns() + UINT64_C(3600000) * MS);
    assert_true(uv_is_active((uv_handle_t *)&bench->deadlines.timer));
    deadlines_remove(&bench->deadlines, &bench->jobs[0]);
    deadlines_remove(&bench->deadlines, &bench->jobs[0]); /* it is not kept any more */
    assert_false(uv_is_active((uv_handle_t *)&bench->deadlines.timer));
    bench_close(bench);
}

/* The timer is set for the nearest, whichever comes first. */
static void test_a_nearer_deadline_comes_later(void **state)
{
    struct bench *bench = bench_open();
    uint64_t now_ns = trip_clock_ns();
    (void)state;
    add(bench, 0, now_ns + UINT64_C(3600000) * MS);
    add(bench, 1, now_ns + 5 * MS);
    while (bench->due == 0)
        uv_run(&bench->loop, UV_RUN_ONCE);
    assert_int_equal(bench->times_due[1], 1);
    assert_int_equal(bench->times_due[0], 0);
    deadlines_remove(&bench->deadlines, &bench->jobs[0]);
    bench_close(bench);
}

/* Many at random, equal ones among them, some of which leave before they are due. */
static void test_they_are_due_in_order(void **state)
{
    struct bench *bench = bench_open();
    uint64_t random = random_seed(), now_ns = trip_clock_ns();
    bool left[JOBS] = {false};
    (void)state;
    for (unsigned i = 0; i < JOBS; i++) {
        add(bench, i, now_ns + random_below(&random, 30) * MS);
        if (random_below(&random, 3) > 0)
            continue;
        unsigned leaver = (unsigned)random_below(&random, i + 1);
        deadlines_remove(&bench->deadlines, &bench->jobs[leaver]);
        left[leaver] = true;
    }
    assert_int_equal(uv_run(&bench->loop, UV_RUN_DEFAULT), 0);
    for (unsigned i = 0; i < JOBS; i++)
        assert_int_equal(bench->times_due[i], left[i] ? 0 : 1);
    bench_close(bench);
}

/* A loop that was held up finds all that is overdue at once. */
static void test_overdue(void **state)
{
    struct bench *bench = bench_open();
    (void)state;
    for (unsigned i = 0; i < 3; i++)
        add(bench, i, 3 - i);
    assert_int_equal(bench->due, 0); /* not from within deadlines_add */
    assert_int_equal(uv_run(&bench->loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(bench->due, 3);
    bench_close(bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_without_a_job_there_is_nothing_to_wait_for),
        cmocka_unit_test(test_a_nearer_deadline_comes_later),
        cmocka_unit_test(test_they_are_due_in_order),
        cmocka_unit_test(test_overdue),
    };
    harness_prepare_process();
    return cmocka_run_group_tests_name("deadline", tests, NULL, NULL);
}
