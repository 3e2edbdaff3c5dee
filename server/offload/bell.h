/* bell.h – one thread tells another's loop that there is something to look at. For offload/ only.
 *
 * What uv_async_t does, without its price in libuv 1.44: there the woken thread, if it wakes on the
 * sender's core before uv_async_send has returned, looks 997 times whether that is over before it
 * gives the core back. See loadtest/bench/notes.md. */
#ifndef OFFLOOP_OFFLOAD_BELL_H
#define OFFLOOP_OFFLOAD_BELL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <uv.h>

struct bell {
    uv_poll_t poll;
    int fd;
    atomic_uint_fast64_t state;  /* 4 * how often it was heard + how far the next ring is */
    void (*on_ring)(void *data); /* on the loop's thread; several rings may be one */
    void *data;
};

/* Returns 0 or a negative UV_E… code; then nothing is left. */
int bell_init(struct bell *bell, uv_loop_t *loop, void (*on_ring)(void *data), void *data);

/* Any thread. What it wrote before is seen by on_ring. */
void bell_ring(struct bell *bell);

/* On the loop's thread: it does not ring any more, and does not keep the loop. `on_closed` may be
 * NULL; the handle's data is the bell's. */
void bell_close(struct bell *bell, uv_close_cb on_closed);

/* When it is closed, and no thread can ring it any more. */
void bell_free(struct bell *bell);

#endif
