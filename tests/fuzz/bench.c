/* bench.c – see bench.h. */
#include "tests/fuzz/bench.h"

#include <stdio.h>
#include <string.h>

#include "server/http/problem.h"
#include "tests/fuzz/allocation.h"
#include "tests/fuzz/responses.h"

static struct bench the_bench;
static unsigned char big[BENCH_BIG_BYTES];

/* ------------------------------------------------------------------ notes */

static uint64_t hash_bytes(uint64_t hash, const void *bytes, size_t length)
{
    const unsigned char *at = bytes;
    for (; length >= 8; at += 8, length -= 8) {
        uint64_t word;
        memcpy(&word, at, sizeof word);
        hash = (hash ^ word) * 0x9e3779b97f4a7c15u;
        hash ^= hash >> 29;
    }
    for (; length > 0; at++, length--)
        hash = (hash ^ *at) * 0x100000001b3u;
    return hash;
}

/* Of a long body both ends: bytes that are lost or doubled in the middle shift the end. */
static uint64_t hash_body(const void *body, size_t length)
{
    enum { END_BYTES = 2048 };
    if (length <= (size_t)2 * END_BYTES)
        return hash_bytes(length, body, length);
    const char *end = (const char *)body + length - END_BYTES;
    return hash_bytes(hash_bytes(length, body, END_BYTES), end, END_BYTES);
}

static uint64_t hash_text(uint64_t hash, const char *text)
{
    return hash_bytes(hash, text, strlen(text) + 1);
}

static uint64_t hash_request(const struct http_request *request)
{
    uint64_t hash = hash_bytes(1, &request->method, sizeof request->method);
    hash = hash_bytes(hash, &request->version_minor, sizeof request->version_minor);
    hash = hash_text(hash, request->path);
    hash = hash_text(hash, request->query);
    for (const char *field = request->fields; *field != '\0'; field += strlen(field) + 1) {
        hash = hash_text(hash, field);
        field += strlen(field) + 1;
        hash = hash_text(hash, field);
    }
    return hash_bytes(hash, request->body, request->body_bytes);
}

static struct bench_record *record_of(const struct http_exchange *exchange)
{
    for (size_t i = the_bench.record_count; i > 0; i--) {
        if (the_bench.records[i - 1].exchange == exchange)
            return &the_bench.records[i - 1];
    }
    fuzz_fail("every answer has a request that waits for it");
}

static void note_life(const struct fake_peer *peer)
{
    the_bench.spoke_ms[peer - the_bench.uv.peers] = the_bench.uv.lived_ms;
}

void __real_http_router_dispatch(const struct http_router *router, struct http_exchange *exchange,
                                 void *context);
void __wrap_http_router_dispatch(const struct http_router *router, struct http_exchange *exchange,
                                 void *context);
void __wrap_http_router_dispatch(const struct http_router *router, struct http_exchange *exchange,
                                 void *context)
{
    const struct http_request *request = http_exchange_request(exchange);
    struct bench_record *record = &the_bench.records[the_bench.record_count++];
    FUZZ_CHECK(the_bench.record_count <= BENCH_RECORDS && the_bench.uv.current != NULL);
    *record = (struct bench_record){
        .peer = the_bench.uv.current,
        .exchange = exchange,
        .request_hash = hash_request(request),
        .head_only = request->method == HTTP_METHOD_HEAD,
    };
    note_life(record->peer);
    __real_http_router_dispatch(router, exchange, context);
    FUZZ_CHECK(record->deferred || record->answered == 1);
}

void __real_http_exchange_answer(struct http_exchange *exchange,
                                 const struct http_response *response);
void __wrap_http_exchange_answer(struct http_exchange *exchange,
                                 const struct http_response *response);
void __wrap_http_exchange_answer(struct http_exchange *exchange,
                                 const struct http_response *response)
{
    struct bench_record *record = record_of(exchange);
    FUZZ_CHECK(record->answered + record->abandoned == 0);
    record->answered = 1;
    record->exchange = NULL;
    record->status = response->status;
    record->body_bytes = response->body_bytes;
    record->body_hash = hash_body(response->body, response->body_bytes);
    note_life(record->peer);
    __real_http_exchange_answer(exchange, response);
}

/* ------------------------------------------------------------------ routes */

static void answer_bytes(struct http_exchange *exchange, const void *body, size_t length)
{
    http_exchange_answer(exchange, &(struct http_response){
                                       .status = 200,
                                       .content_type = "application/octet-stream",
                                       .fields = "X-Bench: yes\r\n",
                                       .body = body,
                                       .body_bytes = length,
                                   });
}

static void answer_number(struct http_exchange *exchange, const struct bench_record *record)
{
    char text[32];
    int length = snprintf(text, sizeof text, "request %zu\n", (size_t)(record - the_bench.records));
    answer_bytes(exchange, text, (size_t)length);
}

static void fast_handler(struct http_exchange *exchange, void *context)
{
    (void)context;
    answer_number(exchange, record_of(exchange));
}

static void echo_handler(struct http_exchange *exchange, void *context)
{
    const struct http_request *request = http_exchange_request(exchange);
    (void)context;
    answer_bytes(exchange, request->body, request->body_bytes);
}

static void big_handler(struct http_exchange *exchange, void *context)
{
    (void)context;
    answer_bytes(exchange, big, sizeof big);
}

static void problem_handler(struct http_exchange *exchange, void *context)
{
    (void)context;
    http_problem(exchange, 503, "Retry-After: 1\r\n", "%s", "a problem \"on\" purpose");
}

static void forget_copy(struct bench_record *record)
{
    unwatched_free(record->copy);
    record->copy = NULL;
}

/* ------------------------------------------------------------------ a route that streams */

/* All of it has been sent. */
static void note_streamed(struct bench_record *record)
{
    record->answered = 1;
    record->exchange = NULL;
    record->status = 200;
    record->body_bytes = record->copy_bytes;
    record->body_hash = hash_body(record->copy, record->copy_bytes);
    note_life(record->peer);
    forget_copy(record);
}

static void note_lost(struct bench_record *record)
{
    record->abandoned = 1;
    record->exchange = NULL;
    forget_copy(record);
}

/* A drain ends a stream with all that was sent. */
static void on_stream_abandoned(void *data)
{
    struct bench_record *record = data;
    FUZZ_CHECK(record->answered + record->abandoned == 0);
    if (the_bench.server.draining) {
        note_streamed(record);
        the_bench.uv.current = record->peer; /* what is behind it is taken in next */
    } else {
        note_lost(record);
    }
}

static void stream_handler(struct http_exchange *exchange, void *context)
{
    struct bench_record *record = record_of(exchange);
    const struct http_response head = {.status = 200, .content_type = "text/event-stream"};
    (void)context;
    record->deferred = true;
    record->kind = BENCH_STREAM;
    if (!http_exchange_stream(exchange, &head, on_stream_abandoned, record))
        note_streamed(record);
}

static void send_piece(struct bench_record *record, size_t length)
{
    enum { WAITING_MAX = 60000 };
    record->copy = unwatched_realloc(record->copy, record->copy_bytes + length);
    memcpy(record->copy + record->copy_bytes, big, length);
    record->copy_bytes += length;
    ssize_t waiting = http_exchange_write(record->exchange, big, length);
    FUZZ_CHECK(waiting <= 2 * BENCH_BIG_BYTES);
    if (waiting > WAITING_MAX) {
        record->cut = true;
        http_exchange_cut(record->exchange);
    }
    note_life(record->peer);
    if (waiting < 0 || record->cut)
        note_lost(record);
}

static void answer_stream(struct bench_record *record)
{
    static const size_t lengths[] = {5, 3000, BENCH_BIG_BYTES};
    struct http_exchange *exchange = record->exchange;
    if (record->pieces < sizeof lengths / sizeof *lengths) {
        send_piece(record, lengths[record->pieces++]);
        return;
    }
    note_streamed(record);
    http_exchange_end(exchange);
}

static void answer_record(struct bench_record *record)
{
    if (record->kind == BENCH_STREAM) {
        answer_stream(record);
        return;
    }
    if (record->kind == BENCH_SLOW_ECHO)
        answer_bytes(record->exchange, record->copy, record->copy_bytes);
    else if (record->kind == BENCH_SLOW_BIG)
        answer_bytes(record->exchange, big, sizeof big);
    else
        answer_number(record->exchange, record);
    forget_copy(record);
}

static void on_abandoned(void *data)
{
    struct bench_record *record = data;
    FUZZ_CHECK(record->answered + record->abandoned == 0);
    record->abandoned = 1;
    record->exchange = NULL;
    forget_copy(record);
    for (size_t i = 0; record->kind == BENCH_CHAIN && i < FAKE_PEERS; i++)
        bench_answer(&the_bench, &the_bench.uv.peers[i]);
}

static void defer(struct http_exchange *exchange, enum bench_kind kind)
{
    struct bench_record *record = record_of(exchange);
    record->deferred = true;
    record->kind = kind;
    http_exchange_defer(exchange, on_abandoned, record);
}

static void slow_handler(struct http_exchange *exchange, void *context)
{
    (void)context;
    defer(exchange, BENCH_SLOW);
}

static void slow_echo_handler(struct http_exchange *exchange, void *context)
{
    const struct http_request *request = http_exchange_request(exchange);
    struct bench_record *record = record_of(exchange);
    (void)context;
    record->copy_bytes = request->body_bytes;
    record->copy = unwatched_realloc(NULL, request->body_bytes + 1);
    if (request->body_bytes > 0)
        memcpy(record->copy, request->body, request->body_bytes);
    defer(exchange, BENCH_SLOW_ECHO);
}

static void slow_big_handler(struct http_exchange *exchange, void *context)
{
    (void)context;
    defer(exchange, BENCH_SLOW_BIG);
}

static void inner_handler(struct http_exchange *exchange, void *context)
{
    (void)context;
    defer(exchange, BENCH_SLOW);
    answer_record(record_of(exchange));
}

static void chain_handler(struct http_exchange *exchange, void *context)
{
    (void)context;
    defer(exchange, BENCH_CHAIN);
}

enum { GET = HTTP_METHOD_GET, BOTH = HTTP_METHOD_GET | HTTP_METHOD_POST };

static const struct http_route routes[] = {
    {"/fast", BOTH, fast_handler, NULL, ""},
    {"/echo", BOTH | HTTP_METHOD_PUT, echo_handler, NULL, ""},
    {"/big", GET, big_handler, NULL, ""},
    {"/problem", BOTH, problem_handler, NULL, ""},
    {"/slow", BOTH, slow_handler, NULL, ""},
    {"/slow-echo", BOTH, slow_echo_handler, NULL, ""},
    {"/slow-big", GET, slow_big_handler, NULL, ""},
    {"/inner", GET, inner_handler, NULL, ""},
    {"/stream", GET, stream_handler, NULL, ""},
    {"/chain", GET, chain_handler, NULL, ""},
};

/* ------------------------------------------------------------------ the life of a bench */

static bool on_begin(void *data, const struct http_exchange *exchange)
{
    struct bench *bench = data;
    FUZZ_CHECK(http_exchange_fd(exchange) >= 0);
    FUZZ_CHECK(http_exchange_route(exchange) <= bench->server.router.count);
    bench->watched_begins++;
    return true; /* of each */
}

/* Of a peer there is one exchange at a time. */
static void on_answered(void *data, const struct http_answers *answers)
{
    struct bench *bench = data;
    FUZZ_CHECK(answers->to.route <= bench->server.router.count && answers->status >= 0);
    FUZZ_CHECK(answers->count > 0);
    bench->watched_ends += answers->count;
    FUZZ_CHECK(bench->watched_begins >= bench->watched_ends);
    FUZZ_CHECK(bench->watched_begins - bench->watched_ends < FAKE_PEERS);
}

struct bench *bench_open(const struct http_limits *limits)
{
    static const struct http_router router = {routes, sizeof routes / sizeof *routes, NULL};
    static const struct http_watcher watcher = {on_begin, on_answered, &the_bench};
    struct bench *bench = &the_bench;
    for (size_t i = 0; big[0] == 0 && i < sizeof big; i++)
        big[sizeof big - 1 - i] = (unsigned char)('A' + i % 53);
    allocation_watch();
    fake_uv_open(&bench->uv);
    bench->record_count = 0;
    bench->is_closed = false;
    memset(bench->spoke_ms, 0, sizeof bench->spoke_ms);
    FUZZ_CHECK(http_server_init(&bench->server, &bench->uv.loop, limits, &router, NULL) == 0);
    bench->watched_begins = bench->watched_ends = 0;
    http_server_watch(&bench->server, &watcher);
    FUZZ_CHECK(http_server_listen_fd(&bench->server, FAKE_LISTENER_FD) == 0);
    return bench;
}

struct bench_record *bench_waiting(struct bench *bench, const struct fake_peer *peer)
{
    for (size_t i = bench->record_count; i > 0; i--) {
        struct bench_record *record = &bench->records[i - 1];
        if (record->peer == peer)
            return record->exchange != NULL ? record : NULL;
    }
    return NULL;
}

void bench_answer(struct bench *bench, struct fake_peer *peer)
{
    struct bench_record *record = bench_waiting(bench, peer);
    struct fake_peer *interrupted = bench->uv.current;
    if (record == NULL)
        return;
    bench->uv.current = peer; /* its next requests are taken in here */
    answer_record(record);
    bench->uv.current = interrupted;
}

static bool has_connections(const struct bench *bench)
{
    for (size_t i = 0; i < FAKE_PEERS; i++) {
        enum fake_peer_state state = bench->uv.peers[i].state;
        if ((state >= FAKE_WAITING && state <= FAKE_OPEN) || bench->uv.peers[i].stream != NULL)
            return true;
    }
    return false;
}

static void tick(struct bench *bench, uint64_t ms)
{
    bench->uv.now_ms += ms;
    bench->uv.lived_ms += bench->server.tick_ms;
    fake_uv_turn(&bench->uv);
}

void bench_pass(struct bench *bench, unsigned ticks)
{
    for (unsigned i = 0; i < ticks && has_connections(bench); i++)
        tick(bench, bench->server.tick_ms);
}

void bench_freeze(struct bench *bench, uint64_t ms)
{
    tick(bench, ms);
}

static void on_server_closed(void *data)
{
    struct bench *bench = data;
    FUZZ_CHECK(!bench->is_closed);
    bench->is_closed = true;
}

void bench_drain(struct bench *bench)
{
    http_server_drain(&bench->server, on_server_closed, bench);
}

/* ------------------------------------------------------------------ the judgement */

void bench_check_end(const struct bench *bench)
{
    FUZZ_CHECK(bench->is_closed);
    FUZZ_CHECK(bench->uv.open_handles == 0);
    FUZZ_CHECK(allocation_live() == 0);
    FUZZ_CHECK(bench->watched_begins == bench->record_count);
    FUZZ_CHECK(bench->watched_ends == bench->record_count);
    for (size_t i = 0; i < bench->record_count; i++) {
        const struct bench_record *record = &bench->records[i];
        FUZZ_CHECK(record->answered + record->abandoned == 1);
    }
}

static void check_response(const struct bench_record *record, struct response *response)
{
    static char joined[2 * BENCH_BIG_BYTES];
    FUZZ_CHECK(response->status == record->status);
    FUZZ_CHECK(response->streams == (record->kind == BENCH_STREAM));
    FUZZ_CHECK(response->announced_bytes == record->body_bytes || record->status == 204 ||
               response->streams);
    if (record->head_only)
        return;
    if (response->chunked)
        responses_unchunk(response, joined);
    FUZZ_CHECK(response->body_bytes == record->body_bytes);
    FUZZ_CHECK(hash_body(response->body, response->body_bytes) == record->body_hash);
}

/* Returns true if the stream has a whole answer to this request. */
static bool check_record(const struct bench_record *record, struct response *response,
                         struct responses *stream)
{
    if (!responses_next(stream, record->head_only, response))
        return false;
    bool ends_by_close = response->streams && !response->chunked && !record->head_only;
    if (ends_by_close && response->body_bytes < record->body_bytes)
        return false; /* only the end of the connection says that this was all */
    check_response(record, response);
    return true;
}

/* Behind the answers there may be one refusal: with its content, or without if it is of a HEAD, or
 * GOAWAY for a client of HTTP/2. Returns false if there is something else. */
static bool check_refusal(struct responses *stream)
{
    struct response response = {0};
    struct responses of_head = *stream;
    if (stream->left == 0)
        return true;
    if (stream->left >= 9 && memcmp(stream->at, "\0\0\0\4\0\0\0\0\0", 9) == 0)
        return true;
    if (!responses_next(stream, false, &response)) {
        *stream = of_head;
        if (!responses_next(stream, true, &response))
            return false;
    }
    FUZZ_CHECK(response.status >= 400 && response.closes);
    return stream->left == 0;
}

void bench_check_stream(const struct bench *bench, const struct fake_peer *peer, bool whole)
{
    struct responses stream = {.at = peer->taker.bytes, .left = peer->taker.length};
    struct response response = {0};
    bool more = true;
    for (size_t i = 0; i < bench->record_count && more; i++) {
        const struct bench_record *record = &bench->records[i];
        if (record->peer != peer)
            continue;
        if (record->kind == BENCH_STREAM && record->abandoned)
            return; /* there is a part of it, and then nothing more */
        if (record->answered == 0)
            continue;
        FUZZ_CHECK(!response.closes);
        more = check_record(record, &response, &stream);
        FUZZ_CHECK(more || !whole);
    }
    if (!more)
        return;
    bool is_all = response.closes ? stream.left == 0 : check_refusal(&stream);
    FUZZ_CHECK(is_all || !whole);
}
