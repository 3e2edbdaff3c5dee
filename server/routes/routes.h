/* routes.h – the routes of the demonstration, and what their handlers know.
 *
 * /fast, /slow and /heavy are the three Express handlers of every Node course. Handlers know
 * exchanges, jobs and queries; they know no connection and no thread. */
#ifndef OFFLOOP_ROUTES_H
#define OFFLOOP_ROUTES_H

#include "server/http/counters.h"
#include "server/http/router.h"
#include "server/offload/offload.h"
#include "server/slow_io/slow_io.h"

/* The handlers' context. */
struct routes_context {
    struct offload *offload;
    const struct strategy *strategy; /* of a /heavy that names none */
    struct slow_io *slow_io;
    const struct source *source; /* of a /slow that names none */
    const struct http_counters *counters;
    const struct recording *shown; /* says on which port the observer is; NULL: there is none */
    const char *observer_host;
    uint64_t started_ns;
    struct http_prepared fast; /* the answer of /fast */
    char fast_fields[80];
    unsigned member;  /* this process's number in its cluster; 0: there is none */
    bool allow_crash; /* may a request ask for the kernel that crashes? */
};

/* Fills in what the handlers prepare once. */
void routes_prepare(struct routes_context *context);

/* The table, for http_server_init. */
extern const struct http_router routes;

/* The fields of every answer: pages from other origins, the observer's among them, may read it. */
extern const struct http_fields routes_fields;

http_handler index_handler, healthz_handler, elsewhere_handler; /* about.c */
http_handler fast_handler;
http_handler slow_handler;
http_handler heavy_handler;

#endif
