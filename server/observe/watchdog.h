/* watchdog.h – the loop, seen from a thread of its own, so also while it is blocked.
 *
 * Every 25 ms the thread looks whether the loop has polled since. It enters into the recording how
 * busy each 50 ms were (the loop strip) and since when the loop is blocked, and tells what blocks
 * it while it does, and who waited when it is over. It never touches the loop: it reads libuv's
 * idle time, which is made to be read from other threads, the processor time of the loop's thread,
 * and the recording. Time in which the whole process was stopped (stops.h) blocks nobody. */
#ifndef OFFLOOP_OBSERVE_WATCHDOG_H
#define OFFLOOP_OBSERVE_WATCHDOG_H

#include <uv.h>

#include "server/observe/recording.h"

enum { WATCHDOG_TICK_MS = 25, WATCHDOG_BLOCKED_MS = 50 };

/* Called on the watchdog's thread. */
struct watchdog_listener {
    /* The loop is blocked since `since_ns`, by what the lane says, if it has been working at all
     * (view->trip is not 0). When the block is `patience_ms` old; and at each look from then on,
     * as long as false is returned. */
    bool (*on_blocked)(void *data, uint64_t since_ns, const struct lane_view *view);
    /* A stall is over. */
    void (*on_stall)(void *data, const struct trace_record *stall);
    /* The process was stopped for so long, and runs again. */
    void (*on_stopped)(void *data, uint64_t stopped_ns);
    void *data;
    unsigned patience_ms;
};

struct watchdog {
    uv_loop_t *loop;
    struct recording *recording;
    struct watchdog_listener listener;
    clockid_t loop_cpu; /* the processor time of the loop's thread */
    uv_thread_t thread;
    uv_mutex_t lock; /* guards `ends` */
    uv_cond_t wake;
    bool ends;

    /* The thread's. */
    uint64_t idle_ns, turns, progress_ns; /* when last looked at */
    uint64_t looked_ns, waited_ns;        /* when that was; how long the loop waited in polls */
    uint64_t cell, cell_waited_ns, cell_at_ns; /* the last one that was closed */
    uint64_t cursor;                           /* in the trace */
    bool told;
};

/* Starts the thread. On the thread that the loop runs on. Returns 0 or a negative UV_E… code. */
int watchdog_start(struct watchdog *watchdog, uv_loop_t *loop, struct recording *recording,
                   const struct watchdog_listener *listener);

/* Ends it and waits for it. The loop must still be there. */
void watchdog_stop(struct watchdog *watchdog);

#endif
