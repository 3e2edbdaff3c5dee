/* cgroup.h – what the control groups of a process allow it of the processor's time, and what they
 * have withheld: cgroup v2 (cpu.max, cpu.stat) and v1 (cpu.cfs_quota_us, cpu.stat). Reads files:
 * not on a loop that is watched. Any thread.
 *
 * A quota holds for a group and all below it, so the whole path up to where the hierarchy is
 * mounted counts: the narrowest one is the limit. What lies above that, outside a container, is not
 * seen. */
#ifndef OFFLOOP_MACHINE_CGROUP_H
#define OFFLOOP_MACHINE_CGROUP_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cgroup {
    char path[PATH_MAX]; /* of its folder; "": it has none */
    size_t mount_length; /* of the part of it at which the hierarchy is mounted */
    bool v2;
};

/* Counters; of all groups on the path together. */
struct cgroup_throttling {
    uint64_t periods;           /* in which there was something to run under a quota */
    uint64_t throttled_periods; /* in which the quota was used up */
    uint64_t throttled_us;      /* for how long something stood still then; each core counts */
};

/* Finds the group of the process whose folder in /proc is `proc` ("/proc/self", "/proc/123").
 * `root` comes before the mount points that this names: "" but for tests. Without any, the cgroup
 * has no path, no limit and no throttling. */
void cgroup_find(struct cgroup *cgroup, const char *proc, const char *root);

/* So many cores' worth of time, 0.5 or 2.0; 0: there is no limit. */
double cgroup_quota(const struct cgroup *cgroup);

struct cgroup_throttling cgroup_throttling(const struct cgroup *cgroup);

#endif
