/* bench.h – a real HTTP server on the fake transport, and a witness of all that is said.
 *
 * The witness stands between the server and its routes (the linker's --wrap): it writes down every
 * request in the order in which it is handed out, and every answer that is given. At the end it
 * reads what each peer has received and holds it to these notes: the answers to all requests, each
 * once, in their order, whole and well-formed, and perhaps a refusal as the last.
 *
 *     /fast        answers at once
 *     /echo        answers with the content of the request
 *     /big         answers more than any buffer takes
 *     /problem     answers with a problem document
 *     /slow        defers; bench_answer answers, or nobody does
 *     /slow-echo   defers, and echoes then
 *     /slow-big    defers, and answers more than any buffer takes then
 *     /inner       defers, and answers before it returns
 *     /stream      streams three pieces, the last more than any buffer takes; bench_answer sends
 * the next of them, and then the end, or gives up on a peer that takes too little /chain defers; if
 * it is abandoned, all others that wait are answered there and then
 *
 * Other paths get the router's answers. */
#ifndef OFFLOOP_TESTS_FUZZ_BENCH_H
#define OFFLOOP_TESTS_FUZZ_BENCH_H

#include "server/http/server.h"
#include "tests/fuzz/fake_uv.h"

enum { BENCH_RECORDS = 4096, BENCH_INPUT_MAX = 32 * 1024, BENCH_BIG_BYTES = 70000 };

enum bench_kind {
    BENCH_AT_ONCE,
    BENCH_SLOW,
    BENCH_SLOW_ECHO,
    BENCH_SLOW_BIG,
    BENCH_STREAM,
    BENCH_CHAIN
};

/* One request and what became of it. */
struct bench_record {
    struct fake_peer *peer;
    struct http_exchange *exchange; /* while it waits for an answer */
    uint64_t request_hash;          /* of all that a handler can see of it */
    enum bench_kind kind;
    bool head_only, deferred;
    unsigned char *copy; /* the content, for /slow-echo; what has been sent, for /stream */
    size_t copy_bytes;
    unsigned pieces; /* sent by /stream */
    bool cut;        /* /stream gave up on its peer */
    unsigned answered, abandoned;
    int status;
    size_t body_bytes;
    uint64_t body_hash;
};

struct bench {
    struct fake_uv uv;
    struct http_server server;
    bool is_closed; /* the server has said so */
    struct bench_record records[BENCH_RECORDS];
    size_t record_count;
    size_t watched_begins, watched_ends; /* what a watcher has heard */
    uint64_t spoke_ms[FAKE_PEERS];       /* when something last went on for this peer */
};

/* Starts it. There is one. */
struct bench *bench_open(const struct http_limits *limits);

/* Answers what this peer waits for, if it does. */
void bench_answer(struct bench *bench, struct fake_peer *peer);

/* The request of this peer that is deferred, or NULL. */
struct bench_record *bench_waiting(struct bench *bench, const struct fake_peer *peer);

/* So many ticks of the server's clock pass, and the loop turns after each. */
void bench_pass(struct bench *bench, unsigned ticks);

/* The loop is busy for so long, and then turns once. */
void bench_freeze(struct bench *bench, uint64_t ms);

/* Drains the server; bench->is_closed tells when that is over. */
void bench_drain(struct bench *bench);

/* After the server has closed: nothing is left behind, and every request has had its one end. */
void bench_check_end(const struct bench *bench);

/* What this peer received is what the notes say. `whole`: nothing may be missing. */
void bench_check_stream(const struct bench *bench, const struct fake_peer *peer, bool whole);

#endif
