/* segmentation_fuzz.c – TCP has no messages: the same bytes, whole, byte by byte and cut anywhere,
 * must be the same requests and get the same answers.
 *
 * An input is a byte that chooses the limits, a byte with the number of cuts (at most CUTS_MAX), so
 * many lengths of pieces, and then what the client sends before it ends its half.
 *
 * Two things may differ. "100 Continue" is for a client that waits, and whether one waits can be
 * seen in the pieces alone. And if a message is wrong in two ways, either may be the one that is
 * named; but none may be refused in one delivery and taken in another. */
#include <stdio.h>
#include <string.h>

#include "tests/fuzz/allocation.h"
#include "tests/fuzz/bench.h"

enum { CUTS_MAX = 16 };

/* The pieces have these lengths, over and over; no length at all: one piece. */
struct cuts {
    const uint8_t *lengths;
    size_t count;
};

/* What came of it. */
struct outcome {
    struct fake_bytes output; /* without "100 Continue" */
    uint64_t request_hash[BENCH_RECORDS];
    size_t request_count;
};

/* Every refusal, whatever its reason, becomes the same one (by the linker's --wrap). */
void __real_http_exchange_refuse(struct http_connection *connection, int status,
                                 const char *detail);
void __wrap_http_exchange_refuse(struct http_connection *connection, int status,
                                 const char *detail);
void __wrap_http_exchange_refuse(struct http_connection *connection, int status, const char *detail)
{
    FUZZ_CHECK(status >= 400 && status < 600 && detail != NULL);
    __real_http_exchange_refuse(connection, 400, "refused");
}

static struct http_limits choose_limits(uint8_t choice)
{
    static const unsigned headers[] = {16384, 256, 1024, 70000};
    static const unsigned bodies[] = {1 << 20, 64, 5000, 100000};
    struct http_limits limits = HTTP_LIMITS_DEFAULT;
    limits.max_header_bytes = headers[choice & 3];
    limits.max_body_bytes = bodies[choice >> 2 & 3];
    return limits;
}

/* Answers whatever waits, and what is taken thereupon. */
static void answer_all(struct bench *bench)
{
    struct fake_peer *peer = &bench->uv.peers[0];
    fake_uv_rest(&bench->uv);
    while (bench_waiting(bench, peer) != NULL) {
        bench_answer(bench, peer);
        fake_uv_rest(&bench->uv);
    }
}

static void send_in_pieces(struct bench *bench, const uint8_t *data, size_t size, struct cuts cuts)
{
    for (size_t i = 0, cut = 0; i < size; cut++) {
        size_t length = cuts.count > 0 ? cuts.lengths[cut % cuts.count] : size;
        length = length > 0 ? length : 1;
        length = length < size - i ? length : size - i;
        fake_peer_send(&bench->uv.peers[0], (const char *)data + i, length);
        answer_all(bench);
        i += length;
    }
}

static void take_output(struct outcome *outcome, const struct fake_bytes *output)
{
    static const char interim[] = "HTTP/1.1 100 Continue\r\n\r\n";
    enum { INTERIM_BYTES = sizeof interim - 1 };
    outcome->output.bytes = unwatched_realloc(outcome->output.bytes, output->length + 1);
    outcome->output.length = 0;
    for (size_t i = 0; i < output->length;) {
        const char *at = output->bytes + i;
        const char *mark = memchr(at, 'H', output->length - i);
        size_t plain = mark != NULL ? (size_t)(mark - at) : output->length - i;
        size_t left = output->length - i - plain;
        if (plain == 0 && left >= INTERIM_BYTES && memcmp(at, interim, INTERIM_BYTES) == 0) {
            i += INTERIM_BYTES;
            continue;
        }
        plain += plain == 0;
        memcpy(outcome->output.bytes + outcome->output.length, at, plain);
        outcome->output.length += plain;
        i += plain;
    }
}

static void take_outcome(struct outcome *outcome, const struct bench *bench)
{
    take_output(outcome, &bench->uv.peers[0].taker);
    outcome->request_count = bench->record_count;
    for (size_t i = 0; i < bench->record_count; i++)
        outcome->request_hash[i] = bench->records[i].request_hash;
}

static void converse(struct outcome *outcome, const struct http_limits *limits, const uint8_t *data,
                     size_t size, struct cuts cuts)
{
    struct bench *bench = bench_open(limits);
    struct fake_peer *peer = &bench->uv.peers[0];
    peer->window = SIZE_MAX;
    fake_peer_connect(peer);
    fake_uv_rest(&bench->uv);
    send_in_pieces(bench, data, size, cuts);
    peer->ending = UV_EOF;
    answer_all(bench);
    FUZZ_CHECK(peer->state == FAKE_CLOSED);
    bench_drain(bench);
    fake_uv_rest(&bench->uv);
    bench_check_end(bench);
    bench_check_stream(bench, peer, true);
    take_outcome(outcome, bench);
    allocation_unwatch();
}

static void show(const char *title, const struct outcome *outcome)
{
    fprintf(stderr, "---- %s: %zu requests, %zu bytes\n%.*s\n", title, outcome->request_count,
            outcome->output.length, (int)outcome->output.length, outcome->output.bytes);
}

static void compare(const struct outcome *whole, const struct outcome *pieces, const char *title)
{
    bool same = whole->request_count == pieces->request_count &&
                memcmp(whole->request_hash, pieces->request_hash,
                       whole->request_count * sizeof *whole->request_hash) == 0 &&
                whole->output.length == pieces->output.length &&
                memcmp(whole->output.bytes, pieces->output.bytes, whole->output.length) == 0;
    if (same)
        return;
    show("whole", whole);
    show(title, pieces);
    fuzz_fail("the answers do not depend on where the bytes are cut");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct outcome whole, pieces;
    static const uint8_t one = 1;
    if (size < 2 || size > BENCH_INPUT_MAX)
        return 0;
    struct http_limits limits = choose_limits(data[0]);
    struct cuts cuts = {.lengths = data + 2, .count = data[1] % (CUTS_MAX + 1)};
    if (cuts.count > size - 2)
        return 0;
    const uint8_t *text = cuts.lengths + cuts.count;
    size_t length = (size_t)(data + size - text);
    converse(&whole, &limits, text, length, (struct cuts){0});
    converse(&pieces, &limits, text, length, (struct cuts){&one, 1});
    compare(&whole, &pieces, "byte by byte");
    converse(&pieces, &limits, text, length, cuts);
    compare(&whole, &pieces, "cut");
    return 0;
}
