/* router.h – the route table: which handler answers which path and method. */
#ifndef OFFLOOP_HTTP_ROUTER_H
#define OFFLOOP_HTTP_ROUTER_H

#include "server/http/exchange.h"

/* One row per route. GET implies HEAD; OPTIONS is answered for every path. */
struct http_route {
    const char *path;       /* matched whole */
    unsigned methods;       /* set of enum http_method */
    http_handler *handler;  /* mandatory */
    const char *parameters; /* for the index: "ms=200&n=…"; or NULL */
    const char *help;       /* for the index: one line */
};

struct http_router {
    const struct http_route *routes; /* static storage of the caller */
    size_t count;
    http_handler *otherwise; /* for paths that are no route's; NULL: they are answered with 404 */
};

/* Calls the handler of the request's route, or the one for all other paths; answers 405 (with
 * Allow) and OPTIONS itself, and 404 if there is no such handler. */
void http_router_dispatch(const struct http_router *router, struct http_exchange *exchange,
                          void *context);

#endif
