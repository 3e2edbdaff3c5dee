/* outbox.h – the bytes on their way out of one connection.
 *
 * Answers gather in memory that all the connections of a loop share and leave in one write; only
 * what the socket does not take at once moves to memory of its own. So an answer costs no
 * allocation, and all answers to one read cost one system call. */
#ifndef OFFLOOP_HTTP_OUTBOX_H
#define OFFLOOP_HTTP_OUTBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

enum { HTTP_OUTPUT_BYTES = 64 * 1024 };

/* One per loop. Between two reservations of different outboxes it must be flushed. */
struct http_output {
    char *bytes; /* HTTP_OUTPUT_BYTES of them */
    size_t length;
};

struct http_outbox {
    uv_stream_t *stream;
    struct http_output *output;
    unsigned writes; /* in libuv's hands */
    struct pending_write *reserved;
    /* Everything that was waiting has been written (0), or the stream is broken (a negative UV_E…
     * code). */
    void (*on_drained)(struct http_outbox *outbox, int status);
};

void http_outbox_init(struct http_outbox *outbox, uv_stream_t *stream, struct http_output *output,
                      void (*on_drained)(struct http_outbox *outbox, int status));

/* Room for so many bytes, behind all that was put before. Returns 0, UV_ENOMEM, or what broke the
 * stream when older bytes had to be written first. */
int http_outbox_reserve(struct http_outbox *outbox, size_t bytes, char **room);

/* Of the room reserved last, so many bytes are filled. Returns 0 or a negative UV_E… code. */
int http_outbox_commit(struct http_outbox *outbox, size_t bytes);

/* Writes what has gathered. Returns 0, also when some of it must wait; or a negative UV_E… code. */
int http_outbox_flush(struct http_outbox *outbox);

/* True while bytes wait for the peer to take them. */
static inline bool http_outbox_waits(const struct http_outbox *outbox)
{
    return outbox->writes > 0;
}

#endif
