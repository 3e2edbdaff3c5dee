/* overload_test.c – more work than there are lanes: what has no place is told so at once, and all
 * the rest is done. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/harness.h"

enum { CROWD = 100 };

static void assert_queue_is_full(const struct answer *answer, const char *what)
{
    assert_problem(answer, 503, "the queue is full", what, NULL);
    assert_string_equal(answer_field(answer, "Retry-After"), "1");
    assert_string_equal(answer_field(answer, "Cache-Control"), "no-store");
}

/* So many requests, each on a connection of its own, are in the server's hands. */
static void fill(struct harness *harness, struct app *app, const char *target, unsigned places)
{
    for (unsigned i = 0; i < places; i++) {
        client_get(harness_client(harness, app), target);
        harness_get(harness, app, "/fast"); /* the server has it now */
    }
}

static void check_full_queue(const char *strategy, unsigned places, const char *option)
{
    struct harness harness;
    char target[100], path[100];
    struct app *app = harness_with(&harness, "--workers=1", "--max-queue=1", option, NULL);
    snprintf(target, sizeof target, "/heavy?kernel=sleep&n=60000&offload=%s", strategy);
    fill(&harness, app, target, places);
    snprintf(path, sizeof path, "jobs/%s/submitted", strategy);
    harness_await_health(&harness, app, path, places);
    assert_queue_is_full(harness_get(&harness, app, target), "the job");
    snprintf(path, sizeof path, "jobs/%s/refused", strategy);
    assert_int_equal((int)harness_health(&harness, app, path), 1);
    assert_int_equal(harness_get(&harness, app, "/heavy?kernel=primes&n=10")->status, 200);
    harness_close(&harness);
}

static void test_a_full_queue_of_jobs(void **state)
{
    (void)state;
    check_full_queue("worker", 2, NULL);
    check_full_queue("worker", 2, "--worker-per-request");
    check_full_queue("threadpool", 5, "--threadpool-size=4");
}

static void test_a_full_queue_of_queries(void **state)
{
    struct harness harness;
    (void)state;
    struct app *app = harness_with(&harness, "--max-queue=1", "--database-connections=1", NULL);
    fill(&harness, app, "/slow?ms=60000", 2);
    assert_queue_is_full(harness_get(&harness, app, "/slow?ms=0"), "the query");
    assert_int_equal(harness_get(&harness, app, "/slow?ms=0&via=timer")->status, 200);
    harness_close(&harness);
}

/* A crowd at once: every client gets an answer, and the books agree with what they got. */
static void test_a_crowd(void **state)
{
    struct harness harness;
    struct client *clients[CROWD];
    unsigned served = 0, refused = 0;
    (void)state;
    struct app *app = harness_with(&harness, "--workers=2", "--max-queue=3", NULL);
    for (int i = 0; i < CROWD; i++) {
        clients[i] = harness_client(&harness, app);
        client_get(clients[i], "/heavy?kernel=sleep&n=5&offload=worker");
    }
    for (int i = 0; i < CROWD; i++) {
        const struct answer *answer = client_await(clients[i], 1);
        assert_non_null(answer);
        served += answer->status == 200;
        refused += answer->status == 503;
    }
    assert_int_equal(served + refused, CROWD);
    assert_true(served >= 5);
    assert_int_equal((int)harness_health(&harness, app, "jobs/worker/succeeded"), (int)served);
    assert_int_equal((int)harness_health(&harness, app, "jobs/worker/refused"), (int)refused);
    harness_close(&harness);
}

/* On the loop nobody is refused, because nobody is seen to wait. */
static void test_a_crowd_on_the_loop(void **state)
{
    struct harness harness;
    struct client *clients[CROWD];
    (void)state;
    struct app *app = harness_with(&harness, "--offload=none", "--max-queue=0", NULL);
    for (int i = 0; i < CROWD; i++) {
        clients[i] = harness_client(&harness, app);
        client_get(clients[i], "/heavy?kernel=primes&n=1000");
    }
    for (int i = 0; i < CROWD; i++)
        assert_int_equal(client_await(clients[i], 1)->status, 200);
    harness_close(&harness);
}

static void test_a_database_that_cannot_be_used(void **state)
{
    struct harness harness;
    (void)state;
    struct app *app = harness_with(&harness, "--database=/dev/null/offloop.db", NULL);
    const struct answer *answer = harness_get(&harness, app, "/slow?ms=0");
    assert_problem(answer, 500, "the query failed: the database cannot be used", NULL);
    assert_int_equal(harness_get(&harness, app, "/fast")->status, 200);
    harness_close(&harness);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_full_queue_of_jobs),
        cmocka_unit_test(test_a_full_queue_of_queries),
        cmocka_unit_test(test_a_crowd),
        cmocka_unit_test(test_a_crowd_on_the_loop),
        cmocka_unit_test(test_a_database_that_cannot_be_used),
    };
    harness_prepare_process();
    return cmocka_run_group_tests_name("overload", tests, NULL, NULL);
}
