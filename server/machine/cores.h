/* cores.h – how many cores this process may use: the one figure behind the defaults of --workers
 * and
 * --processes, /config, the metrics and every sentence about cores. Any thread. */
#ifndef OFFLOOP_MACHINE_CORES_H
#define OFFLOOP_MACHINE_CORES_H

/* The cores of its affinity (sched_setaffinity, cpusets), or fewer if its cgroups' quota is for
 * less time than these have. At least 1. Reads files. The same with every libuv: only from 1.49 on
 * does uv_available_parallelism look at quotas. */
unsigned cores_available(void);

/* Of `allowed` cores, those that a quota of so many cores' time has work for; 0 is no quota. Part
 * of a core does not count, as in libuv: 1.5 is 1, and 0.2 is 1 because somebody must work. */
unsigned cores_within(unsigned allowed, double quota);

#endif
