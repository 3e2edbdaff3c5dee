/* outbox.h – the bytes on their way out of one connection.
 *
 * Answers gather in memory that all the connections of a loop share and leave in one write; only
 * what the socket does not take at once moves to memory of its own. So an answer costs no
 * allocation, and all answers to one read cost one system call. */
#ifndef OFFLOOP_HTTP_OUTBOX_H
#define OFFLOOP_HTTP_OUTBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
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
    uint64_t waited; /* bytes that the socket did not take at once, over its life */
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

/* Writes these pieces now, one behind the other; what the socket does not take is copied. What was
 * gathered for this outbox must have been flushed; what is gathered for another is not touched, so
 * this may be called at any time. Returns as http_outbox_flush does. */
int http_outbox_write(struct http_outbox *outbox, const uv_buf_t *pieces, unsigned count);

/* So many bytes wait for the peer to take them. */
static inline size_t http_outbox_waiting_bytes(const struct http_outbox *outbox)
{
    return uv_stream_get_write_queue_size(outbox->stream);
}

/* Of those that had to wait, so many the peer has taken. While it does not grow, the peer takes
 * nothing, however much is put behind. */
static inline uint64_t http_outbox_taken_bytes(const struct http_outbox *outbox)
{
    return outbox->waited - http_outbox_waiting_bytes(outbox);
}

/* True while bytes wait for the peer to take them. */
static inline bool http_outbox_waits(const struct http_outbox *outbox)
{
    return outbox->writes > 0;
}

#endif
