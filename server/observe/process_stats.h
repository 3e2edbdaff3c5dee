/* process_stats.h – what the kernel says of a process: memory, threads, processor time, descriptors
 * (proc(5): /proc/PID/stat, statm, fd). Any thread. */
#ifndef OFFLOOP_OBSERVE_PROCESS_STATS_H
#define OFFLOOP_OBSERVE_PROCESS_STATS_H

#include <stdint.h>

struct process_stats {
    uint64_t resident_bytes, virtual_bytes;
    uint64_t user_us, system_us; /* processor time */
    unsigned threads;
    unsigned descriptors;     /* open ones */
    int pid;                  /* whose all this is */
    uint64_t started_ticks;   /* after the machine did: with the pid this is one process */
    uint64_t started_unix_ms; /* wall clock, as it was when this process was first seen */
};

/* Reads them. `stats` is what was last read, or zero: when the same process started is said only
 * once, because the wall clock moves (it is set, and by parts of a second all the time), and a
 * start that moves is taken for a restart (Prometheus' changes()). Returns 0, or a negative errno:
 * there is no such process any more. */
int process_stats_read(int pid, struct process_stats *stats);

#endif
