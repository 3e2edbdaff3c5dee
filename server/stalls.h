/* stalls.h – a line for a loop that is blocked, another when it is free again, and one for a
 * process that was stopped.
 *
 *     loop blocked for 100 ms so far, by GET /heavy (primes n=20000000)
 *     loop blocked 612 ms by GET /heavy (primes n=20000000); 37 requests waited, the longest 598 ms
 *     loop did not run for 11975 ms: the process was stopped (…)
 *
 * The watchdog calls, from its own thread, so the first line comes while it is true. A server under
 * load in mode none would write many: at most two of each kind are written in a second. A block
 * that is still there when the next line may be written is told of then; a stall is left out, and
 * the next line says how many were. */
#ifndef OFFLOOP_STALLS_H
#define OFFLOOP_STALLS_H

#include "server/observe/names.h"
#include "server/observe/watchdog.h"

struct stalls {
    const struct names *names;
    uint64_t told_blocked_ns, told_stall_ns; /* when a line was last written */
    uint64_t left_out;                       /* stalls since then */
    const char *who;                         /* "loop", or "loop of member 3" */
};

/* What to give the watchdog. `stalls` must outlive it. */
struct watchdog_listener stalls_listener(struct stalls *stalls);

#endif
