/* visitor.h – a blocking HTTP client, for a server that runs on another thread.
 *
 * It reads whole answers of any length, and the events of a stream. Nothing waits for time to pass:
 * a read returns when what it waits for is there, or the other side has ended. */
#ifndef OFFLOOP_TESTS_VISITOR_H
#define OFFLOOP_TESTS_VISITOR_H

#include "tests/support/client.h"

struct visitor {
    int fd;
    char *input; /* read and not yet taken */
    size_t input_bytes, room_bytes;
    struct answer answer; /* the last one */
};

/* An event of a stream (SSE). */
struct visitor_event {
    long id;      /* the number in it; -1: it has none */
    char era[24]; /* what stands before the number: "18c3f2a9b7d1e055-" */
    char *data;
};

/* Connects to a port of 127.0.0.1, or of ::1 if nobody listens there: on many machines that is the
 * first address of localhost. With `small` its receive buffer is as small as can be. */
void visitor_open(struct visitor *visitor, unsigned port);
void visitor_open_small(struct visitor *visitor, unsigned port);
void visitor_close(struct visitor *visitor);

/* Sends text (printf style). */
void visitor_send(struct visitor *visitor, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Sends GET, with further field lines or "". */
void visitor_get(struct visitor *visitor, const char *target, const char *fields);

/* Reads an answer with Content-Length or in chunks, or the head of one that streams events; NULL if
 * the server has ended the connection instead. Valid until the next call. */
const struct answer *visitor_await(struct visitor *visitor);

/* visitor_get and visitor_await; the test fails if there is no answer. */
const struct answer *visitor_ask(struct visitor *visitor, const char *target);

/* Reads the next event of a chunked answer, to be freed by visitor_free_event. Returns false when
 * the stream has ended. */
bool visitor_next_event(struct visitor *visitor, struct visitor_event *event);
void visitor_free_event(struct visitor_event *event);

#endif
