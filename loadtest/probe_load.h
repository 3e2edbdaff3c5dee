/* probe_load.h – sends requests at a constant rate and records what became of each. */
#ifndef OFFLOOP_PROBE_LOAD_H
#define OFFLOOP_PROBE_LOAD_H

#include "loadtest/probe_stats.h"
#include "loadtest/probe_target.h"

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Bounds that keep a run's memory and its arithmetic within reason. */
enum { LOAD_SAMPLES_MAX = 4000000, LOAD_CONNECTIONS_MAX = 20000 };

struct load_plan {
    struct target *targets; /* tried in turn until one connects; their errors are filled in */
    size_t target_count;    /* at least 1 */
    const char *request;    /* the bytes of one request */
    size_t request_bytes;
    uint64_t rate;       /* per second, at least 1 */
    size_t warmup_count; /* the first requests, which are sent but not measured */
    size_t count;        /* all requests, with the warm-up; at least 1, at most LOAD_SAMPLES_MAX */
    size_t connections;  /* 1 to LOAD_CONNECTIONS_MAX */
    uint64_t timeout_ms; /* for connecting at the start, and for the last answers */
    /* Is told when the measurement begins and when the last request is due, and may not wait; or
     * NULL. */
    void (*say)(const char *what);
};

/* Runs to its end, on a loop of its own, in the calling thread. `samples` has room for plan->count;
 * *sample_count says how many were filled (fewer after SIGINT or SIGTERM, which end the schedule
 * early). Returns 0, or a negative UV_E… code if the run could not begin (UV_ECANCELED: because of
 * such a signal): then no sample is filled, and the targets' errors say the same of each address.
 */
int load_run(const struct load_plan *plan, struct sample *samples, size_t *sample_count);

#endif
