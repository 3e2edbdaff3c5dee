/* verdict_work.h – what a strategy computes or a source answers, as verdict.h judges it.
 *
 * Pure functions; any thread. */
#ifndef OFFLOOP_OBSERVE_VERDICT_WORK_H
#define OFFLOOP_OBSERVE_VERDICT_WORK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/observe/phrase.h"

struct verdict_work {
    const char *name;       /* "threadpool", "sqlite" */
    bool heavy;             /* a strategy with its jobs; otherwise a source with its queries */
    bool in_pool;           /* it needs threads of libuv's pool, which all of these share */
    unsigned waiting;       /* for a lane, now */
    unsigned running;       /* in a lane, now */
    unsigned lanes;         /* how many can run at once; 0: not known */
    double oldest_wait_ms;  /* of what waits now; 0 if nothing does */
    double wait_p99_ms;     /* of what began to run within the window */
    double run_p99_ms;      /* of what ended within the window */
    uint64_t refused, lost; /* within the window: no place in the queue; with their process */
};

/* A person notices so long a wait (Nielsen, "Usability Engineering", 1993, chapter 5). */
static const double VERDICT_NOTICEABLE_MS = 100;

/* Of the `count` works of which this holds, the one that waits longest; NULL if there is none. */
const struct verdict_work *verdict_work_find(const struct verdict_work *works, size_t count,
                                             bool (*holds)(const struct verdict_work *work));

/* What can be asked for. */
bool verdict_work_is_lost(const struct verdict_work *work);
bool verdict_work_is_refused(const struct verdict_work *work);
bool verdict_work_waits(const struct verdict_work *work);        /* noticeably, now */
bool verdict_work_slices(const struct verdict_work *work);       /* jobs take turns on the loop */
bool verdict_work_has_children(const struct verdict_work *work); /* processes that run its jobs */
bool verdict_work_fills_pool(const struct verdict_work *work);   /* with jobs */
bool verdict_work_needs_pool(const struct verdict_work *work); /* queries wait for it noticeably */

/* The longest wait that is known of. */
double verdict_work_wait_ms(const struct verdict_work *work);

/* "2 jobs", or "2 queries". */
struct phrase verdict_work_count(const struct verdict_work *work, uint64_t count);

#endif
