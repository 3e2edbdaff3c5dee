/* trip.h – where a piece of work was, and when: the four time stamps that every wait is told by.
 *
 *     submitted ──wait──▶ started ──run──▶ finished ──return──▶ delivered
 *      (loop)              (lane)           (lane)               (loop)
 *
 * The same for a kernel and for a query, whichever strategy or source carried it: Server-Timing,
 * the JSON answers, the metrics and the pictures all come from here. Each stamp is written by the
 * function of its name, on the thread that stands above; whoever hands the work over orders the
 * accesses (a queue's lock does). What happens is entered into the server's recording at the same
 * moment, so that it can be seen while it goes on. */
#ifndef OFFLOOP_OBSERVE_TRIP_H
#define OFFLOOP_OBSERVE_TRIP_H

#include <stddef.h>
#include <stdint.h>

#include "server/observe/lane.h"

struct recording;

/* What is under way, as a recording knows it: rows of the tables that observer.h is given. */
struct trip_subject {
    uint8_t work;   /* which strategy or source */
    uint8_t kernel; /* which kernel, counted from 1; 0 for a query */
    uint64_t size;  /* the kernel's first argument; milliseconds of a query */
};

struct trip {
    uint64_t submitted_ns, started_ns, finished_ns, delivered_ns;
    struct lane lane;
    struct trip_subject subject;
    uint64_t id;                 /* counts from 1 in its recording; 0 if there is none */
    struct recording *recording; /* NULL: nobody keeps it */
};

/* How it ended. */
enum trip_outcome {
    TRIP_SUCCEEDED,
    TRIP_CANCELLED, /* because nobody wanted it any more */
    TRIP_REFUSED,   /* it never started: the queue is full, or a lane could not be made */
    TRIP_FAILED,
    TRIP_LOST,    /* with the process that had it */
    TRIP_EXPIRED, /* it was not done by its deadline */
    TRIP_OUTCOMES,
};

/* "succeeded" */
const char *trip_outcome_name(enum trip_outcome outcome);

/* Nanoseconds of the monotonic clock, the one of uv_hrtime. Any thread. */
uint64_t trip_clock_ns(void);

/* How long after from_ns to_ns is: 0 if it is not. For all stamps that two threads or processes
 * have taken: one may look at its clock, be held up, and come second with the earlier stamp. */
static inline uint64_t trip_elapsed_ns(uint64_t from_ns, uint64_t to_ns)
{
    return to_ns > from_ns ? to_ns - from_ns : 0;
}

/* The way out and back, one call each. The recording may be NULL. */
void trip_submit(struct trip *trip, struct recording *recording, struct trip_subject subject);
void trip_start(struct trip *trip, struct lane lane);
void trip_finish(struct trip *trip);
void trip_deliver(struct trip *trip, enum trip_outcome outcome);

/* Work that shares its lane lets go of it between two slices. On the lane. */
void trip_pause(const struct trip *trip);
void trip_resume(const struct trip *trip);

/* The three legs in milliseconds; what never began took no time. */
double trip_wait_ms(const struct trip *trip);
double trip_run_ms(const struct trip *trip);
double trip_return_ms(const struct trip *trip);

/* "pool 3"; "none" if it never came to a lane. */
void trip_lane_name(const struct trip *trip, char *name, size_t size);

/* "Server-Timing: wait;dur=0.041, run;dur=201.3, return;dur=0.022\r\n" (W3C Server Timing). */
void trip_server_timing(const struct trip *trip, char *line, size_t size);

#endif
