/* companion.h – a thread of low priority that computes for one that waits. For offload/ only.
 *
 * A thread of libuv's pool takes libuv's locks between two jobs, and the loop takes them too. If
 * the thread itself were lowered to nice 19 it could lose its core while it holds one, and the loop
 * would wait for it; a nice value cannot be taken back without privileges. So the pool's threads
 * keep their priority, and each lets a companion compute. */
#ifndef OFFLOOP_OFFLOAD_COMPANION_H
#define OFFLOOP_OFFLOAD_COMPANION_H

#include "server/offload/leavers.h"

/* Those of one strategy. */
struct companions {
    unsigned nice_value;
    uv_mutex_t lock; /* guards `idle`; held by threads of normal priority only */
    struct companion *idle;
    struct leavers leavers;
    void (*closed)(void *data);
    void *data;
};

/* No thread yet. With a nice_value of 0 there never will be one. Returns 0 or a negative UV_E…
 * code. */
int companions_init(struct companions *companions, uv_loop_t *loop, unsigned nice_value);

/* Calls work(data) on a companion and returns when that has returned. Without one, because none is
 * wanted or can be had, it calls work on the caller's thread. Any thread but the loop's. */
void companions_run(struct companions *companions, void (*work)(void *data), void *data);

/* Ends them, without a wait; closed(data) is called later. None runs anything. On the loop's
 * thread. */
void companions_close(struct companions *companions, void (*closed)(void *data), void *data);

#endif
