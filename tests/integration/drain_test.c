/* drain_test.c – the end of a server: nothing new is taken, what is owed is answered, what takes
 * too long is cut; and the loop is empty. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "server/options.h"
#include "tests/support/harness.h"

enum { FOR_EVER_MS = 60000 };

static void assert_closes(const struct answer *answer)
{
    assert_non_null(answer);
    assert_string_equal(answer_field(answer, "Connection"), "close");
}

static void test_idle_connections_end(void **state)
{
    struct harness harness;
    (void)state;
    struct app *app = harness_with(&harness, NULL);
    struct client *served = harness_client(&harness, app), *silent = harness_client(&harness, app);
    client_get(served, "/fast");
    assert_int_equal(client_await(served, 1)->status, 200);
    client_await_connection(silent);
    app_drain(app);
    harness_run(&harness);
    assert_true(served->ended && silent->ended);
    assert_int_equal(served->error, 0);
    assert_int_equal(served->answer_count + silent->answer_count, 1);
    harness_close(&harness);
}

static void test_nobody_new_is_let_in(void **state)
{
    struct harness harness;
    (void)state;
    struct app *app = harness_with(&harness, NULL);
    unsigned port = app_port(app);
    app_drain(app);
    struct client *client = client_open(&harness.clients, port);
    client_await_end(client);
    assert_int_equal(client->error, UV_ECONNREFUSED);
    harness_close(&harness);
}

/* The kernel has let it in, the server has not seen it yet. */
static void test_who_is_on_the_threshold_is_served(void **state)
{
    struct harness harness;
    (void)state;
    struct app *app = harness_with(&harness, NULL);
    struct client *client = harness_client(&harness, app);
    client_get(client, "/fast");
    app_drain(app);
    assert_closes(client_await(client, 1));
    client_leave(client); /* as clients do; the server would linger for one that does not */
    harness_run(&harness);
    harness_close(&harness);
}

static void check_answered(const char *target)
{
    struct harness harness;
    struct app *app = harness_with(&harness, NULL);
    struct client *client = harness_client(&harness, app);
    client_await_connection(client);
    client_get(client, target);
    harness_get(&harness, app, "/fast"); /* it is behind that, so the server has the other */
    app_drain(app);
    assert_int_equal(client->answer_count, 0);
    assert_closes(client_await(client, 1));
    assert_int_equal(client->answers[0].status, 200);
    client_await_end(client);
    assert_int_equal(client->error, 0);
    harness_close(&harness);
}

static void test_what_is_owed_is_answered(void **state)
{
    (void)state;
    check_answered("/heavy?kernel=sleep&n=50&offload=worker");
    check_answered("/heavy?kernel=sleep&n=50&offload=threadpool");
    check_answered("/slow?ms=50&via=sqlite");
    check_answered("/slow?ms=50&via=timer");
}

/* What was read is owed, even if it waits behind another answer. Only the last says good-bye. */
static void test_pipelined_requests_are_answered(void **state)
{
    struct harness harness;
    (void)state;
    struct app *app = harness_with(&harness, NULL);
    struct client *client = harness_client(&harness, app);
    client_await_connection(client);
    client_get(client, "/slow?ms=50&via=timer");
    client_get(client, "/fast");
    client_get(client, "/slow?ms=5&via=timer");
    harness_get(&harness, app, "/fast");
    app_drain(app);
    assert_closes(client_await(client, 3));
    assert_null(answer_field(&client->answers[0], "Connection"));
    client_await_end(client);
    assert_int_equal(client->error, 0);
    harness_close(&harness);
}

static struct client *half_a_request(struct harness *harness, struct app *app)
{
    struct client *client = harness_client(harness, app);
    client_send(client, "GET /fast HTTP/1.1\r\nHost: test\r\n\r\nGET /fa");
    assert_non_null(client_await(client, 1)); /* so the half was read as well */
    return client;
}

static void test_half_a_request_may_be_completed(void **state)
{
    struct harness harness;
    (void)state;
    struct app *app = harness_with(&harness, NULL);
    struct client *client = half_a_request(&harness, app);
    app_drain(app);
    client_send(client, "st HTTP/1.1\r\nHost: test\r\n\r\n");
    assert_closes(client_await(client, 2));
    harness_close(&harness);
}

/* Neither a half request nor a job that does not end holds the server for longer than it allows. */
static void test_what_takes_too_long_is_cut(void **state)
{
    struct harness harness;
    static const char *const targets[] = {
        "/heavy?kernel=sleep&n=60000&offload=worker",
        "/heavy?kernel=sleep&n=60000&offload=worker", /* there is one worker: this one waits */
        "/heavy?kernel=sleep&n=60000&offload=threadpool",
        "/slow?ms=60000&via=sqlite",
        "/slow?ms=60000&via=timer",
    };
    (void)state;
    struct app *app = harness_with(&harness, "--drain-timeout=20", "--workers=1", NULL);
    for (size_t i = 0; i < sizeof targets / sizeof *targets; i++)
        client_get(harness_client(&harness, app), targets[i]);
    struct client *half = half_a_request(&harness, app);
    harness_await_health(&harness, app, "jobs/threadpool/submitted", 1);
    uint64_t before_ns = uv_hrtime();
    app_drain(app);
    harness_run(&harness);
    for (struct client *client = harness.clients.first; client != NULL; client = client->next) {
        assert_true(client->ended);
        assert_true(client == half || client->answer_count == 0 ||
                    client->answers[0].status == 200);
    }
    /* Had they been left to run, this would have been as long as they. */
    assert_true(uv_hrtime() - before_ns < FOR_EVER_MS / 2 * UINT64_C(1000000));
    harness_close(&harness);
}

static void block_and_drain(uv_check_t *check)
{
    enum { DRAIN_TIMEOUT_US = 500 * 1000 };
    uv_check_stop(check);
    usleep(DRAIN_TIMEOUT_US + DRAIN_TIMEOUT_US / 5);
    app_drain(check->data);
}

/* The time that it has begins when it is told so, however long the loop was blocked before: what is
 * done by then gets out. */
static void test_the_time_of_a_drain_begins_with_it(void **state)
{
    struct harness harness;
    uv_check_t check;
    (void)state;
    struct app *app = harness_with(&harness, "--drain-timeout=500", NULL);
    struct client *client = harness_client(&harness, app);
    client_get(client, "/heavy?kernel=sleep&n=1&offload=worker");
    harness_await_health(&harness, app, "jobs/worker/submitted", 1);
    uv_check_init(&harness.loop, &check);
    check.data = app;
    if (client->answer_count == 0)
        uv_check_start(&check, block_and_drain);
    assert_non_null(client_await(client, 1));
    assert_int_equal(client->answers[0].status, 200);
    uv_close((uv_handle_t *)&check, NULL);
    app_drain(app);
    client_leave(client);
    harness_run(&harness);
    harness_close(&harness);
}

/* An answer that the peer does not take is cut as well. */
static void test_a_peer_that_does_not_read_is_cut(void **state)
{
    struct harness harness;
    (void)state;
    struct app *app = harness_with(&harness, "--drain-timeout=20", NULL);
    struct client *client = client_open_deaf(&harness.clients, app_port(app));
    for (int i = 0; i < 20000; i++)
        client_get(client, "/");
    harness_get(&harness, app, "/fast");
    app_drain(app);
    client_listen(client);
    harness_run(&harness);
    assert_true(client->ended);
    harness_close(&harness);
}

static void test_draining_twice_is_draining_once(void **state)
{
    struct harness harness;
    (void)state;
    struct app *app = harness_with(&harness, NULL);
    app_drain(app);
    app_drain(app);
    harness_run(&harness);
    app_drain(app);
    harness_close(&harness);
}

/* Another server has the port: an error that travels up, and a clean end. */
static void test_a_server_that_cannot_listen(void **state)
{
    struct harness harness;
    struct options options;
    struct app *app;
    char port[16], error[300], *arguments[] = {(char[]){"offloop"}, (char[]){"--port"}, port, NULL};
    (void)state;
    struct app *first = harness_with(&harness, NULL);
    snprintf(port, sizeof port, "%u", app_port(first));
    assert_int_equal(options_parse(&options, 3, arguments, error, sizeof error), OPTIONS_RUN);
    assert_int_equal(app_new(&app, &harness.loop, &options), 0);
    assert_int_equal(app_port(app), 0);
    assert_int_equal(app_listen(app), UV_EADDRINUSE);
    app_drain(app);
    app_drain(first);
    harness_run(&harness);
    app_free(app);
    harness_close(&harness);
}

static void test_a_server_that_never_listened(void **state)
{
    struct harness harness;
    struct options options;
    struct app *app;
    char error[300], *arguments[] = {(char[]){"offloop"}, NULL};
    (void)state;
    harness_open(&harness);
    assert_int_equal(options_parse(&options, 1, arguments, error, sizeof error), OPTIONS_RUN);
    assert_int_equal(app_new(&app, &harness.loop, &options), 0);
    app_drain(app);
    harness_run(&harness);
    app_free(app);
    harness_close(&harness);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_idle_connections_end),
        cmocka_unit_test(test_nobody_new_is_let_in),
        cmocka_unit_test(test_who_is_on_the_threshold_is_served),
        cmocka_unit_test(test_what_is_owed_is_answered),
        cmocka_unit_test(test_pipelined_requests_are_answered),
        cmocka_unit_test(test_half_a_request_may_be_completed),
        cmocka_unit_test(test_what_takes_too_long_is_cut),
        cmocka_unit_test(test_the_time_of_a_drain_begins_with_it),
        cmocka_unit_test(test_a_peer_that_does_not_read_is_cut),
        cmocka_unit_test(test_draining_twice_is_draining_once),
        cmocka_unit_test(test_a_server_that_cannot_listen),
        cmocka_unit_test(test_a_server_that_never_listened),
    };
    harness_prepare_process();
    return cmocka_run_group_tests_name("drain", tests, NULL, NULL);
}
