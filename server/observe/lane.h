/* lane.h – who does a piece of work: the loop, a thread of libuv's pool, a worker, a child. */
#ifndef OFFLOOP_OBSERVE_LANE_H
#define OFFLOOP_OBSERVE_LANE_H

#include <stddef.h>

/* kind, name, whether it has a number. `timer` is nobody: the loop's list of timers waits, and no
 * thread. */
#define LANE_KINDS(row)                                                         \
    row(NONE, "none") row(LOOP, "loop") row(POOL, "pool") row(WORKER, "worker") \
        row(CHILD, "child") row(TIMER, "timer")

enum lane_kind {
#define LANE_KIND_MEMBER(kind, name) LANE_##kind,
    LANE_KINDS(LANE_KIND_MEMBER)
#undef LANE_KIND_MEMBER
};

/* "loop", "pool 3", "worker 1". Lanes of a kind count from 1; 0 stands for the only one. */
struct lane {
    enum lane_kind kind;
    unsigned number;
};

/* The loop of the server itself. */
#define LANE_THE_LOOP ((struct lane){LANE_LOOP, 0})

/* "pool" */
const char *lane_kind_name(enum lane_kind kind);

/* "pool 3" */
void lane_name(struct lane lane, char *name, size_t size);

/* Every lane that a recording keeps a place for has an index below LANE_COUNT: those with higher
 * numbers, and those that are nobody, have none (-1). lane_at is the way back. */
enum { LANE_NUMBER_MAX = 64, LANE_COUNT = 1 + 3 * LANE_NUMBER_MAX };

int lane_index(struct lane lane);
struct lane lane_at(int index);

#endif
