/* watcher.h – somebody who looks on while a server answers, and changes nothing.
 *
 * A watcher hears of every request that is handed to a handler, when it begins and when it is over.
 * What is pipelined it may hear of together: requests and answers that are alike cost no more than
 * one. What is no request (a refusal, a connection that says nothing) it does not hear of.
 * It is called on the loop's thread, in the midst of things: it may look at the exchange, and must
 * not answer it or touch the server. */
#ifndef OFFLOOP_HTTP_WATCHER_H
#define OFFLOOP_HTTP_WATCHER_H

#include "server/http/exchange.h"

/* Requests that are alike: read at the same time, for the same route, one behind the other. */
struct http_requests {
    size_t route;      /* see http_exchange_route */
    uint64_t began_ns; /* see http_exchange_began_ns */
};

/* Answers that are alike. */
struct http_answers {
    struct http_requests to;
    int status; /* 0: the client has left before */
    uint64_t count;
};

struct http_watcher {
    /* Its handler is called next. Returns whether it wants to hear of each that follows and is
     * alike, or only of the next that is not. */
    bool (*on_begin)(void *data, const struct http_exchange *exchange);
    /* They are given, and go to the socket next: what is pipelined is answered in one write. A
     * stream's is given when it ends. */
    void (*on_answered)(void *data, const struct http_answers *answers);
    void *data;
};

/* The row of its route in the server's table; the number of rows if it has none. */
size_t http_exchange_route(const struct http_exchange *exchange);

/* When its bytes were read, by uv_hrtime. If others of its connection came behind it before it was
 * its turn, when the last of them were. 0 if nobody watched then. */
uint64_t http_exchange_began_ns(const struct http_exchange *exchange);

/* The socket, for getsockopt. A negative UV_E… code once the connection is being closed. */
int http_exchange_fd(const struct http_exchange *exchange);

#endif
