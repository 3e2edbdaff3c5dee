/* slot.h – one place in a cluster: its number, its listener, and the processes that fill it.
 *
 *     current     the one that serves, or starts to; NULL while the slot rests after a death
 *     successor   starts beside it in a rolling restart, and takes its place when it is ready
 *     leaving     was replaced, and drains
 *
 * A process that dies is replaced: at once the first time, then after a rest that doubles from
 * 100 ms to 5 s, until one has been ready for 5 s. */
#ifndef OFFLOOP_CLUSTER_SLOT_H
#define OFFLOOP_CLUSTER_SLOT_H

#include "server/cluster/child.h"

struct slot {
    void *cluster;
    const struct child_plan *plan;
    unsigned number; /* from 1 */
    int listener;    /* or -1 */
    struct child *current, *successor, *leaving;
    uv_timer_t rest;
    unsigned rest_ms; /* the next one's length */
};

enum slot_place { SLOT_CURRENT, SLOT_SUCCESSOR, SLOT_LEAVING };

void slot_init(struct slot *slot, void *cluster, const struct child_plan *plan, unsigned number);

/* Starts its process. Returns 0 or a negative UV_E… code; then the slot is as empty as before. */
int slot_fill(struct slot *slot);

/* Starts one, at once or after the rest that is due. */
void slot_rest(struct slot *slot);

/* The current process has ended (`how`): logs it, and sees to it that another one comes. */
void slot_refill(struct slot *slot, const struct child *dead, const char *how);

/* Starts a successor. Returns 0 or a negative UV_E… code. */
int slot_renew(struct slot *slot);

/* The successor is ready: it becomes the current one, and the one before leaves. Returns whether
 * there is one to leave. */
bool slot_promote(struct slot *slot);

/* A process of it has ended. Returns the place that it had. */
enum slot_place slot_forget(struct slot *slot, const struct child *child);

bool slot_is_empty(const struct slot *slot);

/* Calls `visit` for every process of it; visit may not end one. */
void slot_each(struct slot *slot, void (*visit)(struct child *child));

/* No process comes any more. */
void slot_close(struct slot *slot);

#endif
