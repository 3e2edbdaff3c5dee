/* server.h – one listener on one loop: its limits, its connections, its counters, its drain.
 *
 * All functions are called on the loop's thread. There is no global: two servers can live in one
 * process, even on one loop. The caller owns the memory of struct http_server and keeps it until
 * the on_closed of http_server_drain is called, which ends every server, listening or not. */
#ifndef OFFLOOP_HTTP_SERVER_H
#define OFFLOOP_HTTP_SERVER_H

#include <uv.h>

#include "server/http/acceptor.h"
#include "server/http/counters.h"
#include "server/http/outbox.h"
#include "server/http/parser.h"
#include "server/http/router.h"
#include "server/http/watched.h"

/* Names and defaults are Node's where Node has them. All must be above zero, but
 * max_requests_per_socket where zero means no limit. Connections need descriptors, those that are
 * refused too: who sets the first two sees to it that there are as many. */
struct http_limits {
    size_t max_header_bytes;
    size_t max_body_bytes;
    unsigned max_connections;
    unsigned max_refused; /* beyond them, who are told so; all others are closed without a word */
    unsigned max_requests_per_socket;
    unsigned headers_timeout_ms;    /* from a message's first byte to the end of its head */
    unsigned request_timeout_ms;    /* from a message's first byte to its last */
    unsigned keep_alive_timeout_ms; /* of an idle connection that has had an answer */
    unsigned write_timeout_ms;      /* of a peer that takes no byte of its answer */
    unsigned drain_grace_ms;        /* for the next request of one that was busy just now */
};

#define HTTP_LIMITS_DEFAULT            \
    ((struct http_limits){             \
        .max_header_bytes = 16 * 1024, \
        .max_body_bytes = 1024 * 1024, \
        .max_connections = 100000,     \
        .max_refused = 256,            \
        .max_requests_per_socket = 0,  \
        .headers_timeout_ms = 60000,   \
        .request_timeout_ms = 300000,  \
        .keep_alive_timeout_ms = 5000, \
        .write_timeout_ms = 30000,     \
        .drain_grace_ms = 100,         \
    })

struct http_connection;

/* Members are for http/connection.c; others use the functions. */
struct http_server {
    uv_loop_t *loop;
    struct http_acceptor acceptor;
    uv_timer_t clock; /* counts the ticks by which connections time out */
    struct http_limits limits;
    struct http_router router;
    void *context;             /* for the handlers */
    struct http_fields fields; /* of every answer */
    struct http_watched watched;
    struct http_counters own_counters, *counters; /* the second points to the first, or elsewhere */
    struct http_date date;
    struct http_parser_shared parser_shared;

    struct http_connection *connections; /* list of all that are open */
    unsigned connection_count;           /* of them */
    unsigned connection_handles;         /* and of those whose memory is still in use */
    unsigned lingering_count;            /* and of those that have had their last answer */
    struct http_connection *running;     /* the one that `output` belongs to, or NULL */
    uint64_t ticks;
    unsigned tick_ms;
    char *input; /* every read lands here */
    struct http_output output;

    bool draining;
    unsigned open_handles;
    void (*on_closed)(void *data);
    void *on_closed_data;
};

enum { HTTP_INPUT_BYTES = 64 * 1024 };

/* Returns 0 or UV_ENOMEM; then nothing is to be closed. */
int http_server_init(struct http_server *server, uv_loop_t *loop, const struct http_limits *limits,
                     const struct http_router *router, void *context);

/* Counts in memory of the caller, which others may read; before the first connection. */
void http_server_count_in(struct http_server *server, struct http_counters *counters);

/* The next three add a listener, up to HTTP_LISTENERS_MAX of them.
 *
 * Binds to a host name or address and a port (0: any free one) and listens. With reuse_port a
 * second process may listen there at the same time (SO_REUSEPORT), so the next server can start
 * before this one drains. Returns 0 or a negative UV_E… code. Resolving a name blocks: call it
 * before the loop runs. */
int http_server_listen(struct http_server *server, const char *host, unsigned port,
                       bool reuse_port);

/* Listens on a socket that is bound already, and takes it over. Returns 0 or a negative UV_E… code;
 * then it stays the caller's. */
int http_server_listen_fd(struct http_server *server, int fd);

/* Takes over a connected socket that another process has accepted; a server that listens nowhere
 * can live on these. Returns 0 or a negative UV_E… code, UV_ECANCELED while it drains; then the
 * socket is the caller's. */
int http_server_adopt(struct http_server *server, int fd);

/* Answers only requests for these host names (ended by NULL), `localhost` and IP addresses,
 * whatever the port; others get 421. Against DNS rebinding: a page from elsewhere whose name is
 * made to point here is of the same origin as this server in the browser's eyes, and sends its own
 * name. The list must outlive the server. NULL, and that is how it begins: any host will do. */
void http_server_allow_hosts(struct http_server *server, const char *const *names);

/* Every answer has these fields from now on, refusals included. Their text must outlive the server.
 */
void http_server_set_fields(struct http_server *server, const struct http_fields *fields);

/* Somebody watches its requests from now on; NULL, and that is how it begins: nobody does. To be
 * called before it listens, or between two turns of the loop when no exchange waits. */
void http_server_watch(struct http_server *server, const struct http_watcher *watcher);

/* Where it listens (the first listener), as it stands in a URL: "127.0.0.1:8080", "[::1]:8080". */
void http_server_authority(const struct http_server *server, char *text, size_t size);

/* So many bytes of answers are in memory here, because the peers have not taken them. Counts the
 * connections one by one. */
size_t http_server_unread_bytes(const struct http_server *server);

/* The port that is listened on, in host order; 0 if there is none. */
unsigned http_server_port(const struct http_server *server);

/* Takes no new connections, answers what has been read, closes every connection when it has nothing
 * more to say, and calls on_closed(data) when all is closed and freed; perhaps before it returns.
 */
void http_server_drain(struct http_server *server, void (*on_closed)(void *data), void *data);

/* After http_server_drain: closes at once what is still open; exchanges are abandoned. */
void http_server_cut(struct http_server *server);

/* For connection.c: a connection's memory is gone; if it was the last one, a drain may end. */
void http_server_settle(struct http_server *server);

#endif
