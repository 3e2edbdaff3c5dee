/* trip.h – where a piece of work was, and when: the four time stamps that every wait is told by.
 *
 *     submitted ──wait──▶ started ──run──▶ finished ──return──▶ delivered
 *      (loop)              (lane)           (lane)               (loop)
 *
 * The same for a kernel and for a query, whichever strategy or source carried it: Server-Timing,
 * the JSON answers, the metrics and the pictures all come from here. A stamp is written by the
 * thread that is named above; whoever hands the work over orders the accesses (a queue's lock
 * does). */
#ifndef OFFLOOP_OBSERVE_TRIP_H
#define OFFLOOP_OBSERVE_TRIP_H

#include <stddef.h>
#include <stdint.h>

/* Who did it: "loop", "pool 3", "worker 1". Lanes of a kind count from 1; 0 stands for the only
 * one. */
struct lane {
    const char *kind; /* static storage */
    unsigned number;
};

struct trip {
    uint64_t submitted_ns, started_ns, finished_ns, delivered_ns;
    struct lane lane;
};

/* How it ended. */
enum trip_outcome {
    TRIP_SUCCEEDED,
    TRIP_CANCELLED, /* because nobody wanted it any more */
    TRIP_REFUSED,   /* it never started: the queue is full, or a lane could not be made */
    TRIP_FAILED,
    TRIP_LOST, /* with the process that had it */
};

/* Nanoseconds of the monotonic clock, the one of uv_hrtime. Any thread. */
uint64_t trip_clock_ns(void);

/* The three legs in milliseconds; what never began took no time. */
double trip_wait_ms(const struct trip *trip);
double trip_run_ms(const struct trip *trip);
double trip_return_ms(const struct trip *trip);

/* "pool 3". */
void trip_lane_name(const struct trip *trip, char *name, size_t size);

/* "Server-Timing: wait;dur=0.041, run;dur=201.3, return;dur=0.022\r\n" (W3C Server Timing). */
void trip_server_timing(const struct trip *trip, char *line, size_t size);

#endif
