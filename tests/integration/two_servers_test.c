/* two_servers_test.c – there is no global: two servers live on one loop, or on two threads, and
 * know nothing of each other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/harness.h"

static void test_each_has_its_own_options_and_counters(void **state)
{
    struct harness harness;
    (void)state;
    struct app *one = harness_with(&harness, "--offload=none", NULL);
    struct app *two = harness_start(&harness, "--offload=worker", "--workers=1", NULL);
    assert_true(app_port(one) != app_port(two));
    const struct answer *answer = harness_get(&harness, one, "/heavy?kernel=primes&n=100");
    assert_answer_text(answer, "strategy", "none");
    for (int i = 0; i < 2; i++) {
        answer = harness_get(&harness, two, "/heavy?kernel=primes&n=100");
        assert_answer_text(answer, "strategy", "worker");
        assert_answer_text(answer, "lane", "worker 1");
    }
    assert_int_equal((int)harness_health(&harness, one, "jobs/none/succeeded"), 1);
    assert_int_equal((int)harness_health(&harness, one, "jobs/worker/succeeded"), 0);
    assert_int_equal((int)harness_health(&harness, two, "jobs/none/succeeded"), 0);
    assert_int_equal((int)harness_health(&harness, two, "jobs/worker/succeeded"), 2);
    harness_close(&harness);
}

/* A job that one of them has out is not the other's to cancel. */
static void test_one_ends_and_the_other_goes_on(void **state)
{
    struct harness harness;
    (void)state;
    struct app *one = harness_with(&harness, "--workers=1", NULL);
    struct app *two = harness_start(&harness, "--workers=1", NULL);
    struct client *client = harness_client(&harness, two);
    client_get(client, "/heavy?kernel=sleep&n=50&offload=worker");
    harness_await_health(&harness, two, "jobs/worker/submitted", 1);
    unsigned port = app_port(one);
    app_drain(one);
    struct client *late = client_open(&harness.clients, port);
    client_await_end(late);
    assert_int_equal(late->error, UV_ECONNREFUSED);
    assert_int_equal(client_await(client, 1)->status, 200);
    assert_answer_text(harness_get(&harness, two, "/slow?ms=0&id=5"), "user/name", "User 5");
    harness_close(&harness);
}

/* They share libuv's pool and, here, even a database. */
static void test_both_share_what_belongs_to_the_process(void **state)
{
    struct harness harness;
    struct client *clients[20];
    (void)state;
    harness_open(&harness);
    harness_start(&harness, NULL);
    harness_start(&harness, NULL);
    for (int i = 0; i < 20; i++) {
        clients[i] = harness_client(&harness, harness.apps[i % 2]);
        client_get(clients[i], i % 4 < 2 ? "/slow?ms=2" : "/heavy?ms=1&offload=threadpool");
    }
    for (int i = 0; i < 20; i++)
        assert_int_equal(client_await(clients[i], 1)->status, 200);
    harness_close(&harness);
}

/* ------------------------------------------------------------------ on two threads */

static void use_a_server(void *data)
{
    static const char *const targets[] = {
        "/fast",
        "/",
        "/healthz",
        "/nowhere",
        "/slow?ms=1",
        "/slow?ms=1&via=timer",
        "/heavy?kernel=primes&n=1000&offload=none",
        "/heavy?kernel=primes&n=1000&offload=sliced",
        "/heavy?ms=1&offload=threadpool",
        "/heavy?ms=1&offload=worker",
        "/heavy?kernel=mandelbrot&n=32&format=png&offload=worker",
    };
    struct harness harness;
    unsigned *answers = data;
    struct app *app = harness_with(&harness, "--workers=1", NULL);
    for (int round = 0; round < 5; round++) {
        for (size_t i = 0; i < sizeof targets / sizeof *targets; i++)
            *answers += harness_get(&harness, app, targets[i])->status < 500;
    }
    harness_close(&harness);
}

static void test_on_two_threads(void **state)
{
    uv_thread_t threads[2];
    unsigned answers[2] = {0, 0};
    (void)state;
    for (int i = 0; i < 2; i++)
        assert_int_equal(uv_thread_create(&threads[i], use_a_server, &answers[i]), 0);
    for (int i = 0; i < 2; i++)
        uv_thread_join(&threads[i]);
    assert_int_equal(answers[0], 55);
    assert_int_equal(answers[1], 55);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_has_its_own_options_and_counters),
        cmocka_unit_test(test_one_ends_and_the_other_goes_on),
        cmocka_unit_test(test_both_share_what_belongs_to_the_process),
        cmocka_unit_test(test_on_two_threads),
    };
    harness_prepare_process();
    return cmocka_run_group_tests_name("two_servers", tests, NULL, NULL);
}
