/* throttle.h – when the cgroups of a process had used up their CPU time. What nobody could compute
 * in is not the fault of the callback that was in the middle of it. On the observer's thread. */
#ifndef OFFLOOP_OBSERVE_THROTTLE_H
#define OFFLOOP_OBSERVE_THROTTLE_H

#include "server/machine/cgroup.h"

enum { THROTTLE_SAMPLES = 128 }; /* one for each look: about 13 seconds */

struct throttle_sample {
    uint64_t at_ns, throttled_us;
};

/* All zero at first. */
struct throttle {
    int pid; /* whose; 0: nobody's */
    struct cgroup cgroup;
    double quota; /* cores; 0: none */
    struct cgroup_throttling now;
    struct throttle_sample samples[THROTTLE_SAMPLES];
    uint64_t count;
};

/* A look at the process `pid`, which may be another than the last time. `anew`: its group may be
 * another too, or its quota; where there is none, only such a look reads anything. */
void throttle_look(struct throttle *throttle, int pid, uint64_t now_ns, bool anew);

/* The same with counters that were read elsewhere. */
void throttle_add(struct throttle *throttle, uint64_t now_ns, struct cgroup_throttling now);

/* For how long between the two moments it may have stood still, at most: what was counted between
 * the looks before and after them, and never more than lies between them. */
uint64_t throttle_between_ns(const struct throttle *throttle, uint64_t began_ns, uint64_t ended_ns);

#endif
