/* backoff.h – a rest between two attempts at what the machine cannot give now: a second at first,
 * then twice as long each time, up to 30 s. A plain struct; the caller brings the clock. */
#ifndef OFFLOOP_MACHINE_BACKOFF_H
#define OFFLOOP_MACHINE_BACKOFF_H

#include <stdbool.h>
#include <stdint.h>

enum { BACKOFF_MIN_MS = 1000, BACKOFF_MAX_MS = 30000 };

struct backoff {
    uint64_t until_ns; /* all zero: nothing has failed */
    unsigned rest_ms;
};

static inline bool backoff_rests(const struct backoff *backoff, uint64_t now_ns)
{
    return now_ns < backoff->until_ns;
}

/* An attempt has failed just now. */
static inline void backoff_failed(struct backoff *backoff, uint64_t now_ns)
{
    unsigned twice_ms = 2 * backoff->rest_ms;
    backoff->rest_ms = twice_ms == 0               ? BACKOFF_MIN_MS
                       : twice_ms < BACKOFF_MAX_MS ? twice_ms
                                                   : BACKOFF_MAX_MS;
    backoff->until_ns = now_ns + backoff->rest_ms * 1000000ull;
}

#endif
