/* limits_test.c – what bounds a connection: time, size, number, and a peer that does not read.
 *
 * Time-outs are set to a few milliseconds and awaited as what they cause: an answer, or the end of
 * the connection. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/harness.h"

/* ------------------------------------------------------------------ time */

static void test_an_idle_connection_ends(void **state)
{
    struct harness harness;
    (void)state;
    struct app *app = harness_with(&harness, "--keep-alive-timeout=40", NULL);
    struct client *client = harness_client(&harness, app);
    client_get(client, "/fast");
    client_get(client, "/fast");
    client_await_end(client);
    assert_int_equal(client->error, 0);
    assert_int_equal(client->answer_count, 2);
    assert_int_equal((int)harness_health(&harness, app, "http/timeouts_keep_alive"), 1);
    harness_close(&harness);
}

static void test_a_silent_connection_ends(void **state)
{
    struct harness harness;
    (void)state;
    struct app *app = harness_with(&harness, "--headers-timeout=40", NULL);
    struct client *client = harness_client(&harness, app);
    client_await_end(client);
    assert_true(client->connected);
    assert_int_equal(client->answer_count, 0);
    assert_int_equal((int)harness_health(&harness, app, "http/timeouts_headers"), 1);
    harness_close(&harness);
}

static void test_a_head_that_takes_too_long(void **state)
{
    struct harness harness;
    (void)state;
    struct app *app = harness_with(&harness, "--headers-timeout=40", NULL);
    struct client *client = harness_client(&harness, app);
    client_send(client, "GET /fast HTTP/1.1\r\nHost: te");
    assert_problem(client_await(client, 1), 408, "head", NULL);
    assert_string_equal(answer_field(&client->answers[0], "Connection"), "close");
    client_await_end(client);
    assert_int_equal((int)harness_health(&harness, app, "http/timeouts_headers"), 1);
    harness_close(&harness);
}

static void test_a_second_head_that_takes_too_long(void **state)
{
    struct harness harness;
    (void)state;
    struct app *app = harness_with(&harness, "--headers-timeout=40", NULL);
    struct client *client = harness_client(&harness, app);
    client_send(client, "GET /fast HTTP/1.1\r\nHost: test\r\n\r\nGET");
    assert_problem(client_await(client, 2), 408, NULL);
    assert_int_equal(client->answers[0].status, 200);
    client_await_end(client);
    harness_close(&harness);
}

static void test_a_body_that_takes_too_long(void **state)
{
    struct harness harness;
    (void)state;
    struct app *app = harness_with(&harness, "--request-timeout=40", NULL);
    struct client *client = harness_client(&harness, app);
    client_send(client, "POST /fast HTTP/1.1\r\nHost: test\r\nContent-Length: 10\r\n\r\nabc");
    assert_problem(client_await(client, 1), 408, NULL);
    client_await_end(client);
    assert_int_equal((int)harness_health(&harness, app, "http/timeouts_request"), 1);
    harness_close(&harness);
}

/* The time that an answer takes is the server's, not the client's. */
static void test_a_long_answer_is_no_time_out(void **state)
{
    struct harness harness;
    (void)state;
    struct app *app = harness_with(&harness, "--headers-timeout=40", "--request-timeout=40",
                                   "--keep-alive-timeout=40", NULL);
    assert_int_equal(harness_get(&harness, app, "/slow?ms=200&via=timer")->status, 200);
    harness_close(&harness);
}

/* ------------------------------------------------------------------ size */

static void test_a_target_that_is_too_long(void **state)
{
    struct harness harness;
    char filler[1100];
    (void)state;
    memset(filler, 't', sizeof filler - 1);
    filler[sizeof filler - 1] = '\0';
    struct app *app = harness_with(&harness, "--max-header-size=1024", NULL);
    struct client *client = harness_client(&harness, app);
    client_send(client, "GET /%s HTTP/1.1\r\nHost: test\r\n\r\n", filler);
    assert_problem(client_await(client, 1), 414, NULL);
    client_await_end(client);
    assert_int_equal((int)harness_health(&harness, app, "http/limits_target"), 1);
    harness_close(&harness);
}

static void test_a_head_that_is_too_large(void **state)
{
    struct harness harness;
    char filler[1100];
    (void)state;
    memset(filler, 'f', sizeof filler - 1);
    filler[sizeof filler - 1] = '\0';
    struct app *app = harness_with(&harness, "--max-header-size=1024", NULL);
    struct client *client = harness_client(&harness, app);
    client_send(client, "GET /fast HTTP/1.1\r\nHost: test\r\nX-Filler: %s\r\n\r\n", filler);
    assert_problem(client_await(client, 1), 431, NULL);
    client_await_end(client);
    assert_int_equal((int)harness_health(&harness, app, "http/limits_fields"), 1);
    harness_close(&harness);
}

static void test_a_body_that_is_too_large(void **state)
{
    struct harness harness;
    (void)state;
    struct app *app = harness_with(&harness, "--max-body-size=10", NULL);
    struct client *client = harness_client(&harness, app);
    client_send(client, "POST /fast HTTP/1.1\r\nHost: test\r\nContent-Length: 11\r\n\r\n");
    assert_problem(client_await(client, 1), 413, NULL);
    client_await_end(client);
    assert_int_equal((int)harness_health(&harness, app, "http/limits_content"), 1);
    harness_close(&harness);
}

/* ------------------------------------------------------------------ number */

static void test_one_connection_too_many(void **state)
{
    struct harness harness;
    struct client *clients[3];
    (void)state;
    struct app *app = harness_with(&harness, "--max-connections=2", NULL);
    for (int i = 0; i < 2; i++) {
        clients[i] = harness_client(&harness, app);
        client_get(clients[i], "/fast");
        assert_int_equal(client_await(clients[i], 1)->status, 200);
    }
    clients[2] = harness_client(&harness, app);
    assert_problem(client_await(clients[2], 1), 503, "connections", NULL);
    assert_string_equal(answer_field(&clients[2]->answers[0], "Connection"), "close");
    client_await_end(clients[2]);
    client_leave(clients[2]);
    client_leave(clients[0]);
    int status;
    do { /* until the server has seen them leave */
        uv_run(&harness.loop, UV_RUN_NOWAIT);
        status = harness_get(&harness, app, "/fast")->status;
    } while (status == 503);
    assert_int_equal(status, 200);
    client_get(clients[1], "/fast"); /* it was there all the time */
    assert_int_equal(client_await(clients[1], 2)->status, 200);
    harness_close(&harness);
}

static void test_one_request_too_many(void **state)
{
    struct harness harness;
    (void)state;
    struct app *app = harness_with(&harness, "--max-requests-per-socket=3", NULL);
    struct client *client = harness_client(&harness, app);
    for (int i = 0; i < 5; i++)
        client_get(client, "/fast");
    client_await_end(client);
    assert_int_equal(client->error, 0);
    assert_int_equal(client->answer_count, 3);
    assert_null(answer_field(&client->answers[1], "Connection"));
    assert_string_equal(answer_field(&client->answers[2], "Connection"), "close");
    harness_close(&harness);
}

/* ------------------------------------------------------------------ a peer that does not read */

enum { REQUESTS = 20000 }; /* their answers are more than all the sockets' buffers hold */

static struct client *ask_and_do_not_read(struct harness *harness, struct app *app)
{
    struct client *client = client_open_deaf(&harness->clients, app_port(app));
    for (int i = 0; i < REQUESTS; i++)
        client_get(client, "/");
    return client;
}

/* It sends and sends, and does not read: it is not served, however much it sends. When it reads at
 * last, all the answers are there. */
static void test_a_peer_that_only_sends(void **state)
{
    struct harness harness;
    (void)state;
    struct app *app = harness_with(&harness, NULL);
    struct client *client = ask_and_do_not_read(&harness, app);
    for (int i = 0; i < 100; i++)
        assert_true(harness_health(&harness, app, "http/requests") < (double)REQUESTS);
    client_listen(client);
    assert_int_equal(client_await(client, REQUESTS)->status, 200);
    harness_close(&harness);
}

/* It takes nothing of its answers for too long: the server lets go of it. */
static void test_a_peer_that_takes_nothing(void **state)
{
    struct harness harness;
    (void)state;
    struct app *app = harness_with(&harness, "--write-timeout=40", NULL);
    struct client *client = ask_and_do_not_read(&harness, app);
    harness_await_health(&harness, app, "http/timeouts_write", 1);
    client_listen(client);
    client_await_end(client);
    assert_true(client->answer_count < REQUESTS);
    harness_close(&harness);
}

/* A large image waits until its peer has taken all of it. */
static void test_a_peer_that_reads_late(void **state)
{
    static const char image[] =
        "/heavy?kernel=mandelbrot&n=1000&iterations=60&format=png&offload=none";
    struct harness harness;
    (void)state;
    struct app *app = harness_with(&harness, NULL);
    struct client *client = client_open_deaf(&harness.clients, app_port(app));
    for (int i = 0; i < 3; i++)
        client_get(client, image);
    harness_get(&harness, app, "/fast");
    client_listen(client);
    assert_non_null(client_await(client, 3));
    assert_true(client->answers[0].body_bytes > 100000);
    for (int i = 1; i < 3; i++) {
        assert_int_equal(client->answers[i].body_bytes, client->answers[0].body_bytes);
        assert_memory_equal(client->answers[i].body, client->answers[0].body,
                            client->answers[0].body_bytes);
    }
    harness_close(&harness);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_idle_connection_ends),
        cmocka_unit_test(test_a_silent_connection_ends),
        cmocka_unit_test(test_a_head_that_takes_too_long),
        cmocka_unit_test(test_a_second_head_that_takes_too_long),
        cmocka_unit_test(test_a_body_that_takes_too_long),
        cmocka_unit_test(test_a_long_answer_is_no_time_out),
        cmocka_unit_test(test_a_target_that_is_too_long),
        cmocka_unit_test(test_a_head_that_is_too_large),
        cmocka_unit_test(test_a_body_that_is_too_large),
        cmocka_unit_test(test_one_connection_too_many),
        cmocka_unit_test(test_one_request_too_many),
        cmocka_unit_test(test_a_peer_that_only_sends),
        cmocka_unit_test(test_a_peer_that_takes_nothing),
        cmocka_unit_test(test_a_peer_that_reads_late),
    };
    harness_prepare_process();
    return cmocka_run_group_tests_name("limits", tests, NULL, NULL);
}
