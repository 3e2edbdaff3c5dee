/* child.h – one member of a cluster, as its parent sees it: a process and the channel to it.
 *
 *               says that it is ready          is told to drain
 *     STARTING ──────────────────────▶ READY ───────────────────▶ DRAINING ──▶ ended, and freed
 *        └──────────────── dies ─────────┴──────── dies ─────────────┘
 *
 * Starting and draining have a time each, behind which it is killed.
 * All on the parent's loop. A child frees itself after on_end. */
#ifndef OFFLOOP_CLUSTER_CHILD_H
#define OFFLOOP_CLUSTER_CHILD_H

#include <stdbool.h>
#include <uv.h>

#include "server/spawn.h"

struct child;

enum child_state { CHILD_STARTING, CHILD_READY, CHILD_DRAINING };

struct child_events {
    void (*on_ready)(struct child *child);
    /* It has answered for the connection that was dealt to it: `refused` is -1, or the connection
     * itself, which is the callee's then. */
    void (*on_answered)(struct child *child, int refused);
    /* It has ended; once, as the last. `how` says it: "died of signal 9 (Killed)". */
    void (*on_end)(struct child *child, int64_t status, const char *how);
};

/* What the members of one cluster have in common. */
struct child_plan {
    uv_loop_t *loop;
    const char *program;
    char **arguments;
    unsigned start_ms; /* one that is not ready by then is killed */
    unsigned drain_ms; /* one that is still there that long after child_hurry, too */
    unsigned members;  /* in the cluster */
    int recordings;    /* memory for what they record, or -1 */
    const struct child_events *events;
};

struct child {
    const struct child_plan *plan;
    void *owner;
    unsigned recording; /* the index of its recording */
    enum child_state state;
    uint64_t ready_ms; /* when it became ready, by the loop's clock; 0: it never did */
    int dealt;         /* the connection that it has not answered for, or -1 */

    struct spawned process;
    uv_poll_t channel;
    uv_timer_t patience;
    int channel_fd;
    bool silent;  /* the channel has ended from its side */
    bool hurried; /* it is to end */
    bool killed;  /* what it says of itself does not count any more */
    bool late;    /* it was killed, because it was not ready in time */
    unsigned open_handles;
};

/* Who a new member is. */
struct child_identity {
    unsigned number;    /* from 1 */
    unsigned recording; /* the index of its recording */
    int listener;       /* becomes its descriptor 5, unless it is -1; stays the caller's */
};

/* Starts a member. Returns 0 or a negative UV_E… code. */
int child_spawn(struct child **child, const struct child_plan *plan,
                const struct child_identity *identity, void *owner);

/* Its time to end begins. More than once does no harm. */
void child_hurry(struct child *child);

/* Tells it to drain, and hurries it. More than once does no harm. */
void child_drain(struct child *child);

/* SIGKILL. on_end follows. */
void child_kill(struct child *child);

/* Deals a connection to it, which is kept until it has answered for it: on_answered follows.
 * Returns 0, or a negative errno: then the connection is still the caller's. */
int child_deal(struct child *child, int connection);

/* Whether it may be dealt the next connection. */
bool child_is_free(const struct child *child);

#endif
