/* probe_connection.h – one keep-alive connection that carries one request at a time. */
#ifndef OFFLOOP_PROBE_CONNECTION_H
#define OFFLOOP_PROBE_CONNECTION_H

#include "loadtest/probe_answer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#define CONNECTION_NO_REQUEST SIZE_MAX

enum connection_state {
    CONNECTION_CLOSED,
    CONNECTION_CONNECTING,
    CONNECTION_IDLE,
    CONNECTION_BUSY,
    CONNECTION_CLOSING
};

struct connection;

/* What all connections share, and whom they tell. The callbacks are mandatory. */
struct connection_context {
    uv_loop_t *loop;
    const struct sockaddr *address; /* the owner may change it while none is open */
    const char *request;            /* the bytes of one request */
    size_t request_bytes;
    char *read_buffer; /* what is read is used up at once, so one buffer serves all */
    size_t read_buffer_bytes;
    void *owner;
    void (*on_open)(struct connection *connection); /* after connection_open(); on_ready follows */
    /* Instead of on_open: it is closed again, and connection_open() may try once more. */
    void (*on_open_failed)(struct connection *connection, int error);
    void (*on_ready)(struct connection *connection);                /* may take a request */
    void (*on_sent)(struct connection *connection, size_t request); /* or at least tried */
    /* Once for each request taken: an HTTP status or SAMPLE_LOST. on_ready follows, perhaps later.
     */
    void (*on_settled)(struct connection *connection, size_t request, int status);
};

struct connection {
    uv_tcp_t tcp;
    uv_connect_t connect;
    const struct connection_context *context;
    enum connection_state state;
    size_t request; /* the one it carries, or CONNECTION_NO_REQUEST */
    int open_error; /* why it could not be opened; told when it is closed */
    bool retired;
    struct answer answer;
    bool queued; /* the owner's: waiting in a queue for its next request */
    struct connection *next;
};

void connection_init(struct connection *connection, const struct connection_context *context);

/* Connects ahead of the first request. */
void connection_open(struct connection *connection);

/* Gives up one that connection_open() has not opened yet: on_open_failed follows, with this error.
 */
void connection_abandon(struct connection *connection, int error);

/* Sends the request, if need be on a new connection. `connection` carries none. */
void connection_take(struct connection *connection, size_t request);

/* Closes for good; no callback comes any more. */
void connection_retire(struct connection *connection);

#endif
