/* events_test.c – a server of nothing but events: what is kept, what a new reader gets, and what
 * becomes of one that does not read. */
#include "server/observe/events.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "server/http/server.h"
#include "tests/support/client.h"
#include "tests/support/harness.h"

enum { ERA = 0xe2a01 };

/* On the loop of the test, so it can publish as much as it likes. */
struct publisher {
    uv_loop_t loop;
    struct http_server http;
    struct clients clients;
    struct events events;
    char *batch;
};

static void answer_events(struct http_exchange *exchange, void *context)
{
    events_answer(&((struct publisher *)context)->events, exchange);
}

static void publisher_open(struct publisher *publisher, size_t batch_bytes)
{
    static const struct http_route table[] = {{"/", HTTP_METHOD_GET, answer_events, "", ""}};
    static const struct http_router router = {table, 1, NULL};
    const struct http_limits limits = HTTP_LIMITS_DEFAULT;
    assert_int_equal(uv_loop_init(&publisher->loop), 0);
    assert_int_equal(
        http_server_init(&publisher->http, &publisher->loop, &limits, &router, publisher), 0);
    assert_int_equal(http_server_listen(&publisher->http, "127.0.0.1", 0, false), 0);
    publisher->clients = (struct clients){.loop = &publisher->loop};
    events_init(&publisher->events, ERA);
    publisher->batch = malloc(batch_bytes + 1);
    assert_non_null(publisher->batch);
    memset(publisher->batch, 'x', batch_bytes);
    publisher->batch[batch_bytes] = '\0';
}

static void publisher_close(struct publisher *publisher)
{
    clients_leave(&publisher->clients);
    http_server_drain(&publisher->http, NULL, NULL);
    uv_run(&publisher->loop, UV_RUN_DEFAULT);
    events_close(&publisher->events);
    clients_free(&publisher->clients);
    assert_int_equal(uv_loop_close(&publisher->loop), 0);
    free(publisher->batch);
}

static unsigned listeners_of(const struct publisher *publisher)
{
    unsigned count = 0;
    for (int i = 0; i < EVENTS_LISTENERS; i++)
        count += publisher->events.listeners[i] != NULL;
    return count;
}

static struct client *listen_to(struct publisher *publisher, bool deaf)
{
    unsigned listeners = listeners_of(publisher), port = http_server_port(&publisher->http);
    struct client *client =
        deaf ? client_open_deaf(&publisher->clients, port) : client_open(&publisher->clients, port);
    client->raw = true;
    client_get(client, "/");
    while (listeners_of(publisher) == listeners)
        uv_run(&publisher->loop, UV_RUN_ONCE);
    return client;
}

/* Until this reader has the event with this number, and what was read can be forgotten. */
static void await_event(struct publisher *publisher, struct client *client, uint64_t number)
{
    char words[40];
    int length =
        snprintf(words, sizeof words, "id: 00000000000e2a01-%llu\n", (unsigned long long)number);
    while (client->input == NULL ||
           memmem(client->input, client->input_bytes, words, (size_t)length) == NULL) {
        assert_false(client->ended);
        uv_run(&publisher->loop, UV_RUN_ONCE);
    }
    client->input_bytes = 0;
}

static void test_who_does_not_read_is_dropped(void **state)
{
    enum { BATCH_BYTES = 64 * 1024, ENOUGH = 4 * EVENTS_UNREAD_BYTES / BATCH_BYTES };
    static struct publisher publisher;
    (void)state;
    publisher_open(&publisher, BATCH_BYTES);
    struct client *reader = listen_to(&publisher, false);
    struct client *deaf = listen_to(&publisher, true);
    unsigned published = 0;
    for (; publisher.events.dropped == 0; published++) {
        assert_true(published < ENOUGH);
        events_publish(&publisher.events, publisher.batch);
        await_event(&publisher, reader, publisher.events.last);
    }
    assert_true(published * BATCH_BYTES > EVENTS_UNREAD_BYTES);
    assert_int_equal(listeners_of(&publisher), 1);
    assert_false(deaf->ended); /* it does not even read that */
    events_publish(&publisher.events, publisher.batch);
    await_event(&publisher, reader, publisher.events.last);
    assert_int_equal(publisher.events.dropped, 1);
    publisher_close(&publisher);
}

static size_t unread_of_all(const struct publisher *publisher)
{
    size_t bytes = 0;
    for (size_t i = 0; i < EVENTS_LISTENERS; i++) {
        struct http_exchange *listener = publisher->events.listeners[i];
        bytes += listener != NULL ? (size_t)http_exchange_write(listener, NULL, 0) : 0;
    }
    return bytes;
}

/* Each of them could have four megabytes; all of them together could not. */
static void test_what_nobody_reads_is_bounded(void **state)
{
    enum { BATCH_BYTES = 256 * 1024, DEAF = 40 };
    static struct publisher publisher;
    (void)state;
    publisher_open(&publisher, BATCH_BYTES);
    for (unsigned i = 0; i < DEAF; i++)
        listen_to(&publisher, true);
    for (unsigned published = 0; publisher.events.dropped == 0; published++) {
        assert_true(published < 4 * EVENTS_UNREAD_BYTES / BATCH_BYTES);
        events_publish(&publisher.events, publisher.batch);
        assert_true(unread_of_all(&publisher) <= EVENTS_ALL_UNREAD_BYTES);
        uv_run(&publisher.loop, UV_RUN_NOWAIT);
    }
    assert_in_range(listeners_of(&publisher), 1, DEAF - 1);
    publisher_close(&publisher);
}

static void assert_kept(const struct publisher *publisher)
{
    const struct events *events = &publisher->events;
    size_t bytes = 0;
    for (uint64_t number = events->first_kept; number <= events->last; number++) {
        assert_non_null(events->kept[number % EVENTS_KEPT].text);
        bytes += events->kept[number % EVENTS_KEPT].bytes;
    }
    assert_int_equal(bytes, events->kept_bytes);
    assert_true(bytes <= EVENTS_KEPT_BYTES);
    assert_true(events->last - events->first_kept < EVENTS_KEPT);
}

static void test_what_is_kept_is_bounded(void **state)
{
    static struct publisher publisher;
    (void)state;
    publisher_open(&publisher, 1024 * 1024);
    for (int i = 0; i < 40; i++) {
        events_publish(&publisher.events, publisher.batch);
        assert_kept(&publisher);
    }
    for (int i = 0; i < 2 * EVENTS_KEPT; i++) {
        events_publish(&publisher.events, "{}");
        assert_kept(&publisher);
    }
    assert_int_equal(publisher.events.last, 40 + 2 * EVENTS_KEPT);
    assert_int_equal(publisher.events.last - publisher.events.first_kept, EVENTS_KEPT - 1);
    publisher_close(&publisher);
}

/* The last EVENTS_FIRST, and not all that is kept. */
static void test_who_is_new_gets_the_last_ones(void **state)
{
    static struct publisher publisher;
    (void)state;
    publisher_open(&publisher, 10);
    for (int i = 0; i < 3 * EVENTS_FIRST; i++)
        events_publish(&publisher.events, publisher.batch);
    struct client *client = listen_to(&publisher, false);
    while (client->input == NULL ||
           memmem(client->input, client->input_bytes, "a01-300\n", 8) == NULL)
        uv_run(&publisher.loop, UV_RUN_ONCE);
    assert_non_null(memmem(client->input, client->input_bytes, "a01-201\n", 8));
    assert_null(memmem(client->input, client->input_bytes, "a01-200\n", 8));
    publisher_close(&publisher);
}

/* More than a reader may leave unread is not sent at once: it would be dropped for nothing. */
static void test_a_replay_is_bounded(void **state)
{
    static struct publisher publisher;
    (void)state;
    publisher_open(&publisher, 512 * 1024);
    for (int i = 0; i < 20; i++)
        events_publish(&publisher.events, publisher.batch);
    listen_to(&publisher, true);
    assert_int_equal(publisher.events.dropped, 0);
    assert_int_equal(listeners_of(&publisher), 1);
    publisher_close(&publisher);
}

/* A comment is no event: it has no number, and is not kept for others. */
static void test_a_ping_is_a_comment(void **state)
{
    static struct publisher publisher;
    static const char expected[] = "\r\n: ping\n\n\r\n"; /* a chunk of its own */
    (void)state;
    publisher_open(&publisher, 10);
    struct client *client = listen_to(&publisher, false);
    events_ping(&publisher.events);
    while (client->input == NULL ||
           memmem(client->input, client->input_bytes, expected, sizeof expected - 1) == NULL)
        uv_run(&publisher.loop, UV_RUN_ONCE);
    assert_int_equal(publisher.events.last, 0);
    publisher_close(&publisher);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_who_does_not_read_is_dropped),
        cmocka_unit_test(test_what_nobody_reads_is_bounded),
        cmocka_unit_test(test_what_is_kept_is_bounded),
        cmocka_unit_test(test_who_is_new_gets_the_last_ones),
        cmocka_unit_test(test_a_replay_is_bounded),
        cmocka_unit_test(test_a_ping_is_a_comment),
    };
    harness_prepare_process();
    return cmocka_run_group_tests_name("events", tests, NULL, NULL);
}
