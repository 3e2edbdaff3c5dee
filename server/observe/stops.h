/* stops.h – when the whole process did not run: Ctrl-Z, SIGSTOP, a debugger, a frozen container or
 * machine. That time is nobody's: no callback has held the loop in it.
 *
 * The watchdog wakes every few milliseconds, so its own silence is the evidence: it has not looked
 * for STOP_MS, and neither has the loop's thread run meanwhile, nor most of the time any other. So
 * a loop that computes while the watchdog waits for a core is not taken for a process that was
 * stopped. What is shorter than STOP_MS cannot be told from a wait for a core, and counts as time
 * in which the process ran.
 *
 * Lies in the recording. The watchdog writes, any thread of any process reads. */
#ifndef OFFLOOP_OBSERVE_STOPS_H
#define OFFLOOP_OBSERVE_STOPS_H

#include <time.h>

#include "server/http/counter.h"

enum { STOP_MS = 500, STOPS_KEPT = 16 };

struct stop {
    struct counter began_ns, ended_ns;
};

struct stops {
    struct counter looked_ns;         /* when the watchdog last looked; 0: it never did */
    struct counter loop_ns, all_ns;   /* processor time, by then */
    struct counter count, stopped_ns; /* over the life of the recording */
    struct stop kept[STOPS_KEPT];     /* the last ones */
};

/* Processor time that was spent so far by the loop's thread, and by all of the process. */
struct stops_spent {
    uint64_t loop_ns, all_ns;
};

/* `loop` is the clock of the loop's thread: CLOCK_THREAD_CPUTIME_ID on that one, on others what
 * pthread_getcpuclockid says. */
struct stops_spent stops_spent(clockid_t loop);

/* For the watchdog: it begins to look; it has looked. stops_look returns for how long the process
 * was stopped since the last look: mostly 0. */
void stops_begin(struct stops *stops, uint64_t now_ns, struct stops_spent spent);
uint64_t stops_look(struct stops *stops, uint64_t now_ns, struct stops_spent spent);

/* How much of the time from from_ns to now_ns the process was stopped. On the loop's thread, which
 * may be back before the watchdog is: then it judges by the same evidence. */
uint64_t stops_since(const struct stops *stops, uint64_t from_ns, uint64_t now_ns);

#endif
