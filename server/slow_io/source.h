/* source.h – what a source of slow answers must offer to slow_io.c. For slow_io/ only.
 *
 * To add a source: write its file with a `const struct source`, declare that below, give it a row
 * in slow_io.c. */
#ifndef OFFLOOP_SLOW_IO_SOURCE_H
#define OFFLOOP_SLOW_IO_SOURCE_H

#include <uv.h>

#include "server/slow_io/slow_io.h"

struct source {
    const char *name;
    const char *help;
    /* At the first query. Returns 0 or a negative UV_E… code. Mandatory. */
    int (*start)(uv_loop_t *loop, const struct slow_io_options *options, void **state);
    /* Begins; query_deliver ends it, in a later callback. Returns 0, or a negative UV_E… code: then
     * it did nothing. Mandatory. */
    int (*submit)(void *state, struct query *query);
    /* Ends the wait early; query_deliver is still called, now or soon. Mandatory. */
    void (*cancel)(void *state, struct query *query);
    /* Closes and frees. No query is out. Mandatory. */
    void (*stop)(void *state);
};

/* In the order of the documentation; the first is the default. */
#define SOURCES(row) row(sqlite) row(timer)

#define SOURCE_DECLARE(name) extern const struct source source_##name;
SOURCES(SOURCE_DECLARE)
#undef SOURCE_DECLARE

/* Brings a query home. On the loop's thread. */
void query_deliver(struct query *query, enum trip_outcome outcome);

#endif
