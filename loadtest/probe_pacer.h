/* probe_pacer.h – wakes a libuv loop at an exact instant. */
#ifndef OFFLOOP_PROBE_PACER_H
#define OFFLOOP_PROBE_PACER_H

#include <stdint.h>
#include <uv.h>

struct pacer {
    union {
        uv_handle_t handle;
        uv_poll_t poll;   /* Linux: a timerfd */
        uv_timer_t timer; /* elsewhere */
    } as;
    int fd;
    void (*on_wake)(struct pacer *pacer);
};

/* Returns 0 or a negative UV_E… code; after an error there is nothing to close. */
int pacer_init(struct pacer *pacer, uv_loop_t *loop, void (*on_wake)(struct pacer *pacer));

/* Calls on_wake once, on the loop, at this instant of uv_hrtime() or as soon after it as the system
 * allows. A later call replaces an earlier one. Returns 0 or a negative UV_E… code. */
int pacer_wake_at(struct pacer *pacer, uint64_t instant_ns);

void pacer_close(struct pacer *pacer);

#endif
