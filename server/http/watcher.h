/* watcher.h – somebody who looks on while a server answers, and changes nothing.
 *
 * A watcher hears of every request that is handed to a handler, once when it begins and once when
 * it is over. What is no request (a refusal, a connection that says nothing) it does not hear of.
 * It is called on the loop's thread, in the midst of things: it may look at the exchange, and must
 * not answer it or touch the server. */
#ifndef OFFLOOP_HTTP_WATCHER_H
#define OFFLOOP_HTTP_WATCHER_H

#include "server/http/exchange.h"

/* The exchange is the same in both calls, and another request's thereafter. */
struct http_watcher {
    /* Its handler is called next. */
    void (*on_begin)(void *data, const struct http_exchange *exchange);
    /* Its answer is given: with this status, or 0 if it was abandoned. A stream's is when it ends.
     */
    void (*on_answered)(void *data, const struct http_exchange *exchange, int status);
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
