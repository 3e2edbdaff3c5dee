/* stream_test.c – answers whose content comes in pieces: every byte of the framing, and every way
 * in which a stream can end, each counted once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "server/http/server.h"
#include "tests/support/harness.h"

enum { STREAMS_MAX = 300, MANY = 200, MIB = 1024 * 1024 };

/* A server and the streams that it feeds, which it knows by their places here. */
struct fixture {
    uv_loop_t loop;
    struct http_server server;
    struct clients clients;
    struct http_exchange *streams[STREAMS_MAX]; /* NULL: gone */
    unsigned begun, abandoned, refused;
    struct http_exchange *waiting; /* that of /wait */
    bool is_closed;
};

/* ------------------------------------------------------------------ the server */

static void on_abandoned(void *data)
{
    *(struct http_exchange **)data = NULL;
}

static void count_abandoned(struct fixture *fixture)
{
    fixture->abandoned = 0;
    for (unsigned i = 0; i < fixture->begun; i++)
        fixture->abandoned += fixture->streams[i] == NULL;
}

static void begin_stream(struct fixture *fixture, struct http_exchange *exchange)
{
    static const struct http_response head = {.status = 200,
                                              .content_type = "text/event-stream",
                                              .fields = "Cache-Control: no-store\r\n"};
    struct http_exchange **place = &fixture->streams[fixture->begun];
    if (!http_exchange_stream(exchange, &head, on_abandoned, place)) {
        fixture->refused++;
        return;
    }
    *place = exchange;
    fixture->begun++;
}

static void on_stream(struct http_exchange *exchange, void *context)
{
    begin_stream(context, exchange);
}

/* All of it before the handler returns. */
static void on_whole(struct http_exchange *exchange, void *context)
{
    struct fixture *fixture = context;
    begin_stream(fixture, exchange);
    assert_int_equal(http_exchange_write(exchange, "one", 3), 0);
    assert_int_equal(http_exchange_write(exchange, "two", 3), 0);
    http_exchange_end(exchange);
    fixture->begun--;
}

static void on_cut(struct http_exchange *exchange, void *context)
{
    struct fixture *fixture = context;
    begin_stream(fixture, exchange);
    http_exchange_cut(exchange);
    fixture->begun--;
}

static void answer(struct http_exchange *exchange, const char *text)
{
    http_exchange_answer(exchange, &(struct http_response){.status = 200,
                                                           .content_type = "text/plain",
                                                           .body = text,
                                                           .body_bytes = strlen(text)});
}

static void on_fast(struct http_exchange *exchange, void *context)
{
    (void)context;
    answer(exchange, "fast");
}

/* From this handler to all who listen. */
static void on_shout(struct http_exchange *exchange, void *context)
{
    struct fixture *fixture = context;
    for (unsigned i = 0; i < fixture->begun; i++) {
        if (fixture->streams[i] != NULL)
            assert_int_equal(http_exchange_write(fixture->streams[i], "shout", 5), 0);
    }
    answer(exchange, "shouted");
}

static void on_wait_abandoned(void *data)
{
    struct fixture *fixture = data;
    fixture->waiting = NULL;
}

static void on_wait(struct http_exchange *exchange, void *context)
{
    struct fixture *fixture = context;
    fixture->waiting = exchange;
    http_exchange_defer(exchange, on_wait_abandoned, fixture);
}

static const struct http_route routes[] = {
    {.path = "/stream", .methods = HTTP_METHOD_GET, .handler = on_stream},
    {.path = "/whole", .methods = HTTP_METHOD_GET, .handler = on_whole},
    {.path = "/cut", .methods = HTTP_METHOD_GET, .handler = on_cut},
    {.path = "/fast", .methods = HTTP_METHOD_GET, .handler = on_fast},
    {.path = "/shout", .methods = HTTP_METHOD_GET, .handler = on_shout},
    {.path = "/wait", .methods = HTTP_METHOD_GET, .handler = on_wait},
};

static void open_server(struct fixture *fixture, const struct http_limits *limits)
{
    static const struct http_router router = {routes, sizeof routes / sizeof *routes, NULL};
    memset(fixture, 0, sizeof *fixture);
    assert_int_equal(uv_loop_init(&fixture->loop), 0);
    assert_int_equal(http_server_init(&fixture->server, &fixture->loop, limits, &router, fixture),
                     0);
    assert_int_equal(http_server_listen(&fixture->server, "127.0.0.1", 0, false), 0);
    fixture->clients.loop = &fixture->loop;
}

static struct fixture *open_fixture(void)
{
    static struct fixture fixture;
    const struct http_limits limits = HTTP_LIMITS_DEFAULT;
    open_server(&fixture, &limits);
    return &fixture;
}

static void on_closed(void *data)
{
    struct fixture *fixture = data;
    fixture->is_closed = true;
}

static void drain(struct fixture *fixture)
{
    http_server_drain(&fixture->server, on_closed, fixture);
}

/* The clients leave, the server drains, nothing is left, and every request has had its one end. */
static void close_fixture(struct fixture *fixture)
{
    const struct http_counters *counters = fixture->server.counters;
    clients_leave(&fixture->clients);
    drain(fixture);
    uv_run(&fixture->loop, UV_RUN_DEFAULT);
    assert_true(fixture->is_closed);
    clients_free(&fixture->clients);
    assert_int_equal(uv_loop_close(&fixture->loop), 0);
    assert_int_equal(counter_get(&counters->answers_2xx) +
                         counter_get(&counters->exchanges_abandoned),
                     counter_get(&counters->requests));
}

/* ------------------------------------------------------------------ the clients */

static struct client *open_client(struct fixture *fixture)
{
    struct client *client = client_open(&fixture->clients, http_server_port(&fixture->server));
    client->raw = true;
    return client;
}

static bool has_come(const struct client *client, const char *text)
{
    return client->input_bytes > 0 &&
           memmem(client->input, client->input_bytes, text, strlen(text)) != NULL;
}

static void await_text(struct client *client, const char *text)
{
    while (!has_come(client, text) && !client->ended)
        uv_run(client->all->loop, UV_RUN_ONCE);
    assert_true(has_come(client, text));
}

static void await_streams(struct fixture *fixture, unsigned count)
{
    while (fixture->begun < count)
        uv_run(&fixture->loop, UV_RUN_ONCE);
}

static void await_abandoned(struct fixture *fixture, unsigned count)
{
    for (count_abandoned(fixture); fixture->abandoned < count; count_abandoned(fixture))
        uv_run(&fixture->loop, UV_RUN_ONCE);
}

static struct client *open_stream(struct fixture *fixture)
{
    struct client *client = open_client(fixture);
    client_get(client, "/stream");
    await_streams(fixture, fixture->begun + 1);
    return client;
}

/* All that came, with dots for the digits and names of every Date. */
static void assert_input(const struct client *client, const char *expected)
{
    char *text = malloc(client->input_bytes + 1);
    assert_non_null(text);
    memcpy(text, client->input, client->input_bytes);
    text[client->input_bytes] = '\0';
    for (char *date = strstr(text, "Date: "); date != NULL; date = strstr(date + 1, "Date: "))
        memmove(date + 6, date + 35, strlen(date + 35) + 1);
    assert_string_equal(text, expected);
    free(text);
}

#define HEAD_LINES  "HTTP/1.1 200 OK\r\nDate: \r\nContent-Type: text/event-stream\r\n"
#define STREAM_HEAD HEAD_LINES "Transfer-Encoding: chunked\r\nCache-Control: no-store\r\n\r\n"
#define LAST_STREAM_HEAD                                                            \
    HEAD_LINES "Transfer-Encoding: chunked\r\nConnection: close\r\nCache-Control: " \
               "no-store\r\n\r\n"
#define LAST_CHUNK       "0\r\n\r\n"
#define FAST_HEAD        "HTTP/1.1 200 OK\r\nDate: \r\nContent-Type: text/plain\r\nContent-Length: 4\r\n"
#define FAST_ANSWER      FAST_HEAD "\r\nfast"
#define LAST_FAST_ANSWER FAST_HEAD "Connection: close\r\n\r\nfast"

static void put(struct fixture *fixture, unsigned stream, const char *text)
{
    assert_int_equal(http_exchange_write(fixture->streams[stream], text, strlen(text)), 0);
}

/* ------------------------------------------------------------------ framing */

static void test_chunks(void **state)
{
    struct fixture *fixture = open_fixture();
    struct client *client = open_stream(fixture);
    (void)state;
    put(fixture, 0, "hello");
    put(fixture, 0, "");
    put(fixture, 0, "0123456789abcdef");
    await_text(client, "def\r\n");
    assert_input(client, STREAM_HEAD "5\r\nhello\r\n10\r\n0123456789abcdef\r\n");
    assert_int_equal(counter_get(&fixture->server.counters->answers_2xx), 0);
    http_exchange_end(fixture->streams[0]);
    assert_int_equal(counter_get(&fixture->server.counters->answers_2xx), 1);
    client_get(client, "/fast");
    await_text(client, "\r\n\r\nfast");
    assert_input(client,
                 STREAM_HEAD "5\r\nhello\r\n10\r\n0123456789abcdef\r\n" LAST_CHUNK FAST_ANSWER);
    close_fixture(fixture);
}

static void test_all_within_the_handler(void **state)
{
    struct fixture *fixture = open_fixture();
    struct client *client = open_client(fixture);
    (void)state;
    client_send(client,
                "GET /fast HTTP/1.1\r\nHost: a\r\n\r\nGET /whole HTTP/1.1\r\nHost: a\r\n\r\n"
                "GET /fast HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    client_await_end(client);
    assert_input(client,
                 FAST_ANSWER STREAM_HEAD "3\r\none\r\n3\r\ntwo\r\n" LAST_CHUNK LAST_FAST_ANSWER);
    close_fixture(fixture);
}

static void test_http_1_0(void **state)
{
    struct fixture *fixture = open_fixture();
    struct client *client = open_client(fixture);
    (void)state;
    client_send(client, "GET /stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    await_streams(fixture, 1);
    put(fixture, 0, "hello");
    put(fixture, 0, "world");
    http_exchange_end(fixture->streams[0]);
    client_await_end(client);
    assert_int_equal(client->error, 0);
    assert_input(client,
                 HEAD_LINES "Connection: close\r\nCache-Control: no-store\r\n\r\nhelloworld");
    close_fixture(fixture);
}

static void test_head(void **state)
{
    struct fixture *fixture = open_fixture();
    struct client *client = open_client(fixture);
    (void)state;
    client_send(client, "HEAD /stream HTTP/1.1\r\nHost: a\r\n\r\n"
                        "GET /fast HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    client_await_end(client);
    assert_input(client, STREAM_HEAD LAST_FAST_ANSWER);
    assert_int_equal(fixture->begun, 0);
    assert_int_equal(fixture->refused, 1);
    close_fixture(fixture);
}

static void test_close_is_announced(void **state)
{
    struct fixture *fixture = open_fixture();
    struct client *client = open_client(fixture);
    (void)state;
    client_send(client, "GET /stream HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    await_streams(fixture, 1);
    put(fixture, 0, "x");
    http_exchange_end(fixture->streams[0]);
    client_await_end(client);
    assert_input(client, LAST_STREAM_HEAD "1\r\nx\r\n" LAST_CHUNK);
    close_fixture(fixture);
}

static void test_the_last_request_of_a_socket(void **state)
{
    static struct fixture fixture;
    struct http_limits limits = HTTP_LIMITS_DEFAULT;
    (void)state;
    limits.max_requests_per_socket = 2;
    open_server(&fixture, &limits);
    struct client *client = open_client(&fixture);
    client_get(client, "/fast");
    client_get(client, "/stream");
    client_get(client, "/fast");
    await_streams(&fixture, 1);
    http_exchange_end(fixture.streams[0]);
    client_await_end(client);
    assert_input(client, FAST_ANSWER LAST_STREAM_HEAD LAST_CHUNK);
    close_fixture(&fixture);
}

static void test_a_deferred_exchange_becomes_a_stream(void **state)
{
    struct fixture *fixture = open_fixture();
    struct client *client = open_client(fixture);
    (void)state;
    client_get(client, "/wait");
    while (fixture->waiting == NULL)
        uv_run(&fixture->loop, UV_RUN_ONCE);
    begin_stream(fixture, fixture->waiting);
    put(fixture, 0, "late");
    http_exchange_end(fixture->streams[0]);
    await_text(client, LAST_CHUNK);
    assert_input(client, STREAM_HEAD "4\r\nlate\r\n" LAST_CHUNK);
    close_fixture(fixture);
}

/* ------------------------------------------------------------------ order and amount */

static void test_what_is_behind_waits(void **state)
{
    struct fixture *fixture = open_fixture();
    struct client *client = open_client(fixture), *other = open_client(fixture);
    (void)state;
    client_get(client, "/stream");
    client_get(client, "/fast");
    client_get(client, "/stream");
    await_streams(fixture, 1);
    client_get(other, "/fast");
    await_text(other, "\r\n\r\nfast");
    put(fixture, 0, "first");
    await_text(client, "first");
    assert_input(client, STREAM_HEAD "5\r\nfirst\r\n");
    http_exchange_end(fixture->streams[0]);
    assert_int_equal(fixture->begun, 2);
    put(fixture, 1, "second");
    await_text(client, "second\r\n");
    assert_input(client,
                 STREAM_HEAD "5\r\nfirst\r\n" LAST_CHUNK FAST_ANSWER STREAM_HEAD "6\r\nsecond\r\n");
    close_fixture(fixture);
}

static void fill(char *piece, unsigned number)
{
    for (size_t i = 0; i < MIB; i++)
        piece[i] = (char)('a' + (i / 7 + number) % 26);
}

static void assert_pieces(const struct client *client, unsigned count)
{
    char *piece = malloc(MIB);
    const char *at = memmem(client->input, client->input_bytes, "\r\n\r\n", 4);
    assert_non_null(piece);
    assert_non_null(at);
    at += 4;
    for (unsigned i = 0; i < count; i++) {
        fill(piece, i);
        assert_memory_equal(at, "100000\r\n", 8);
        assert_memory_equal(at + 8, piece, MIB);
        assert_memory_equal(at + 8 + MIB, "\r\n", 2);
        at += MIB + 10;
    }
    assert_memory_equal(at, LAST_CHUNK, 5);
    assert_ptr_equal(at + 5, client->input + client->input_bytes);
    free(piece);
}

/* More than the sockets hold, to a peer that reads late. */
static void test_big_pieces(void **state)
{
    enum { PIECES = 8 };
    struct fixture *fixture = open_fixture();
    struct client *client = client_open_deaf(&fixture->clients, http_server_port(&fixture->server));
    char *piece = malloc(MIB);
    ssize_t waiting = 0;
    (void)state;
    assert_non_null(piece);
    client->raw = true;
    client_get(client, "/stream");
    await_streams(fixture, 1);
    for (unsigned i = 0; i < PIECES; i++) {
        fill(piece, i);
        ssize_t more = http_exchange_write(fixture->streams[0], piece, MIB);
        assert_in_range(more, (unsigned long)waiting, (unsigned long)(i + 1) * (MIB + 10));
        waiting = more;
    }
    assert_true(waiting > MIB);
    http_exchange_end(fixture->streams[0]);
    free(piece);
    client_listen(client);
    while (client->input_bytes < (size_t)PIECES * (MIB + 10) || !has_come(client, "\r\n0\r\n\r\n"))
        uv_run(&fixture->loop, UV_RUN_ONCE);
    assert_pieces(client, PIECES);
    close_fixture(fixture);
}

static void test_many_streams(void **state)
{
    struct fixture *fixture = open_fixture();
    struct client *clients[MANY], *caller = open_client(fixture);
    (void)state;
    for (unsigned i = 0; i < MANY; i++)
        clients[i] = open_stream(fixture);
    client_get(caller, "/shout");
    await_text(caller, "shouted");
    for (unsigned i = 0; i < MANY; i++) {
        await_text(clients[i], "shout\r\n");
        assert_input(clients[i], STREAM_HEAD "5\r\nshout\r\n");
        if (i % 2)
            client_leave(clients[i]);
    }
    await_abandoned(fixture, MANY / 2);
    for (unsigned i = 0; i < MANY; i++)
        assert_true((fixture->streams[i] == NULL) == i % 2);
    for (unsigned i = 0; i < MANY; i += 2)
        http_exchange_end(fixture->streams[i]);
    for (unsigned i = 0; i < MANY; i += 2)
        await_text(clients[i], LAST_CHUNK);
    close_fixture(fixture);
}

/* ------------------------------------------------------------------ readers that leave */

static void check_leaving(void (*leave)(struct client *client))
{
    struct fixture *fixture = open_fixture();
    struct client *client = open_stream(fixture);
    put(fixture, 0, "hello");
    await_text(client, "hello");
    leave(client);
    await_abandoned(fixture, 1);
    assert_int_equal(counter_get(&fixture->server.counters->exchanges_abandoned), 1);
    assert_int_equal(counter_get(&fixture->server.counters->answers_2xx), 0);
    close_fixture(fixture);
}

static void end_half(struct client *client)
{
    uv_os_fd_t fd;
    assert_int_equal(uv_fileno((uv_handle_t *)&client->socket, &fd), 0);
    assert_int_equal(shutdown(fd, SHUT_WR), 0);
}

static void test_a_reader_leaves(void **state)
{
    (void)state;
    check_leaving(client_leave);
    check_leaving(client_reset);
    check_leaving(end_half);
}

/* The owner writes before the loop has told it: it hears of the end once, by what write returns. */
static void test_writing_to_a_reader_that_has_left(void **state)
{
    struct fixture *fixture = open_fixture();
    struct client *client = open_stream(fixture);
    (void)state;
    await_text(client, "\r\n\r\n");
    client_reset(client);
    assert_true(http_exchange_write(fixture->streams[0], "hello", 5) < 0);
    assert_int_equal(counter_get(&fixture->server.counters->exchanges_abandoned), 1);
    uv_run(&fixture->loop, UV_RUN_NOWAIT);
    uv_run(&fixture->loop, UV_RUN_NOWAIT);
    count_abandoned(fixture);
    assert_int_equal(fixture->abandoned, 0);
    assert_int_equal(fixture->server.connection_handles, 0);
    close_fixture(fixture);
}

/* Its half is ended while bytes wait for it: it still gets them, and then the connection ends. */
static void test_a_slow_reader_ends_its_half(void **state)
{
    struct fixture *fixture = open_fixture();
    struct client *client = client_open_deaf(&fixture->clients, http_server_port(&fixture->server));
    char *piece = malloc(MIB);
    (void)state;
    assert_non_null(piece);
    memset(piece, 'x', MIB);
    client->raw = true;
    client_get(client, "/stream");
    await_streams(fixture, 1);
    while (http_exchange_write(fixture->streams[0], piece, MIB) == 0)
        ;
    free(piece);
    end_half(client);
    await_abandoned(fixture, 1);
    client_listen(client);
    client_await_end(client);
    assert_int_equal(client->error, 0);
    assert_memory_equal(client->input + client->input_bytes - 3, "x\r\n", 3);
    assert_int_equal(counter_get(&fixture->server.counters->exchanges_abandoned), 1);
    close_fixture(fixture);
}

/* ------------------------------------------------------------------ readers that do not read */

static struct client *open_deaf_stream(struct fixture *fixture)
{
    struct client *client = client_open_deaf(&fixture->clients, http_server_port(&fixture->server));
    client->raw = true;
    client_get(client, "/stream");
    await_streams(fixture, fixture->begun + 1);
    return client;
}

static void test_a_slow_reader_is_cut(void **state)
{
    static const char piece[64 * 1024];
    struct fixture *fixture = open_fixture();
    struct client *client = open_deaf_stream(fixture);
    ssize_t waiting = 0;
    (void)state;
    while (waiting >= 0 && waiting < MIB) {
        waiting = http_exchange_write(fixture->streams[0], piece, sizeof piece);
        uv_run(&fixture->loop, UV_RUN_NOWAIT);
    }
    assert_true(waiting >= MIB);
    http_exchange_cut(fixture->streams[0]);
    assert_int_equal(counter_get(&fixture->server.counters->exchanges_abandoned), 1);
    client_listen(client);
    client_await_end(client);
    assert_false(has_come(client, "\r\n" LAST_CHUNK));
    count_abandoned(fixture);
    assert_int_equal(fixture->abandoned, 0);
    close_fixture(fixture);
}

static void test_cut_within_the_handler(void **state)
{
    struct fixture *fixture = open_fixture();
    struct client *client = open_client(fixture);
    (void)state;
    client_get(client, "/cut");
    client_await_end(client);
    assert_int_equal(counter_get(&fixture->server.counters->exchanges_abandoned), 1);
    close_fixture(fixture);
}

/* Bytes that are put behind those that wait are no progress. */
static void test_a_reader_that_takes_nothing(void **state)
{
    static const char piece[64 * 1024];
    static struct fixture fixture;
    struct http_limits limits = HTTP_LIMITS_DEFAULT;
    (void)state;
    limits.write_timeout_ms = 40;
    open_server(&fixture, &limits);
    open_deaf_stream(&fixture);
    while (http_exchange_write(fixture.streams[0], piece, sizeof piece) == 0)
        ;
    while (fixture.streams[0] != NULL) {
        uv_run(&fixture.loop, UV_RUN_ONCE);
        if (fixture.streams[0] != NULL)
            http_exchange_write(fixture.streams[0], "more", 4);
    }
    assert_int_equal(counter_get(&fixture.server.counters->timeouts_write), 1);
    assert_int_equal(counter_get(&fixture.server.counters->exchanges_abandoned), 1);
    close_fixture(&fixture);
}

/* Connections that say nothing end three times, one after the other; the stream is still there. */
static void test_silence_is_no_time_out(void **state)
{
    static struct fixture fixture;
    struct http_limits limits = HTTP_LIMITS_DEFAULT;
    (void)state;
    limits.headers_timeout_ms = limits.request_timeout_ms = 40;
    limits.keep_alive_timeout_ms = limits.write_timeout_ms = 40;
    open_server(&fixture, &limits);
    struct client *client = open_stream(&fixture);
    for (int i = 0; i < 3; i++)
        client_await_end(open_client(&fixture));
    assert_int_equal(counter_get(&fixture.server.counters->timeouts_headers), 3);
    put(&fixture, 0, "still here");
    await_text(client, "still here");
    close_fixture(&fixture);
}

/* ------------------------------------------------------------------ the end of the server */

static void test_a_drain_ends_streams(void **state)
{
    struct fixture *fixture = open_fixture();
    struct client *client = open_stream(fixture);
    (void)state;
    put(fixture, 0, "hello");
    drain(fixture);
    assert_null(fixture->streams[0]);
    client_await_end(client);
    assert_int_equal(client->error, 0);
    assert_input(client, STREAM_HEAD "5\r\nhello\r\n" LAST_CHUNK);
    assert_int_equal(counter_get(&fixture->server.counters->answers_2xx), 1);
    assert_int_equal(counter_get(&fixture->server.counters->exchanges_abandoned), 0);
    close_fixture(fixture);
}

/* A stream that was asked for in time gets its head, and its end with it. */
static void test_a_drain_and_what_is_behind(void **state)
{
    struct fixture *fixture = open_fixture();
    struct client *client = open_client(fixture);
    (void)state;
    client_send(client,
                "GET /stream HTTP/1.1\r\nHost: a\r\n\r\nGET /fast HTTP/1.1\r\nHost: a\r\n\r\n"
                "GET /stream HTTP/1.1\r\nHost: a\r\n\r\n");
    await_streams(fixture, 1);
    drain(fixture);
    client_await_end(client);
    assert_input(client, STREAM_HEAD LAST_CHUNK FAST_ANSWER LAST_STREAM_HEAD LAST_CHUNK);
    assert_int_equal(fixture->begun, 1);
    assert_int_equal(fixture->refused, 1);
    assert_int_equal(counter_get(&fixture->server.counters->answers_2xx), 3);
    close_fixture(fixture);
}

static void test_a_cut_server_abandons_streams(void **state)
{
    struct fixture *fixture = open_fixture();
    static const char piece[64 * 1024];
    struct client *client = open_deaf_stream(fixture);
    (void)state;
    while (http_exchange_write(fixture->streams[0], piece, sizeof piece) == 0)
        ;
    drain(fixture); /* the last chunk waits behind what the reader does not take */
    assert_null(fixture->streams[0]);
    http_server_cut(&fixture->server);
    while (!fixture->is_closed)
        uv_run(&fixture->loop, UV_RUN_ONCE);
    assert_false(has_come(client, "\r\n" LAST_CHUNK));
    close_fixture(fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chunks),
        cmocka_unit_test(test_all_within_the_handler),
        cmocka_unit_test(test_http_1_0),
        cmocka_unit_test(test_head),
        cmocka_unit_test(test_close_is_announced),
        cmocka_unit_test(test_the_last_request_of_a_socket),
        cmocka_unit_test(test_a_deferred_exchange_becomes_a_stream),
        cmocka_unit_test(test_what_is_behind_waits),
        cmocka_unit_test(test_big_pieces),
        cmocka_unit_test(test_many_streams),
        cmocka_unit_test(test_a_reader_leaves),
        cmocka_unit_test(test_writing_to_a_reader_that_has_left),
        cmocka_unit_test(test_a_slow_reader_ends_its_half),
        cmocka_unit_test(test_a_slow_reader_is_cut),
        cmocka_unit_test(test_cut_within_the_handler),
        cmocka_unit_test(test_a_reader_that_takes_nothing),
        cmocka_unit_test(test_silence_is_no_time_out),
        cmocka_unit_test(test_a_drain_ends_streams),
        cmocka_unit_test(test_a_drain_and_what_is_behind),
        cmocka_unit_test(test_a_cut_server_abandons_streams),
    };
    harness_prepare_process();
    return cmocka_run_group_tests_name("stream", tests, NULL, NULL);
}
