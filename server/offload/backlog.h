/* backlog.h – the jobs of one strategy that are out, and how long those wait that have not begun.
 * For offload/ only, on the loop's thread. */
#ifndef OFFLOOP_OFFLOAD_BACKLOG_H
#define OFFLOOP_OFFLOAD_BACKLOG_H

#include "server/offload/offload.h"

struct backlog {
    struct job *oldest, *newest;  /* linked by newer and older */
    struct job *waiting;          /* none that is older than this one waits */
    uint64_t started_ns, wait_ns; /* of the job that began last, as far as they are home */
};

/* A job goes out; it is home, and its trip is complete but for the delivery. */
void backlog_add(struct backlog *backlog, struct job *job);
void backlog_remove(struct backlog *backlog, struct job *job);

/* How late the queue is: the age of the oldest job that waits, or how long the one waited that
 * began last, if that was within the last second; the longer of the two. */
uint64_t backlog_lateness_ns(struct backlog *backlog, uint64_t now_ns);

#endif
