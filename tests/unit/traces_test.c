/* traces_test.c – a server of nothing but traces of a full ring, which is more than sockets hold:
 * how many readers it has, what they cost while they do not read, and what they get when they do.
 */
#include "server/observe/traces.h"

#include <cjson/cJSON.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "server/http/server.h"
#include "tests/support/client.h"
#include "tests/support/harness.h"

static const struct names NAMES = {
    .works = {"worker"},
    .strategy_count = 1,
    .kernels = {"primes"},
    .routes = {"/heavy"},
};

enum { READERS = 40, RECORDS = TRACE_SLOTS - 1, PIECE_BYTES_MAX = 64 * 1024 };

struct tracer {
    uv_loop_t loop;
    struct http_server http;
    struct clients clients;
    struct recordings recordings;
    struct survey survey;
    struct traces traces;
    struct client *readers[READERS];
};

static void answer_trace(struct http_exchange *exchange, void *context)
{
    traces_answer(&((struct tracer *)context)->traces, exchange);
}

static void answer_ping(struct http_exchange *exchange, void *context)
{
    (void)context;
    http_exchange_answer(exchange, &(struct http_response){.status = 200, .content_type = "a/b"});
}

/* A job that took no time, at this millisecond. */
static void record_trip(struct tracer *tracer, uint64_t ms)
{
    uint64_t at_ns = tracer->survey.epoch_ns + ms * 1000000;
    trace_write(&tracer->recordings.table->trace, &(struct trace_record){
                                                      .id = ms + 1,
                                                      .kind = TRACE_TRIP,
                                                      .kernel = 1,
                                                      .lane_kind = LANE_WORKER,
                                                      .number = 1,
                                                      .submitted_ns = at_ns,
                                                      .started_ns = at_ns,
                                                      .finished_ns = at_ns,
                                                      .delivered_ns = at_ns,
                                                  });
}

static void record_trips(struct tracer *tracer, uint64_t first_ms)
{
    for (uint64_t i = 0; i < RECORDS; i++)
        record_trip(tracer, first_ms + i);
}

static int tracer_open(void **state)
{
    static const struct http_route table[] = {
        {"/", HTTP_METHOD_GET, answer_trace, "", ""},
        {"/ping", HTTP_METHOD_GET, answer_ping, "", ""},
    };
    static const struct http_router router = {table, 2, NULL};
    const struct http_limits limits = HTTP_LIMITS_DEFAULT;
    struct tracer *tracer = *state = calloc(1, sizeof *tracer);
    uint64_t epoch_ns = trip_clock_ns();
    assert_non_null(tracer);
    assert_int_equal(recordings_init(&tracer->recordings, 1), 0);
    recording_begin(tracer->recordings.table, epoch_ns, 0);
    assert_int_equal(survey_init(&tracer->survey, &tracer->recordings, &NAMES, epoch_ns), 0);
    record_trips(tracer, 0);
    survey_look(&tracer->survey);
    assert_int_equal(uv_loop_init(&tracer->loop), 0);
    assert_int_equal(http_server_init(&tracer->http, &tracer->loop, &limits, &router, tracer), 0);
    assert_int_equal(http_server_listen(&tracer->http, "127.0.0.1", 0, false), 0);
    traces_init(&tracer->traces, &tracer->loop, &tracer->survey);
    tracer->clients = (struct clients){.loop = &tracer->loop};
    return 0;
}

static int tracer_close(void **state)
{
    struct tracer *tracer = *state;
    traces_cut(&tracer->traces);
    traces_close(&tracer->traces);
    clients_leave(&tracer->clients);
    http_server_drain(&tracer->http, NULL, NULL);
    uv_run(&tracer->loop, UV_RUN_DEFAULT);
    clients_free(&tracer->clients);
    assert_int_equal(uv_loop_close(&tracer->loop), 0);
    survey_close(&tracer->survey);
    recordings_close(&tracer->recordings);
    free(tracer);
    return 0;
}

/* ------------------------------------------------------------------ readers */

struct readers {
    unsigned all, waiting;
};

static struct readers readers_of(const struct tracer *tracer)
{
    struct readers readers = {0, 0};
    for (size_t i = 0; i < TRACES_MAX; i++) {
        readers.all += tracer->traces.readers[i].exchange != NULL;
        readers.waiting +=
            tracer->traces.readers[i].exchange != NULL && tracer->traces.readers[i].waits;
    }
    return readers;
}

static struct client *open_reader(struct tracer *tracer)
{
    struct client *client = client_open_deaf(&tracer->clients, http_server_port(&tracer->http));
    client->raw = true;
    client_get(client, "/");
    return client;
}

static void await_stuck(struct tracer *tracer, unsigned count)
{
    struct readers readers;
    do {
        uv_run(&tracer->loop, UV_RUN_ONCE);
        readers = readers_of(tracer);
    } while (readers.all < count || readers.waiting < count);
}

static bool has_all(const struct client *client)
{
    static const char end[] = "0\r\n\r\n";
    size_t length = sizeof end - 1;
    return client->input_bytes > length &&
           memcmp(client->input + client->input_bytes - length, end, length) == 0;
}

static void read_to_the_end(struct tracer *tracer, struct client *client)
{
    client_listen(client);
    while (!has_all(client)) {
        assert_false(client->ended);
        uv_run(&tracer->loop, UV_RUN_ONCE);
    }
}

/* The content of an answer in chunks, without them, parsed. */
static cJSON *content_of(const struct client *client)
{
    const char *at = (char *)memmem(client->input, client->input_bytes, "\r\n\r\n", 4) + 4;
    char *text = malloc(client->input_bytes), *to = text, *rest;
    size_t bytes;
    assert_non_null(text);
    while ((bytes = strtoull(at, &rest, 16)) > 0) {
        assert_in_range(bytes, 1, PIECE_BYTES_MAX);
        memcpy(to, rest + 2, bytes);
        to += bytes;
        at = rest + 2 + bytes + 2;
    }
    *to = '\0';
    cJSON *content = cJSON_Parse(text);
    assert_non_null(content);
    free(text);
    return content;
}

struct found {
    unsigned runs;
    unsigned dropped; /* as the label says */
};

static struct found look_into(const cJSON *trace)
{
    struct found found = {0, 0};
    const cJSON *event;
    cJSON_ArrayForEach(event, cJSON_GetObjectItem(trace, "traceEvents"))
    {
        const char *name = cJSON_GetObjectItem(event, "name")->valuestring;
        const cJSON *arguments = cJSON_GetObjectItem(event, "args");
        if (strcmp(cJSON_GetObjectItem(event, "ph")->valuestring, "X") == 0)
            found.runs += strcmp(name, "primes") == 0;
        if (strcmp(name, "process_labels") == 0)
            found.dropped =
                (unsigned)strtoul(cJSON_GetObjectItem(arguments, "labels")->valuestring, NULL, 10);
    }
    return found;
}

/* ------------------------------------------------------------------ the tests */

static size_t unread_bytes(const struct tracer *tracer)
{
    size_t bytes = 0;
    for (size_t i = 0; i < TRACES_MAX; i++) {
        struct http_exchange *exchange = tracer->traces.readers[i].exchange;
        ssize_t unread = exchange != NULL ? http_exchange_write(exchange, NULL, 0) : 0;
        assert_in_range(unread, 0, PIECE_BYTES_MAX);
        bytes += (size_t)unread;
    }
    return bytes;
}

/* Forty want to have it, and read nothing. */
static void test_readers_that_do_not_read(void **state)
{
    struct tracer *tracer = *state;
    for (size_t i = 0; i < READERS; i++)
        tracer->readers[i] = open_reader(tracer);
    struct client *other = client_open(&tracer->clients, http_server_port(&tracer->http));
    unsigned pings = 0;
    do {
        client_get(other, "/ping");
        assert_int_equal(client_await(other, ++pings)->status, 200);
    } while (readers_of(tracer).waiting < TRACES_MAX ||
             uv_is_active((uv_handle_t *)&tracer->traces.turn));
    assert_int_equal(readers_of(tracer).all, TRACES_MAX);
    assert_in_range(unread_bytes(tracer), TRACES_MAX, TRACES_MAX * PIECE_BYTES_MAX);
}

static void test_one_too_many_is_told_when_to_come_back(void **state)
{
    struct tracer *tracer = *state;
    for (size_t i = 0; i < TRACES_MAX; i++)
        tracer->readers[i] = open_reader(tracer);
    await_stuck(tracer, TRACES_MAX);
    struct client *other = client_open(&tracer->clients, http_server_port(&tracer->http));
    client_get(other, "/");
    const struct answer *answer = client_await(other, 1);
    assert_int_equal(answer->status, 503);
    assert_non_null(answer_field(answer, "Retry-After"));
    client_reset(tracer->readers[3]);
    while (readers_of(tracer).all == TRACES_MAX)
        uv_run(&tracer->loop, UV_RUN_ONCE);
    struct client *next = open_reader(tracer);
    await_stuck(tracer, TRACES_MAX);
    read_to_the_end(tracer, next);
    assert_int_equal(readers_of(tracer).all, TRACES_MAX - 1);
}

static void test_who_reads_gets_all_of_it(void **state)
{
    struct tracer *tracer = *state;
    struct client *reader = open_reader(tracer);
    await_stuck(tracer, 1);
    read_to_the_end(tracer, reader);
    cJSON *trace = content_of(reader);
    struct found found = look_into(trace);
    assert_int_equal(found.runs, RECORDS);
    assert_int_equal(found.dropped, 0);
    cJSON_Delete(trace);
}

/* The ring goes on while nobody reads: what is lost is counted, and what is new is not of this
 * trace. */
static void test_what_is_overwritten_is_said(void **state)
{
    struct tracer *tracer = *state;
    struct client *reader = open_reader(tracer);
    await_stuck(tracer, 1);
    for (uint64_t i = 0; i < RECORDS - 100; i++)
        record_trip(tracer, RECORDS + i);
    read_to_the_end(tracer, reader);
    cJSON *trace = content_of(reader);
    struct found found = look_into(trace);
    assert_in_range(found.dropped, 1, RECORDS - 100);
    assert_int_equal(found.runs + found.dropped, RECORDS);
    cJSON_Delete(trace);
}

/* Twice over: nothing that was to come is left. */
static void test_all_that_was_to_come_is_overwritten(void **state)
{
    struct tracer *tracer = *state;
    struct client *reader = open_reader(tracer);
    await_stuck(tracer, 1);
    record_trips(tracer, RECORDS);
    record_trips(tracer, 2 * RECORDS);
    read_to_the_end(tracer, reader);
    cJSON *trace = content_of(reader);
    struct found found = look_into(trace);
    assert_in_range(found.dropped, 1, RECORDS);
    assert_int_equal(found.runs + found.dropped, RECORDS);
    cJSON_Delete(trace);
}

/* Its end is missing, which a reader can see. */
static void test_a_trace_that_is_cut_is_not_complete(void **state)
{
    struct tracer *tracer = *state;
    struct client *reader = open_reader(tracer);
    await_stuck(tracer, 1);
    traces_cut(&tracer->traces);
    assert_int_equal(readers_of(tracer).all, 0);
    client_listen(reader);
    client_await_end(reader);
    assert_false(has_all(reader));
}

static void test_head_has_no_content(void **state)
{
    struct tracer *tracer = *state;
    struct client *client = client_open(&tracer->clients, http_server_port(&tracer->http));
    client->head_only = true;
    client_send(client, "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_int_equal(client_await(client, 1)->status, 200);
    assert_int_equal(readers_of(tracer).all, 0);
}

#define TRACES_TEST(name) cmocka_unit_test_setup_teardown(name, tracer_open, tracer_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TRACES_TEST(test_readers_that_do_not_read),
        TRACES_TEST(test_one_too_many_is_told_when_to_come_back),
        TRACES_TEST(test_who_reads_gets_all_of_it),
        TRACES_TEST(test_what_is_overwritten_is_said),
        TRACES_TEST(test_all_that_was_to_come_is_overwritten),
        TRACES_TEST(test_a_trace_that_is_cut_is_not_complete),
        TRACES_TEST(test_head_has_no_content),
    };
    harness_prepare_process();
    return cmocka_run_group_tests_name("traces", tests, NULL, NULL);
}
