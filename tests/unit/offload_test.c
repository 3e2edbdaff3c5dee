/* offload_test.c – what is beside the strategies: their table, the queue that they share, and that
 * each has its own books. How jobs go out and come back is held by strategy_contract_test.c. */
#include "server/offload/offload.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <uv.h>

#include <cmocka.h>

#include "server/offload/strategy.h"
#include "tests/support/harness.h"

/* ------------------------------------------------------------------ the table */

static void test_table(void **state)
{
    size_t count = 0;
    (void)state;
    for (; strategy_at(count) != NULL; count++) {
        const struct strategy *strategy = strategy_at(count);
        assert_ptr_equal(strategy_find(strategy_name(strategy)), strategy);
        assert_non_null(strstr(strategy_names(), strategy_name(strategy)));
        assert_true(strlen(strategy_help(strategy)) > 0);
    }
    assert_null(strategy_at(count + 1));
    assert_string_equal(strategy_name(strategy_at(0)), "none"); /* the default */
    assert_memory_equal(strategy_names(), "none, ", 6);
    assert_null(strategy_find("Worker"));
    assert_null(strategy_find(""));
}

/* ------------------------------------------------------------------ the queue */

static void assert_order(struct job_queue *queue, struct job *jobs, const char *order)
{
    for (; *order != '\0'; order++)
        assert_ptr_equal(job_queue_pop(queue), &jobs[*order - '0']);
    assert_null(job_queue_pop(queue));
    assert_null(queue->last);
}

static void fill(struct job_queue *queue, struct job *jobs, int count)
{
    *queue = (struct job_queue){NULL, NULL};
    for (int i = 0; i < count; i++)
        job_queue_push(queue, &jobs[i]);
}

static void test_a_queue_keeps_its_order(void **state)
{
    struct job jobs[4] = {0};
    struct job_queue queue;
    (void)state;
    fill(&queue, jobs, 0);
    assert_order(&queue, jobs, "");
    fill(&queue, jobs, 4);
    assert_order(&queue, jobs, "0123");
}

static void test_jobs_leave_a_queue_anywhere(void **state)
{
    static const char *const orders[] = {"123", "023", "013", "012"};
    struct job jobs[4] = {0};
    struct job_queue queue;
    (void)state;
    for (int i = 0; i < 4; i++) {
        fill(&queue, jobs, 4);
        job_queue_remove(&queue, &jobs[i]);
        assert_order(&queue, jobs, orders[i]);
    }
    fill(&queue, jobs, 1);
    job_queue_remove(&queue, &jobs[0]);
    job_queue_push(&queue, &jobs[1]);
    assert_order(&queue, jobs, "1");
}

/* ------------------------------------------------------------------ books */

static void count_home(struct job *job)
{
    ++*(unsigned *)job->owner;
}

static void test_every_strategy_has_its_own_books_and_queue(void **state)
{
    enum { JOBS_MAX = 16 };
    uv_loop_t loop;
    struct offload *offload;
    struct job jobs[JOBS_MAX] = {0};
    unsigned home = 0, count = 0;
    char program[4096];
    const struct offload_options options = {.threadpool_size = 4,
                                            .workers = 1,
                                            .slice_ms = 1,
                                            .processes = 1,
                                            .kernel_program = program};
    (void)state;
    harness_kernel_program(program, sizeof program);
    uv_loop_init(&loop);
    assert_int_equal(offload_new(&offload, &loop, &options), 0);
    for (size_t i = 0; i < JOBS_MAX && strategy_at(i) != NULL; i++, count++) {
        jobs[i].kernel = kernel_find("primes");
        kernel_arguments_init(&jobs[i].arguments, jobs[i].kernel);
        jobs[i].arguments.values[0] = 100;
        jobs[i].done = count_home;
        jobs[i].owner = &home;
        offload_submit(offload, strategy_at(i), &jobs[i]);
    }
    while (home < count)
        uv_run(&loop, UV_RUN_ONCE);
    for (size_t i = 0; i < count; i++) {
        const struct offload_counters *counters = offload_counters(offload, strategy_at(i));
        assert_int_equal(counters->submitted, 1);
        assert_int_equal(counters->succeeded, 1);
        assert_ptr_equal(jobs[i].strategy, strategy_at(i));
        job_close(&jobs[i]);
    }
    offload_stop(offload);
    uv_run(&loop, UV_RUN_DEFAULT);
    offload_free(offload);
    assert_int_equal(uv_loop_close(&loop), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_a_queue_keeps_its_order),
        cmocka_unit_test(test_jobs_leave_a_queue_anywhere),
        cmocka_unit_test(test_every_strategy_has_its_own_books_and_queue),
    };
    harness_prepare_process();
    return cmocka_run_group_tests_name("offload", tests, NULL, NULL);
}
