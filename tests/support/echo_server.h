/* echo_server.h – a small HTTP server for tests of server/http/ alone.
 *
 *   GET       /fast     "fast", at once
 *   GET       /soon     "soon", from a callback of the loop's next turn
 *   GET       /slow     "slow", when the test calls echo_server_release
 *   GET POST  /echo     the content, or without one the query
 *   GET       /field    the value of the field that the query names, in brackets, or "none"
 *   GET       /big      a MiB of 'x' */
#ifndef OFFLOOP_ECHO_SERVER_H
#define OFFLOOP_ECHO_SERVER_H

#include "server/http/server.h"

struct echo_server {
    struct http_server http;
    uv_timer_t soon;
    struct http_exchange *soon_exchange, *slow_exchange; /* those that wait, or NULL */
    unsigned abandoned;
    bool is_closed;
};

/* Listens on a free port of 127.0.0.1. */
void echo_server_start(struct echo_server *server, uv_loop_t *loop,
                       const struct http_limits *limits);

/* Answers the waiting /slow. */
void echo_server_release(struct echo_server *server);

/* Ends it and runs the loop until all of it is closed. */
void echo_server_stop(struct echo_server *server);

#endif
