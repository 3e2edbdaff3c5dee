/* names.h – what the numbers of a recording stand for.
 *
 * A recording has no pointers and knows no strategy: it counts in rows. Who puts the server
 * together says what the rows are called. */
#ifndef OFFLOOP_OBSERVE_NAMES_H
#define OFFLOOP_OBSERVE_NAMES_H

#include <stddef.h>

#include "server/observe/recording.h"

/* Every table ends with NULL; static storage of the caller. */
struct names {
    const char *works[RECORDING_WORKS + 1]; /* strategies, then sources */
    size_t strategy_count;                  /* of the works */
    unsigned lanes[RECORDING_WORKS];        /* how many of each can run at once; 0: any number */
    bool in_pool[RECORDING_WORKS];          /* these share libuv's threads */
    const char *kernels[16];                /* a trip_subject's kernel counts from 1 */
    const char *routes[RECORDING_ROUTES];   /* paths; the one behind the last is for the rest */
};

size_t names_work_count(const struct names *names);
size_t names_route_count(const struct names *names);

/* The name of a row that a recording speaks of: "unknown" if it has none. */
const char *names_work(const struct names *names, unsigned work);

/* Of all names and their order: two programs whose fingerprints are alike mean the same rows. */
uint64_t names_fingerprint(const struct names *names);

/* "primes", or NULL for a query. */
const char *names_kernel(const struct names *names, unsigned kernel);

/* What holds a lane: "GET /heavy (primes n=20000000)", "GET /slow (sqlite, 100 ms)". */
void names_subject(const struct names *names, const struct trip_subject *subject, char *text,
                   size_t size);

/* What a stall is blamed on: the same, "4 × GET /heavy (…)", or "requests to /fast". */
void names_stall(const struct names *names, const struct trace_record *stall, char *text,
                 size_t size);

/* The strategy that a stall's kernel was run by; NULL if it was no kernel. */
const char *names_stall_strategy(const struct names *names, const struct trace_record *stall);

#endif
