/* survey.h – one look at all recordings, about ten times a second: what is going on, and what is
 * new since the last look. The page, the report and the verdict are all made from it. On the
 * observer's thread. */
#ifndef OFFLOOP_OBSERVE_SURVEY_H
#define OFFLOOP_OBSERVE_SURVEY_H

#include "server/observe/names.h"
#include "server/observe/process_stats.h"
#include "server/observe/throttle.h"
#include "server/observe/window.h"

enum {
    SURVEY_RECORDS = 2000, /* new trace records in one look; what is more is counted as missed */
    SURVEY_OUTSTANDING = 4096,
    SURVEY_ALIVE_MS = 1000,   /* a watchdog that has been silent for longer is gone, or stopped */
    SURVEY_SURE_MS = 500,     /* what it has seen holds for so long if it does not look again */
    SURVEY_LOOKS_JUDGED = 50, /* the verdict is on so many, about five seconds */
};

/* Where the jobs and queries of one strategy or source are now. */
struct survey_work {
    uint64_t waiting, running, returning;
    uint64_t submitted, outcomes[TRIP_OUTCOMES];
    uint64_t oldest_wait_ns; /* how long the oldest that waits has waited */
    struct window wait, run, back;
};

struct survey_outstanding {
    uint64_t id; /* 0: free */
    uint64_t submitted_ns;
    uint64_t waited; /* the last look that has seen it wait */
    uint8_t work;
};

struct survey_member {
    const struct recording *recording;
    unsigned index;  /* of the recording */
    unsigned number; /* 0 for a server that is alone, from 1 in a cluster */
    int pid;         /* 0: nobody writes there; not to be shown */
    bool alive;
    bool recorded; /* false: the process has another layout, so nothing is known but its pid */

    /* The loop. */
    uint64_t lag_ns;     /* how late it is now */
    double utilization;  /* since the last look, 0 to 1 */
    uint64_t blocked_ns; /* how long it has been blocked, as far as is known; 0: it is not */
    uint64_t blocked_since_ns;
    bool has_culprit; /* a trip holds the loop's lane: */
    struct lane_view culprit;
    struct window lag, waited;
    struct window judged_lag;       /* begins within the last SURVEY_LOOKS_JUDGED looks */
    uint64_t first_cell, next_cell; /* the strip's cells that were completed since the last look */

    /* Requests. */
    uint64_t requests, in_flight, connections;
    double per_second;
    struct window durations[RECORDING_ROUTES];

    struct survey_work works[RECORDING_WORKS];
    bool seen[LANE_COUNT];        /* lanes that have worked */
    struct process_stats process; /* of process_pid */
    int process_pid;
    struct throttle throttle; /* of its cgroups */

    /* For the next look. */
    uint64_t cursor, busy_ns, idle_ns, looked_ns;
    struct survey_outstanding outstanding[SURVEY_OUTSTANDING];
};

struct survey_record {
    unsigned member;
    struct trace_record record;
};

struct survey {
    const struct names *names;
    const struct recordings *recordings;
    uint64_t epoch_ns; /* 0 of the times that are shown */
    uint64_t now_ns, looks;
    uint64_t stopped_ns; /* when the observer has last found that it was not running itself */
    uint64_t missed;     /* records, in this look */
    size_t record_count;
    struct survey_record records[SURVEY_RECORDS]; /* new in this look */
    struct survey_member *members;                /* one for each recording */
    unsigned present;                             /* of them, those that have a process now */
};

/* One recording is that of a server that is alone; more are those of a cluster, two for each member
 * (observation.h). Returns 0 or UV_ENOMEM. Names and recordings must outlive it. */
int survey_init(struct survey *survey, const struct recordings *recordings,
                const struct names *names, uint64_t epoch_ns);
void survey_close(struct survey *survey);

/* Looks. `looks` counts from 1 from then on. */
void survey_look(struct survey *survey);

/* Looks at the loops only: whether they live, and how late they are. What is new is left for the
 * next look. */
void survey_glance(struct survey *survey);

/* Whether a loop is blocked that was not at the last look. */
bool survey_has_new_block(const struct survey *survey);

/* Whether, at the last look, this one had been submitted and not started. */
bool survey_waits(const struct survey *survey, const struct survey_outstanding *out);

/* Milliseconds on the clock that is shown. */
double survey_ms(const struct survey *survey, uint64_t ns);

/* The busy share of a cell of the strip, 0 to 1; negative if it is not known. */
double survey_cell(const struct survey_member *member, uint64_t cell);

#endif
