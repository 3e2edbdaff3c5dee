/* timeouts_test.c – who is taken to be silent, and who is not.
 *
 * The test stops the server's clock and ticks itself, so no time passes, and decides what lies
 * unread when a time-out is due: that is what a tick finds which comes right after the loop was
 * blocked, because libuv runs timers before it looks at sockets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "server/http/connection_state.h"
#include "server/http/socket.h"
#include "tests/support/client.h"
#include "tests/support/echo_server.h"
#include "tests/support/harness.h"

enum { PATIENCE_MS = 1000, PATIENCE_TICKS = 8, FOR_EVER_MS = 3600 * 1000, LINGERING_MAX = 256 };

struct fixture {
    uv_loop_t loop;
    struct echo_server server;
    struct clients clients;
};

static int set_up_with(void **state, unsigned max_connections)
{
    struct http_limits limits = HTTP_LIMITS_DEFAULT;
    struct fixture *fixture = calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    limits.headers_timeout_ms = limits.request_timeout_ms = PATIENCE_MS;
    limits.keep_alive_timeout_ms = limits.write_timeout_ms = PATIENCE_MS;
    limits.max_body_bytes = 10;
    limits.max_connections = max_connections;
    limits.drain_grace_ms = FOR_EVER_MS;
    uv_loop_init(&fixture->loop);
    fixture->clients.loop = &fixture->loop;
    echo_server_start(&fixture->server, &fixture->loop, &limits);
    assert_int_equal(PATIENCE_MS / fixture->server.http.tick_ms, PATIENCE_TICKS);
    *state = fixture;
    return 0;
}

static int set_up(void **state)
{
    return set_up_with(state, 1000);
}

static int set_up_for_one(void **state)
{
    return set_up_with(state, 1);
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    clients_leave(&fixture->clients);
    if (fixture->server.http.draining)
        http_server_cut(&fixture->server.http);
    else
        echo_server_stop(&fixture->server);
    uv_run(&fixture->loop, UV_RUN_DEFAULT);
    int rc = uv_loop_close(&fixture->loop);
    clients_free(&fixture->clients);
    free(fixture);
    return rc;
}

static struct http_server *server_of(struct fixture *fixture)
{
    uv_timer_stop(&fixture->server.http.clock); /* every new connection starts it */
    return &fixture->server.http;
}

/* ------------------------------------------------------------------ what happens */

/* The server's clock ticks so often, and the loop does nothing in between. */
static void tick(struct fixture *fixture, unsigned count)
{
    struct http_server *server = server_of(fixture);
    while (count-- > 0) {
        struct http_connection *next, *connection = server->connections;
        server->ticks++;
        for (; connection != NULL; connection = next) {
            next = http_connection_next(connection);
            http_connection_tick(connection);
        }
    }
}

static unsigned ticks_of(struct fixture *fixture, unsigned ms)
{
    return ms / server_of(fixture)->tick_ms;
}

/* The loop does what there is to do now. */
static void turn(struct fixture *fixture)
{
    for (int i = 0; i < 4; i++)
        uv_run(&fixture->loop, UV_RUN_NOWAIT);
    server_of(fixture);
}

/* The server's end of the client that came last. */
static struct http_connection *newest(struct fixture *fixture)
{
    struct http_connection *connection = server_of(fixture)->connections;
    assert_non_null(connection);
    return connection;
}

static int fd_of(const struct http_connection *connection)
{
    return http_exchange_fd(&connection->exchange);
}

/* A client, and the server knows of it. */
static struct client *connected(struct fixture *fixture)
{
    unsigned count = server_of(fixture)->connection_count;
    struct client *client = client_open(&fixture->clients, http_server_port(&fixture->server.http));
    while (!client->connected || server_of(fixture)->connection_count == count)
        uv_run(&fixture->loop, UV_RUN_NOWAIT);
    return client;
}

/* One that has had an answer, and whose bytes behind that request the server has read. */
static struct client *served(struct fixture *fixture, const char *more)
{
    struct client *client = connected(fixture);
    client_send(client, "GET /fast HTTP/1.1\r\nHost: test\r\n\r\n%s", more);
    assert_int_equal(client_await(client, 1)->status, 200);
    server_of(fixture);
    return client;
}

/* It sends, and that lies unread. */
static void send_unread(struct fixture *fixture, struct client *client, const char *text)
{
    client_send(client, "%s", text);
    while (!http_socket_is_readable(fd_of(newest(fixture))))
        continue;
}

static void end_input_unread(struct fixture *fixture, struct client *client)
{
    uv_os_fd_t fd;
    assert_int_equal(uv_fileno((uv_handle_t *)&client->socket, &fd), 0);
    assert_int_equal(shutdown(fd, SHUT_WR), 0);
    while (!http_socket_is_readable(fd_of(newest(fixture))))
        continue;
}

#define REQUEST "GET /fast HTTP/1.1\r\nHost: test\r\n\r\n"

/* The patience for what the client has sent so far is at its end. */
static void run_out(struct fixture *fixture)
{
    turn(fixture);
    tick(fixture, PATIENCE_TICKS);
}

static void assert_answered(struct client *client, unsigned number)
{
    const struct answer *answer = client_await(client, number);
    assert_non_null(answer);
    assert_int_equal(answer->status, 200);
}

static uint64_t count(const struct counter *counter)
{
    return counter_get(counter);
}

/* ------------------------------------------------------------------ what lies unread came in time
 */

static void test_a_next_request(void **state)
{
    struct fixture *fixture = *state;
    struct client *client = served(fixture, "");
    run_out(fixture);
    send_unread(fixture, client, REQUEST);
    tick(fixture, 1);
    assert_answered(client, 2);
    assert_int_equal(count(&server_of(fixture)->counters->timeouts_keep_alive), 0);
}

static void test_a_first_request(void **state)
{
    struct fixture *fixture = *state;
    struct client *client = connected(fixture);
    run_out(fixture);
    send_unread(fixture, client, REQUEST);
    tick(fixture, 1);
    assert_answered(client, 1);
    assert_int_equal(count(&server_of(fixture)->counters->timeouts_headers), 0);
}

static void test_the_rest_of_a_head(void **state)
{
    struct fixture *fixture = *state;
    struct client *client = served(fixture, "GET /fa");
    run_out(fixture);
    send_unread(fixture, client, "st HTTP/1.1\r\nHost: test\r\n\r\n");
    tick(fixture, 1);
    assert_answered(client, 2);
}

static void test_the_rest_of_a_content(void **state)
{
    struct fixture *fixture = *state;
    struct client *client =
        served(fixture, "POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 3\r\n\r\na");
    run_out(fixture);
    send_unread(fixture, client, "bc");
    tick(fixture, 1);
    assert_answered(client, 2);
    assert_string_equal(client->answers[1].body, "abc");
}

static void test_the_end_of_the_input(void **state)
{
    struct fixture *fixture = *state;
    struct client *client = served(fixture, "GET /fa");
    run_out(fixture);
    end_input_unread(fixture, client);
    tick(fixture, 1);
    assert_problem(client_await(client, 2), 400, NULL); /* it was not too slow: it has ended */
}

/* Its last patience ends while the loop is blocked, and meanwhile it asks. */
static void on_check(uv_check_t *check)
{
    struct client *client = check->data;
    struct fixture *fixture = check->loop->data;
    struct http_server *server = &fixture->server.http;
    uv_check_stop(check);
    server->ticks = newest(fixture)->since + PATIENCE_TICKS;
    uv_timer_start(&server->clock, server->clock.timer_cb, server->tick_ms, server->tick_ms);
    client_send(client, REQUEST);
    usleep(2 * server->tick_ms * 1000);
}

/* The same with the server's own clock, and a loop that is blocked. */
static void test_a_loop_that_was_blocked(void **state)
{
    struct fixture *fixture = *state;
    struct client *client = served(fixture, "");
    uv_check_t check;
    fixture->loop.data = fixture;
    check.data = client;
    uv_check_init(&fixture->loop, &check);
    uv_check_start(&check, on_check);
    uv_run(&fixture->loop, UV_RUN_NOWAIT);
    assert_false(uv_is_active((uv_handle_t *)&check));
    assert_answered(client, 2);
    uv_close((uv_handle_t *)&check, NULL);
    turn(fixture);
}

/* ------------------------------------------------------------------ silence is silence */

static void test_who_is_silent(void **state)
{
    struct fixture *fixture = *state;
    struct client *idle = served(fixture, ""), *fresh = connected(fixture);
    struct client *head = served(fixture, "GET /fa");
    struct client *content = served(fixture, "POST /echo HTTP/1.1\r\nHost: test\r\n"
                                             "Content-Length: 3\r\n\r\na");
    run_out(fixture);
    turn(fixture);
    assert_false(idle->ended || fresh->ended || head->ended || content->ended);
    tick(fixture, 1);
    assert_problem(client_await(head, 2), 408, NULL);
    assert_problem(client_await(content, 2), 408, NULL);
    client_await_end(idle);
    client_await_end(fresh);
    assert_int_equal(idle->error, 0);
    assert_int_equal(count(&server_of(fixture)->counters->timeouts_keep_alive), 1);
    assert_int_equal(count(&server_of(fixture)->counters->timeouts_headers), 2);
    assert_int_equal(count(&server_of(fixture)->counters->timeouts_request), 1);
}

/* Its method is known already, so it gets no content. */
static void test_a_head_request_that_is_not_completed(void **state)
{
    struct fixture *fixture = *state;
    struct client *client = served(fixture, "HEAD /fa");
    run_out(fixture);
    client->raw = true;
    tick(fixture, 1);
    client_await_end(client);
    assert_memory_equal(client->input, "HTTP/1.1 408 ", 13);
    assert_memory_equal(client->input + client->input_bytes - 4, "\r\n\r\n", 4);
}

/* What was read did not complete the request: the next tick is the end. */
static void test_who_is_too_slow(void **state)
{
    struct fixture *fixture = *state;
    struct client *client = served(fixture, "GET /f");
    run_out(fixture);
    send_unread(fixture, client, "a");
    tick(fixture, 1);
    turn(fixture);
    assert_false(client->ended);
    tick(fixture, 1);
    assert_problem(client_await(client, 2), 408, NULL);
}

/* Something lies there at every tick, and it is never a request. */
static void test_who_sends_without_end(void **state)
{
    struct fixture *fixture = *state;
    struct client *client = served(fixture, "");
    run_out(fixture);
    for (int i = 0; i < PATIENCE_TICKS; i++) {
        send_unread(fixture, client, "\r\n");
        tick(fixture, 1);
        turn(fixture);
        assert_false(client->ended);
    }
    send_unread(fixture, client, "\r\n");
    tick(fixture, 1);
    client_await_end(client);
    assert_int_equal(count(&server_of(fixture)->counters->timeouts_keep_alive), 1);
}

/* ------------------------------------------------------------------ a drain */

static void on_closed(void *data)
{
    ((struct fixture *)data)->server.is_closed = true;
}

static void drain(struct fixture *fixture)
{
    uv_close((uv_handle_t *)&fixture->server.soon, NULL);
    http_server_drain(&fixture->server.http, on_closed, fixture);
}

/* The loop was blocked, and the first that it hears then is that it shall end. */
static void test_a_drain_finds_a_request_unread(void **state)
{
    struct fixture *fixture = *state;
    struct client *client = served(fixture, "");
    turn(fixture);
    tick(fixture, 2);
    send_unread(fixture, client, REQUEST);
    drain(fixture);
    assert_answered(client, 2);
    assert_string_equal(answer_field(&client->answers[1], "Connection"), "close");
    client_await_end(client);
    assert_int_equal(client->error, 0);
}

static void test_a_drain_does_not_wait_for_the_silent(void **state)
{
    struct fixture *fixture = *state;
    struct client *client = served(fixture, "");
    turn(fixture);
    tick(fixture, 2);
    drain(fixture);
    client_await_end(client);
    assert_int_equal(client->error, 0);
}

/* The tick by which it ends those that were busy just now. */
static void test_the_tick_of_a_drain_finds_a_request_unread(void **state)
{
    struct fixture *fixture = *state;
    struct client *client = served(fixture, ""), *silent = served(fixture, "");
    turn(fixture);
    drain(fixture);
    turn(fixture);
    assert_false(client->ended || silent->ended);
    struct http_connection *connection = newest(fixture)->next;
    client_send(client, REQUEST);
    while (!http_socket_is_readable(fd_of(connection)))
        continue;
    tick(fixture, 1);
    assert_answered(client, 2);
    client_await_end(silent);
    assert_int_equal(silent->error, 0);
}

/* ------------------------------------------------------------------ a peer that does not read */

static struct client *deaf(struct fixture *fixture)
{
    unsigned before = server_of(fixture)->connection_count;
    struct client *client =
        client_open_deaf(&fixture->clients, http_server_port(&fixture->server.http));
    while (server_of(fixture)->connection_count == before)
        uv_run(&fixture->loop, UV_RUN_NOWAIT);
    for (int i = 0; i < 16; i++)
        client_get(client, "/big");
    while (newest(fixture)->state != CONNECTION_WRITING)
        uv_run(&fixture->loop, UV_RUN_NOWAIT);
    turn(fixture);
    return client;
}

/* It takes so much that some of it leaves the server's socket, but libuv does not hear of it. */
static void take_some(struct fixture *fixture, struct client *client)
{
    static char bytes[64 * 1024];
    uv_os_fd_t fd;
    uint64_t before = http_socket_unsent_bytes(fd_of(newest(fixture)));
    assert_true(before > 0);
    assert_int_equal(uv_fileno((uv_handle_t *)&client->socket, &fd), 0);
    while (http_socket_unsent_bytes(fd_of(newest(fixture))) >= before)
        (void)!recv(fd, bytes, sizeof bytes, MSG_DONTWAIT);
}

static void test_a_peer_that_takes_a_little(void **state)
{
    struct fixture *fixture = *state;
    struct client *client = deaf(fixture);
    tick(fixture, 1);
    for (int i = 0; i < 3; i++) {
        tick(fixture, PATIENCE_TICKS);
        take_some(fixture, client);
        tick(fixture, 1);
        assert_int_equal(count(&server_of(fixture)->counters->timeouts_write), 0);
    }
    tick(fixture, PATIENCE_TICKS);
    assert_int_equal(count(&server_of(fixture)->counters->timeouts_write), 0);
    tick(fixture, 1);
    assert_int_equal(count(&server_of(fixture)->counters->timeouts_write), 1);
    assert_int_equal(server_of(fixture)->connection_handles, 1);
    turn(fixture);
    assert_int_equal(server_of(fixture)->connection_count, 0);
}

/* ------------------------------------------------------------------ lingering */

/* An upload that is refused before it is over. */
static struct client *uploading(struct fixture *fixture)
{
    struct client *client = connected(fixture);
    client_send(client, "POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 1000\r\n\r\na");
    assert_problem(client_await(client, 1), 413, NULL);
    turn(fixture);
    return client;
}

/* So long a silence, then it goes on. */
static void upload_after(struct fixture *fixture, struct client *client, unsigned ms)
{
    tick(fixture, ticks_of(fixture, ms));
    client_send(client, "a");
    while (newest(fixture)->since != server_of(fixture)->ticks)
        uv_run(&fixture->loop, UV_RUN_NOWAIT);
}

static bool lingers(struct fixture *fixture)
{
    turn(fixture);
    return server_of(fixture)->connection_count > 0;
}

/* Its end would be a reset for who still sends, and that may destroy the answer on its way. */
static void test_a_slow_upload_sees_its_answer(void **state)
{
    struct fixture *fixture = *state;
    struct client *client = uploading(fixture);
    for (int i = 0; i < 5; i++)
        upload_after(fixture, client, 4500);
    assert_true(lingers(fixture));
    assert_int_equal(client->error, 0);
    client_leave(client);
    while (server_of(fixture)->connection_count > 0)
        uv_run(&fixture->loop, UV_RUN_ONCE);
}

static void test_an_upload_that_stops(void **state)
{
    struct fixture *fixture = *state;
    struct client *client = uploading(fixture);
    upload_after(fixture, client, 4500);
    tick(fixture, ticks_of(fixture, 5000));
    assert_true(lingers(fixture));
    tick(fixture, 1);
    assert_false(lingers(fixture));
}

static void test_an_upload_that_was_not_read(void **state)
{
    struct fixture *fixture = *state;
    struct client *client = uploading(fixture);
    tick(fixture, ticks_of(fixture, 5000));
    send_unread(fixture, client, "a");
    tick(fixture, 1);
    assert_true(lingers(fixture));
    tick(fixture, ticks_of(fixture, 5000));
    assert_true(lingers(fixture));
}

static void test_an_upload_without_end(void **state)
{
    struct fixture *fixture = *state;
    struct client *client = uploading(fixture);
    for (unsigned i = 0; i < 30; i++) {
        upload_after(fixture, client, 1000);
        assert_true(lingers(fixture));
    }
    tick(fixture, 1);
    assert_false(lingers(fixture));
}

static void test_a_drain_waits_for_who_uploads(void **state)
{
    struct fixture *fixture = *state;
    struct client *client = uploading(fixture);
    drain(fixture);
    for (int i = 0; i < 5; i++)
        upload_after(fixture, client, 1500);
    assert_true(lingers(fixture));
    tick(fixture, ticks_of(fixture, 2000) + 1);
    assert_false(lingers(fixture));
    assert_true(fixture->server.is_closed);
}

/* One that is told that there are too many must not be one too many for long. */
static void test_one_too_many(void **state)
{
    struct fixture *fixture = *state;
    served(fixture, "");
    struct client *client = client_open(&fixture->clients, http_server_port(server_of(fixture)));
    assert_problem(client_await(client, 1), 503, NULL);
    turn(fixture);
    assert_int_equal(server_of(fixture)->lingering_count, 1);
    upload_after(fixture, client, 1000);
    upload_after(fixture, client, 1000);
    assert_int_equal(server_of(fixture)->lingering_count, 1);
    tick(fixture, 1);
    assert_int_equal(server_of(fixture)->lingering_count, 0);
}

static void test_many_that_linger(void **state)
{
    struct fixture *fixture = *state;
    struct client *first = uploading(fixture), *last = NULL;
    for (int i = 1; i <= LINGERING_MAX; i++)
        last = uploading(fixture);
    tick(fixture, ticks_of(fixture, 1000));
    client_send(last, "a"); /* does not help */
    turn(fixture);
    tick(fixture, ticks_of(fixture, 1000) + 1);
    turn(fixture);
    assert_int_equal(server_of(fixture)->connection_count, LINGERING_MAX);
    client_leave(first);
    while (server_of(fixture)->connection_count == LINGERING_MAX)
        uv_run(&fixture->loop, UV_RUN_ONCE);
    uploading(fixture); /* there is room again, for one */
    uploading(fixture);
    tick(fixture, ticks_of(fixture, 2000) + 1);
    assert_int_equal(server_of(fixture)->connection_count, LINGERING_MAX);
    assert_int_equal(server_of(fixture)->lingering_count, LINGERING_MAX);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_next_request),
        TEST(test_a_first_request),
        TEST(test_the_rest_of_a_head),
        TEST(test_the_rest_of_a_content),
        TEST(test_the_end_of_the_input),
        TEST(test_a_loop_that_was_blocked),
        TEST(test_who_is_silent),
        TEST(test_a_head_request_that_is_not_completed),
        TEST(test_who_is_too_slow),
        TEST(test_who_sends_without_end),
        TEST(test_a_drain_finds_a_request_unread),
        TEST(test_a_drain_does_not_wait_for_the_silent),
        TEST(test_the_tick_of_a_drain_finds_a_request_unread),
        TEST(test_a_peer_that_takes_a_little),
        TEST(test_a_slow_upload_sees_its_answer),
        TEST(test_an_upload_that_stops),
        TEST(test_an_upload_that_was_not_read),
        TEST(test_an_upload_without_end),
        TEST(test_a_drain_waits_for_who_uploads),
        cmocka_unit_test_setup_teardown(test_one_too_many, set_up_for_one, tear_down),
        TEST(test_many_that_linger),
    };
    harness_prepare_process();
    return cmocka_run_group_tests_name("timeouts", tests, NULL, NULL);
}
