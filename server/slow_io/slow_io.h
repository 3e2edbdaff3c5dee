/* slow_io.h – what /slow waits for: a query goes out and comes back once.
 *
 * The counterpart of offload.h for work that waits instead of computing. `done` is called exactly
 * once, on the loop's thread, never before slow_io_submit returns unless the query is refused. All
 * functions are called on the loop's thread. */
#ifndef OFFLOOP_SLOW_IO_H
#define OFFLOOP_SLOW_IO_H

#include <stdint.h>

#include "server/observe/trip.h"

struct uv_loop_s;
struct slow_io;
struct source;

enum { QUERY_NAME_BYTES = 64, QUERY_USERS = 1000, QUERY_PROBLEM_BYTES = 800 };

/* "The user with this id, please; it takes so many milliseconds." The caller owns the memory and
 * keeps it until `done` was called. */
struct query {
    /* Set by the caller. */
    unsigned id; /* 1 to QUERY_USERS */
    unsigned ms;
    void (*done)(struct query *query);
    void *owner; /* NULL once nobody waits for the answer */

    /* Valid in `done`. */
    enum trip_outcome outcome;
    int error; /* a negative errno when refused, -ENOBUFS: a full queue; when failed -EBUSY if
                  somebody else is in the way, or 0 */
    char problem[QUERY_PROBLEM_BYTES]; /* what went wrong when failed */
    char name[QUERY_NAME_BYTES];       /* what was found; "" from a source that stores nothing */
    struct trip trip;
    const struct source *source;

    /* The sources'. */
    struct slow_io *slow_io;
    struct query *next, *previous;                 /* in the list of all that are out */
    struct query *next_waiting, *previous_waiting; /* in the queue for a connection */
    void *source_data;
};

struct slow_io_options {
    const char *database; /* a path; NULL: in memory */
    unsigned connections; /* to the database, so many queries wait at the same time */
    unsigned max_queue;   /* queries that may wait for one of them */
    struct recording
        *recording; /* where trips are entered, or NULL; the first source's row in it */
    unsigned first_work;
};

const struct source *source_find(const char *name);
const struct source *source_at(size_t index);
const char *source_names(void);
const char *source_name(const struct source *source);
const char *source_help(const struct source *source);

/* Returns 0 or UV_ENOMEM. */
int slow_io_new(struct slow_io **slow_io, struct uv_loop_s *loop,
                const struct slow_io_options *options);

void slow_io_submit(struct slow_io *slow_io, const struct source *source, struct query *query);

/* Nobody wants the answer any more: `done` is called soon, perhaps before this returns. */
void slow_io_cancel(struct query *query);

/* As offload_stop and offload_free. */
void slow_io_stop(struct slow_io *slow_io);
void slow_io_free(struct slow_io *slow_io);

#endif
