/* later.h – something to do once in every turn of the loop, after I/O has been polled. For offload/
 * only.
 *
 * This is setImmediate: libuv's check phase. While it is active the loop polls without waiting, so
 * sockets are looked at between two calls, and other callbacks have their turn. */
#ifndef OFFLOOP_OFFLOAD_LATER_H
#define OFFLOOP_OFFLOAD_LATER_H

#include <uv.h>

struct later {
    uv_check_t check;
    uv_idle_t idle; /* does nothing but keep the loop from waiting */
    void (*each_turn)(void *data);
    void (*closed)(void *data);
    void *data;
};

/* Inactive at first. */
void later_init(struct later *later, uv_loop_t *loop, void (*each_turn)(void *data), void *data);

/* From now on each_turn(data) is called once per turn; or not any more. Both may be repeated. */
void later_start(struct later *later);
void later_stop(struct later *later);

/* Calls closed(data) when the handles are gone. */
void later_close(struct later *later, void (*closed)(void *data));

#endif
