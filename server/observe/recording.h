/* recording.h – what one server writes down about itself, where others can read it.
 *
 * A recording lies in memory that may be shared between processes: the server's loop and its lanes
 * write it, the observer (another thread, or the parent of a cluster) reads it at any time, most of
 * all while the loop is frozen. There are no locks, no pointers and no allocations in it. Every
 * number has one writer, or is counted by atomic addition where several lanes count.
 *
 *     written by   what
 *     the loop     http, routes, turns and lags, trips that are over, the trace
 *     a lane       what it is doing now, and since when; started and finished
 *     the watchdog what the loop does while it does not come back: watch
 *
 * Before the recordings stands what they are (magic, size, layout, version): a process of another
 * version does not write into them. And yet whoever reads takes nothing for granted: a number that
 * is used as an index is checked first.
 *
 * A waiting job is one that was submitted and not started; a running one was started and not
 * finished; a returning one was finished and not delivered. So the differences of four counters say
 * where everything is, and stay true while the loop stands still. */
#ifndef OFFLOOP_OBSERVE_RECORDING_H
#define OFFLOOP_OBSERVE_RECORDING_H

#include <stddef.h>

#include "server/http/counters.h"
#include "server/observe/histogram.h"
#include "server/observe/stops.h"
#include "server/observe/trace.h"

enum {
    RECORDINGS_MAX = 128,   /* two for each member of the largest cluster */
    RECORDING_WORKS = 12,   /* strategies, then sources */
    RECORDING_ROUTES = 8,   /* the last one is for everything that has no route */
    RECORDING_CELLS = 2048, /* of the loop strip */
    RECORDING_CELL_MS = 50,
};

/* The three legs, see trip.h. */
struct leg_record {
    struct histogram wait, run, back;
};

/* One strategy or source. */
struct work_record {
    struct counter submitted, started, finished, delivered;
    struct counter unstarted; /* of the delivered: they never started */
    struct counter outcomes[TRIP_OUTCOMES];
    struct leg_record legs;
};

/* What a lane is doing. `trip` is written last and says whether the rest holds. */
struct lane_record {
    _Atomic uint64_t trip;                  /* 0: idle */
    struct counter since_ns, subject, size; /* subject: work, kernel << 8 */
    struct counter trips, busy_ns;
};

struct route_record {
    struct counter answers[6]; /* by the first digit of the status */
    struct histogram duration;
};

/* The loop, by itself; see loop_monitor.h. */
struct loop_record {
    struct counter turns, busy_ns, idle_ns;
    struct counter turn_ns; /* how long the last turn was busy */
    struct counter lag_ns;  /* when it last turned: the longest block of the second before */
    struct histogram lag;
    struct counter stalls, stalled_ns;
    struct counter waiters;  /* requests that lay in the socket while the loop was held */
    struct histogram waited; /* how long */
    struct counter route;    /* of the request that came last, counted from 1 */
};

/* The loop, seen from outside; see watchdog.h. */
struct watch_record {
    struct counter sampled_ns;       /* when it was last looked at */
    struct counter progress_ns;      /* when it was last seen to poll */
    struct counter blocked_since_ns; /* 0: it is not blocked; moved on by stops */
    struct stops stops;
    struct counter cells[RECORDING_CELLS]; /* (index + 1) << 16 | busy share in 1/10000 */
};

struct recording {
    struct counter pid;      /* 0: nobody writes here */
    struct counter epoch_ns; /* of the monotonic clock; times in JSON count from here */
    struct counter began_ns; /* when its present or last writer did */
    struct counter ids;      /* of trips, so far */
    struct counter foreign;  /* 1: its process has another layout, and pid is all that is known */
    struct http_counters http;
    struct loop_record loop;
    struct watch_record watch;
    struct work_record works[RECORDING_WORKS];
    struct route_record routes[RECORDING_ROUTES];
    struct lane_record lanes[LANE_COUNT];
    struct leg_record lane_legs[LANE_COUNT]; /* apart: pages that are not used stay untouched */
    struct trace trace;
    /* Of the first recording: where the observer of all of them listens; 0: there is none. */
    struct counter observer_port;
};

enum { RECORDINGS_VERSION_BYTES = 32 };

/* A table of recordings, one for each server process. */
struct recordings {
    struct recording *table;
    struct recordings_head *head; /* before them, in the same memory */
    unsigned count;
    int fd; /* which another process can map, or -1: what this one was given, or cannot share */
    int unshared; /* 0, or a negative UV_E… code: why it can be mapped by nobody else */
    char version[RECORDINGS_VERSION_BYTES]; /* of the program that made it; "" if unknown */
};

/* Makes the memory. Untouched pages cost nothing. Where it cannot be a file (RLIMIT_FSIZE counts
 * files in memory, too) it is for this process alone, and `unshared` says so. Returns 0 or a
 * negative UV_E… code. */
int recordings_init(struct recordings *recordings, unsigned count);

/* Maps the memory behind a descriptor that another process made, and closes the descriptor. Returns
 * 0, -EPROTO if that process has another layout (of which `version` may be known), or another
 * negative UV_E… code. */
int recordings_map(struct recordings *recordings, int fd, unsigned count);

/* What the rows of a recording stand for, as a fingerprint; 0 unless somebody has set it. */
void recordings_set_names(struct recordings *recordings, uint64_t fingerprint);
uint64_t recordings_names(const struct recordings *recordings);

/* FNV-1a: `fingerprint` with these bytes taken in. */
enum { FINGERPRINT_EMPTY = 0 };
uint64_t fingerprint_add(uint64_t fingerprint, const void *bytes, size_t length);

void recordings_close(struct recordings *recordings);

/* A new server writes here from now on. What its predecessor counted stays. Trips are numbered on
 * from the last one, or from `first_id` if that is higher. */
void recording_begin(struct recording *recording, uint64_t epoch_ns, uint64_t first_id);

/* Nobody writes here any more, perhaps because the writer was killed. What it left unfinished is
 * over: its lanes are idle, its connections closed, its jobs were lost with it. */
void recording_end(struct recording *recording);

/* A process that cannot write here has the place of this recording; until recording_end. */
void recording_begin_foreign(struct recording *recording, int pid);

/* For trip.c. */
void recording_submit(struct recording *recording, struct trip *trip);
void recording_start(struct recording *recording, const struct trip *trip);
void recording_finish(struct recording *recording, const struct trip *trip);
void recording_deliver(struct recording *recording, const struct trip *trip,
                       enum trip_outcome outcome);
void recording_enter_lane(struct recording *recording, const struct trip *trip, uint64_t now_ns);
void recording_leave_lane(struct recording *recording, const struct trip *trip);

/* As trace_read of its trace. What is no record of this version counts as missed: kind, outcome and
 * lane are values of their types, and the work is the number of a row. */
bool recording_read(const struct recording *recording, uint64_t *cursor,
                    struct trace_record *record, uint64_t *missed);

/* What a lane does now; the work is the number of a row. Returns false if it is idle. Any thread.
 */
struct lane_view {
    uint64_t trip, since_ns;
    struct trip_subject subject;
};

bool recording_lane(const struct recording *recording, int index, struct lane_view *view);

#endif
