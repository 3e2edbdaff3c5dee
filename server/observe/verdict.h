/* verdict.h – what the measurements mean, in words: one finding, and what to do about it.
 *
 * In the manner of Clinic.js Doctor and of tokio-console's warnings: numbers show that something is
 * slow, a sentence says what makes whom wait. A pure function of a plain struct: it reads no clock
 * and keeps nothing, so every case can be tested, and a page may ask as often as it likes.
 *
 * Several things may be wrong at once. The verdict is the first row of a table (verdict.c) whose
 * condition holds; causes stand there before their consequences. */
#ifndef OFFLOOP_OBSERVE_VERDICT_H
#define OFFLOOP_OBSERVE_VERDICT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/observe/verdict_work.h"

enum verdict_level {
    VERDICT_GOOD,
    VERDICT_NOTICE,  /* worth knowing */
    VERDICT_WARNING, /* somebody waits, or is refused */
    VERDICT_BAD,     /* everybody waits */
};

/* All of the same window of time, which ends now. In a cluster the loop's figures are those of the
 * member whose loop is worst off, and the works are those of all members together. Text belongs to
 * the caller. */
struct verdict_measurements {
    double window_ms; /* about 5000 */

    double loop_busy;  /* the share of the window that the loop did not wait for events: 0 … 1 */
    double lag_p99_ms; /* how late timers were */
    double blocked_ms; /* for so long a callback has held the loop by now; 0: none does */
    unsigned stalls;   /* callbacks that held it for too long, within the window */
    double longest_stall_ms;
    unsigned requests_waited; /* behind these stalls */
    double longest_wait_ms;   /* of these requests */
    /* What holds the loop now, otherwise what held it longest: "GET /heavy (primes n=20000000)",
     * and in which strategy. NULL: not known, or in none. */
    const char *culprit, *culprit_strategy;
    /* For how long of that, at most, the cgroups had used up their CPU time; and for what share of
     * the window: 0 … 1. */
    double throttled_ms, throttled_share;

    double requests_per_second;
    const struct verdict_work *works;
    size_t works_count;
    const char
        *failing_route; /* with the most answers of status 5xx within the window; NULL: none */
    uint64_t failing_errors, failing_answers; /* these, and all of this route */
    unsigned heavy_running;                   /* threads and processes that compute now */
    unsigned cores;                           /* that this server may use; 0: not known */

    unsigned members;            /* processes that share the port; 0 and 1: no cluster */
    unsigned members_blocked;    /* of them, now, and noticeably */
    unsigned members_unrecorded; /* of them, because they have another layout of recordings */
};

struct verdict {
    enum verdict_level level;
    const char *rule; /* a name for programs: "loop-blocked". Static storage */
    char title[120];  /* a headline, without a full stop */
    char text[1000];  /* what was measured, in sentences */
    char advice[240]; /* what to try; "" if nothing needs to be done */
};

/* The verdict on these measurements. Any thread. */
void verdict_of(const struct verdict_measurements *measurements, struct verdict *verdict);

/* "good", "notice", "warning", "bad". */
const char *verdict_level_name(enum verdict_level level);

#endif
