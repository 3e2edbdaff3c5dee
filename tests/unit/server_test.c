/* server_test.c – what a server can be told: the fields of all its answers, the host names that it
 * answers for, and who watches it. */
#include "server/http/server.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "tests/support/harness.h"

enum { ROUTE_FAST, ROUTE_WAIT, ROUTE_STREAM, ROUTE_COUNT, EVENTS_MAX = 16 };

/* What the watcher has heard. */
struct event {
    size_t route;
    uint64_t began_ns;
    int fd;
    int status; /* -1: not over */
    uint64_t count;
};

struct fixture {
    uv_loop_t loop;
    struct http_server server;
    struct clients clients;
    struct client *client;
    struct http_prepared prepared;
    struct http_exchange *waiting; /* that of /wait, or of /stream */
    struct http_watcher watcher;
    bool wants_each;
    struct event events[EVENTS_MAX];
    unsigned event_count;
    unsigned told; /* how often it has heard of answers */
};

/* ------------------------------------------------------------------ the server */

static const struct http_fields fields = HTTP_FIELDS("X-Server: yes\r\n");
static const struct http_response fast = {
    .status = 200, .content_type = "text/plain", .body = "fast", .body_bytes = 4};

static void on_fast(struct http_exchange *exchange, void *context)
{
    struct fixture *fixture = context;
    http_exchange_answer_prepared(exchange, &fixture->prepared);
}

static void on_abandoned(void *data)
{
    struct fixture *fixture = data;
    fixture->waiting = NULL;
}

static void on_wait(struct http_exchange *exchange, void *context)
{
    struct fixture *fixture = context;
    fixture->waiting = exchange;
    http_exchange_defer(exchange, on_abandoned, fixture);
}

static void on_stream(struct http_exchange *exchange, void *context)
{
    struct fixture *fixture = context;
    const struct http_response head = {.status = 200, .content_type = "text/event-stream"};
    if (http_exchange_stream(exchange, &head, on_abandoned, fixture))
        fixture->waiting = exchange;
}

static const struct http_route routes[ROUTE_COUNT] = {
    [ROUTE_FAST] = {.path = "/fast", .methods = HTTP_METHOD_GET, .handler = on_fast},
    [ROUTE_WAIT] = {.path = "/wait", .methods = HTTP_METHOD_GET, .handler = on_wait},
    [ROUTE_STREAM] = {.path = "/stream", .methods = HTTP_METHOD_GET, .handler = on_stream},
};

static const struct http_router router = {routes, ROUTE_COUNT, NULL};

static int open_server(void **state)
{
    static struct fixture fixture;
    const struct http_limits limits = HTTP_LIMITS_DEFAULT;
    fixture = (struct fixture){0};
    assert_int_equal(uv_loop_init(&fixture.loop), 0);
    assert_int_equal(http_server_init(&fixture.server, &fixture.loop, &limits, &router, &fixture),
                     0);
    assert_int_equal(http_server_listen(&fixture.server, "127.0.0.1", 0, false), 0);
    http_prepare(&fixture.prepared, &fast, &fields);
    fixture.clients.loop = &fixture.loop;
    fixture.client = client_open(&fixture.clients, http_server_port(&fixture.server));
    *state = &fixture;
    return 0;
}

static int close_server(void **state)
{
    struct fixture *fixture = *state;
    clients_leave(&fixture->clients);
    http_server_drain(&fixture->server, NULL, NULL);
    uv_run(&fixture->loop, UV_RUN_DEFAULT);
    clients_free(&fixture->clients);
    assert_int_equal(uv_loop_close(&fixture->loop), 0);
    return 0;
}

static void await_waiting(struct fixture *fixture)
{
    while (fixture->waiting == NULL)
        uv_run(&fixture->loop, UV_RUN_ONCE);
}

static void await_gone(struct fixture *fixture)
{
    while (fixture->waiting != NULL)
        uv_run(&fixture->loop, UV_RUN_ONCE);
}

/* ------------------------------------------------------------------ fields */

static void test_all_answers_have_the_fields(void **state)
{
    static const char *const requests[] = {
        "GET /fast HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST /fast HTTP/1.1\r\nHost: a\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /fast HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
        "no HTTP\r\n\r\n",
    };
    struct fixture *fixture = *state;
    http_server_set_fields(&fixture->server, &fields);
    for (unsigned i = 0; i < sizeof requests / sizeof *requests; i++) {
        client_send(fixture->client, "%s", requests[i]);
        const struct answer *answer = client_await(fixture->client, i + 1);
        assert_non_null(answer);
        assert_string_equal(answer_field(answer, "X-Server"), "yes");
        assert_ptr_equal(strstr(strstr(answer->head, "X-Server") + 1, "X-Server"), NULL);
    }
}

static void test_a_stream_has_the_fields(void **state)
{
    struct fixture *fixture = *state;
    http_server_set_fields(&fixture->server, &fields);
    client_get(fixture->client, "/stream");
    assert_string_equal(answer_field(client_await(fixture->client, 1), "X-Server"), "yes");
}

/* ------------------------------------------------------------------ hosts */

static int status_for(struct fixture *fixture, const char *request)
{
    struct client *client = client_open(&fixture->clients, http_server_port(&fixture->server));
    client_send(client, "%s", request);
    const struct answer *answer = client_await(client, 1);
    assert_non_null(answer);
    if (answer->status != 200)
        assert_string_equal(answer_field(answer, "Content-Type"), "application/problem+json");
    return answer->status;
}

static void test_any_host_will_do(void **state)
{
    static const char strange[] = "GET /fast HTTP/1.1\r\nHost: evil.test\r\n\r\n";
    struct fixture *fixture = *state;
    assert_int_equal(status_for(fixture, strange), 200);
}

static void test_only_known_hosts(void **state)
{
    static const char *const names[] = {"offloop.test", NULL};
    static const char strange[] = "GET /fast HTTP/1.1\r\nHost: evil.test:80\r\n\r\n";
    struct fixture *fixture = *state;
    assert_int_equal(status_for(fixture, strange), 200);
    http_server_allow_hosts(&fixture->server, names);
    for (int i = 0; i < 2; i++) { /* the second time it might be remembered */
        assert_int_equal(status_for(fixture, strange), 421);
        assert_int_equal(status_for(fixture, "GET /fast HTTP/1.1\r\nHost: Offloop.test:80\r\n\r\n"),
                         200);
        assert_int_equal(status_for(fixture, "GET /fast HTTP/1.1\r\nHost: localhost:1\r\n\r\n"),
                         200);
        assert_int_equal(status_for(fixture, "GET /fast HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"), 200);
        assert_int_equal(status_for(fixture, "GET /fast HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n"),
                         200);
    }
    assert_int_equal(counter_get(&fixture->server.counters->messages_refused), 2);
    fixture->client->raw = true; /* HEAD is refused without content */
    client_send(fixture->client, "HEAD /fast HTTP/1.1\r\nHost: evil.test\r\n\r\n");
    client_await_end(fixture->client);
    assert_memory_equal(fixture->client->input, "HTTP/1.1 421 ", 13);
    assert_memory_equal(fixture->client->input + fixture->client->input_bytes - 4, "\r\n\r\n", 4);
    assert_int_equal(
        status_for(fixture, "GET http://evil.test/fast HTTP/1.1\r\nHost: localhost\r\n\r\n"), 421);
    assert_int_equal(
        status_for(fixture, "GET http://offloop.test/fast HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        200);
    assert_int_equal(status_for(fixture, "GET /fast HTTP/1.1\r\nHost: a b\r\n\r\n"), 400);
    assert_int_equal(status_for(fixture, "GET /fast HTTP/1.0\r\n\r\n"), 200);
}

/* ------------------------------------------------------------------ the watcher */

static bool on_begin(void *data, const struct http_exchange *exchange)
{
    struct fixture *fixture = data;
    assert_true(fixture->event_count < EVENTS_MAX);
    fixture->events[fixture->event_count++] = (struct event){
        .route = http_exchange_route(exchange),
        .began_ns = http_exchange_began_ns(exchange),
        .fd = http_exchange_fd(exchange),
        .status = -1,
    };
    return fixture->wants_each;
}

/* The newest that they are like is the one that is over. */
static void on_answered(void *data, const struct http_answers *answers)
{
    struct fixture *fixture = data;
    unsigned i = fixture->event_count;
    fixture->told++;
    while (i > 0 && fixture->events[i - 1].began_ns != answers->to.began_ns)
        i--;
    while (i > 0 && fixture->events[i - 1].route != answers->to.route)
        i--;
    assert_true(i > 0);
    assert_int_equal(fixture->events[i - 1].began_ns, answers->to.began_ns);
    assert_int_equal(fixture->events[i - 1].status, -1);
    fixture->events[i - 1].status = answers->status;
    fixture->events[i - 1].count = answers->count;
}

static int open_watched(void **state)
{
    int rc = open_server(state);
    struct fixture *fixture = *state;
    fixture->watcher = (struct http_watcher){on_begin, on_answered, fixture};
    http_server_watch(&fixture->server, &fixture->watcher);
    return rc;
}

static void assert_event(const struct fixture *fixture, unsigned index, size_t route, int status)
{
    assert_true(index < fixture->event_count);
    assert_int_equal(fixture->events[index].route, route);
    assert_int_equal(fixture->events[index].status, status);
}

static void test_requests_are_watched(void **state)
{
    struct fixture *fixture = *state;
    uint64_t before_ns = uv_hrtime();
    client_get(fixture->client, "/fast");
    client_get(fixture->client, "/nowhere");
    client_send(fixture->client, "POST /wait HTTP/1.1\r\nHost: a\r\n\r\n");
    client_send(fixture->client, "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n");
    client_send(fixture->client, "no HTTP\r\n\r\n");
    assert_non_null(client_await(fixture->client, 5));
    assert_int_equal(fixture->event_count, 4);
    assert_event(fixture, 0, ROUTE_FAST, 200);
    assert_event(fixture, 1, ROUTE_COUNT, 404);
    assert_event(fixture, 2, ROUTE_WAIT, 405);
    assert_event(fixture, 3, ROUTE_COUNT, 204);
    for (unsigned i = 0; i < 4; i++)
        assert_in_range(fixture->events[i].began_ns, before_ns, uv_hrtime());
}

/* Its time began when it came, not when it was its turn; its socket is the one it came by. */
static void test_a_request_that_waits_is_watched(void **state)
{
    struct fixture *fixture = *state;
    struct sockaddr_in peer, client;
    socklen_t peer_length = sizeof peer;
    int client_length = sizeof client;
    client_get(fixture->client, "/wait");
    client_get(fixture->client, "/fast");
    await_waiting(fixture);
    assert_event(fixture, 0, ROUTE_WAIT, -1);
    assert_int_equal(
        uv_tcp_getsockname(&fixture->client->socket, (struct sockaddr *)&client, &client_length),
        0);
    assert_int_equal(getpeername(fixture->events[0].fd, (struct sockaddr *)&peer, &peer_length), 0);
    assert_int_equal(peer.sin_port, client.sin_port);
    uint64_t before_ns = uv_hrtime();
    http_exchange_answer(fixture->waiting, &fast);
    assert_event(fixture, 0, ROUTE_WAIT, 200);
    assert_event(fixture, 1, ROUTE_FAST, 200);
    assert_true(fixture->events[1].began_ns <= before_ns);
}

static void test_an_abandoned_request_is_watched(void **state)
{
    struct fixture *fixture = *state;
    client_get(fixture->client, "/wait");
    await_waiting(fixture);
    client_leave(fixture->client);
    await_gone(fixture);
    assert_int_equal(fixture->event_count, 1);
    assert_event(fixture, 0, ROUTE_WAIT, 0);
}

static void test_streams_are_watched(void **state)
{
    struct fixture *fixture = *state;
    fixture->client->raw = true;
    client_get(fixture->client, "/stream");
    await_waiting(fixture);
    assert_event(fixture, 0, ROUTE_STREAM, -1);
    http_exchange_end(fixture->waiting);
    assert_event(fixture, 0, ROUTE_STREAM, 200);
    fixture->waiting = NULL;
    client_get(fixture->client, "/stream");
    await_waiting(fixture);
    http_exchange_cut(fixture->waiting);
    assert_int_equal(fixture->event_count, 2);
    assert_event(fixture, 1, ROUTE_STREAM, 0);
}

static void send_two_kinds(struct fixture *fixture)
{
    client_send(fixture->client, "GET /fast HTTP/1.1\r\nHost: a\r\n\r\n"
                                 "GET /fast HTTP/1.1\r\nHost: a\r\n\r\n"
                                 "GET /fast HTTP/1.1\r\nHost: a\r\n\r\n"
                                 "GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_non_null(client_await(fixture->client, 4));
}

/* What is read at once and alike begins once, and is over at once. */
static void test_alike_requests_are_told_of_together(void **state)
{
    struct fixture *fixture = *state;
    send_two_kinds(fixture);
    assert_int_equal(fixture->event_count, 2);
    assert_int_equal(fixture->told, 2);
    assert_event(fixture, 0, ROUTE_FAST, 200);
    assert_int_equal(fixture->events[0].count, 3);
    assert_event(fixture, 1, ROUTE_COUNT, 404);
    assert_int_equal(fixture->events[1].count, 1);
}

static void test_alike_requests_are_told_of_one_by_one(void **state)
{
    struct fixture *fixture = *state;
    fixture->wants_each = true;
    send_two_kinds(fixture);
    assert_int_equal(fixture->event_count, 4);
    assert_int_equal(fixture->told, 2);
    assert_int_equal(fixture->events[0].began_ns, fixture->events[2].began_ns);
    assert_event(fixture, 2, ROUTE_FAST, 200);
    assert_int_equal(fixture->events[2].count, 3);
}

static void test_nobody_watches_any_more(void **state)
{
    struct fixture *fixture = *state;
    client_get(fixture->client, "/fast");
    assert_non_null(client_await(fixture->client, 1));
    http_server_watch(&fixture->server, NULL);
    client_get(fixture->client, "/fast");
    assert_non_null(client_await(fixture->client, 2));
    assert_int_equal(fixture->event_count, 1);
}

#define SERVER_TEST(test)  cmocka_unit_test_setup_teardown(test, open_server, close_server)
#define WATCHED_TEST(test) cmocka_unit_test_setup_teardown(test, open_watched, close_server)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SERVER_TEST(test_all_answers_have_the_fields),
        SERVER_TEST(test_a_stream_has_the_fields),
        SERVER_TEST(test_any_host_will_do),
        SERVER_TEST(test_only_known_hosts),
        WATCHED_TEST(test_requests_are_watched),
        WATCHED_TEST(test_a_request_that_waits_is_watched),
        WATCHED_TEST(test_an_abandoned_request_is_watched),
        WATCHED_TEST(test_streams_are_watched),
        WATCHED_TEST(test_alike_requests_are_told_of_together),
        WATCHED_TEST(test_alike_requests_are_told_of_one_by_one),
        WATCHED_TEST(test_nobody_watches_any_more),
    };
    harness_prepare_process();
    return cmocka_run_group_tests_name("server", tests, NULL, NULL);
}
