/* connection_state.h – what a connection is made of. For the files that make it up, and no others.
 *
 * connection.c has the socket: what comes, what is left over, and the end. timeouts.c has its time.
 * exchange.c has the dialogue: a request handed to its handler, and its answer; stream.c an answer
 * that comes in pieces. All see this. */
#ifndef OFFLOOP_HTTP_CONNECTION_STATE_H
#define OFFLOOP_HTTP_CONNECTION_STATE_H

#include <stdint.h>

#include "server/http/connection.h"
#include "server/http/exchange.h"
#include "server/http/inbox.h"

/*                 first byte            last byte             deferred, streams
 *      IDLE ────────────────▶ READING ────────────▶ HANDLING ◀──┐
 *       ▲ ▲                    │  ▲                   │  └──────┘
 *       │ └── nothing more ────┼──┴───── answered ────┤
 *       │                      │ refused, timed out   │ answered, the peer is slow
 *       │                      ▼                      ▼
 *       └────── written ──── WRITING ◀────────────────┘
 *                              │ written, and it was the last answer
 *                              ▼
 *                          LINGERING ── end of input, or time-out ──▶ CLOSING ──▶ freed
 *
 * From every state an error, or http_connection_close, leads to CLOSING. */
enum connection_state {
    CONNECTION_IDLE,      /* between two messages */
    CONNECTION_READING,   /* a part of a message has come */
    CONNECTION_HANDLING,  /* a handler has the request and will answer, or is at it */
    CONNECTION_WRITING,   /* answers wait for the peer to take them */
    CONNECTION_LINGERING, /* all is said; input is thrown away, so that no reset overtakes the
                             answer */
    CONNECTION_CLOSING,   /* the handle is being closed; nothing else happens any more */
};

struct http_exchange {
    void (*on_abandoned)(void *data);
    void (*on_drained)(void *data); /* of an answer that streams; NULL: nobody asks */
    void *data;
    struct http_requests like; /* for the watcher: its route, and when it was read */
    bool deferred;
    bool streams;    /* its head has gone out, its content comes in pieces */
    int status;      /* of an answer that streams */
    bool head_only;  /* HEAD: no content in the answer */
    bool keep_alive; /* as far as this request is concerned */
    bool explicitly; /* HTTP/1.0 wants to be told */
};

struct http_connection {
    uv_tcp_t socket;
    struct http_server *server;
    struct http_connection *next, *previous;
    enum connection_state state;
    struct http_parser parser;
    struct http_exchange exchange;

    struct http_inbox inbox;
    struct http_outbox outbox;

    uint64_t read_at_ns; /* if somebody watches */
    uint64_t since;      /* the tick that the state's time-out counts from */
    uint64_t taken;      /* of the outbox, at the last look; UINT64_MAX before the first */
    uint64_t unsent;     /* in the socket, at that look */
    uint64_t finished;   /* the tick at which the last answer had left, once it lingers */
    unsigned requests;   /* over its life */
    bool last;           /* no further message is taken */
    bool lingers;        /* the peer may still be sending when the last answer leaves */
    bool briefly;        /* … and then only for a moment: there may be many of its kind */
    bool ended;          /* the peer will send nothing more */
    bool receiving;      /* uv_read_start is in force */
};

/* Everything that happens to a connection stands between these two: the loop's shared output is its
 * own meanwhile. leave takes what can be taken, writes what is to be written, and decides what is
 * next. */
void http_connection_enter(struct http_connection *connection);
void http_connection_leave(struct http_connection *connection);

/* Nothing has happened on it for a whole tick, and nothing lies unread: it may be ended without
 * harm to a client that has just asked. */
bool http_connection_is_quiet(const struct http_connection *connection);

/* It cannot go on: memory is short (UV_ENOMEM), or the stream is broken. */
void http_connection_give_up(struct http_connection *connection, int rc);

static inline struct http_connection *http_connection_of(const struct http_exchange *exchange)
{
    return (struct http_connection *)((uintptr_t)exchange -
                                      offsetof(struct http_connection, exchange));
}

/* Hands the request that the parser holds to its handler, which answers or defers. */
void http_exchange_begin(struct http_connection *connection);

/* Answers what is no request, or comes too late, as the last thing that is said here. */
void http_exchange_refuse(struct http_connection *connection, int status, const char *detail);

/* What the head of the answer must say of the connection's future. */
enum http_persistence http_exchange_persistence(const struct http_connection *connection);

/* From HANDLING back to IDLE: the answer is complete, or will be before leave. Counts it. */
enum http_persistence http_exchange_conclude(struct http_connection *connection, int status);

/* Puts an answer into the outbox, or gives the connection up. */
void http_exchange_send(struct http_connection *connection, const struct http_response *response,
                        enum http_persistence persistence);

/* All that waited has been taken: if the answer streams, its owner is told. The last thing that is
 * done with the connection in a callback. */
void http_stream_drained(struct http_connection *connection);

/* The server drains: an answer that streams would never end by itself, so it ends now, and its
 * owner is told. */
void http_stream_drain(struct http_connection *connection);

#endif
