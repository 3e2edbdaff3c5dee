/* backoff.h – a rest between two attempts at what the machine cannot give now: none after the first
 * failure, which may be a passing one, then a second, and twice as long each time, up to 30 s. A
 * plain struct; the caller brings the clock. */
#ifndef OFFLOOP_MACHINE_BACKOFF_H
#define OFFLOOP_MACHINE_BACKOFF_H

#include <stdbool.h>
#include <stdint.h>

enum { BACKOFF_MIN_MS = 1000, BACKOFF_MAX_MS = 30000 };

struct backoff {
    uint64_t until_ns; /* all zero: nothing has failed */
    unsigned rest_ms;
    bool failed;
};

static inline bool backoff_rests(const struct backoff *backoff, uint64_t now_ns)
{
    return now_ns < backoff->until_ns;
}

/* An attempt has failed just now. */
static inline void backoff_failed(struct backoff *backoff, uint64_t now_ns)
{
    unsigned twice_ms = backoff->rest_ms > 0 ? 2 * backoff->rest_ms : BACKOFF_MIN_MS;
    if (backoff->failed)
        backoff->rest_ms = twice_ms < BACKOFF_MAX_MS ? twice_ms : BACKOFF_MAX_MS;
    backoff->failed = true;
    backoff->until_ns = now_ns + backoff->rest_ms * 1000000ull;
}

#endif
