/* loop_monitor.h – every turn of the event loop, measured from inside.
 *
 * A *block* is the time in which the loop does not poll: from the return of one poll to the entry
 * of the next. All that was ready meanwhile had to wait for its end, so blocks are what everybody's
 * delay is made of. The monitor measures each of them, from prepare, check and
 * uv_metrics_idle_time, and enters into the recording: turns, busy and idle time, event loop lag,
 * and stalls with those who waited.
 *
 * Lag is what a timer that is due every 10 ms would suffer. There is no such timer: one that sits
 * on the loop it measures sees a freeze of three seconds as one late tick (coordinated omission).
 * The ticks that a block has swallowed are entered one by one when it ends, each with its own
 * delay.
 *
 * Time in which the whole process was stopped (stops.h) belongs to no block: a block that it
 * interrupts is as long as the loop ran, and a poll remains a poll.
 *
 * All functions are called on the loop's thread. */
#ifndef OFFLOOP_OBSERVE_LOOP_MONITOR_H
#define OFFLOOP_OBSERVE_LOOP_MONITOR_H

#include <uv.h>

#include "server/observe/recording.h"

enum {
    LOOP_STALL_MS = 50, /* a block that is told of */
    LOOP_LATE_MS = 10,  /* a block after which requests are asked how long they have waited */
};

/* Who waited for a block. */
struct loop_waiters {
    uint32_t count;
    uint64_t longest_ns;
};

struct loop_block {
    uint64_t lasted_ns, ended_ns;
};

struct loop_monitor {
    uv_loop_t *loop;
    struct recording *recording;
    uv_prepare_t prepare;
    uv_check_t check;
    uv_idle_t again; /* while there may be more who waited: another turn at once */
    unsigned open_handles;
    void (*on_closed)(void *data);
    void *on_closed_data;

    bool turns;           /* it has polled */
    bool polling;         /* between prepare and check */
    uint64_t prepared_ns; /* when the last poll was entered */
    uint64_t began_ns;    /* the present block; known from check on */
    uint64_t entered_ns;  /* the same, before a stop was left out of it */
    uint64_t idle_ns;     /* uv_metrics_idle_time at the last check */
    uint64_t tick_ns;     /* the next tick of the lag that is to be accounted for */
    uint64_t polled_ns;   /* when the present poll returned, once a request has asked; 0 before */
    uint64_t request_ns;  /* when a request was last seen */
    struct loop_block worst;  /* the longest block of about the last second */
    struct loop_block second; /* the longest one since */
    uint64_t trips;           /* on the loop, before the present block */

    unsigned asking_turns; /* so many more in which requests are asked how long they have waited */
    unsigned stall_turns;  /* so many more until the stall is told of */
    bool has_stall;
    struct trace_record stall; /* it is over, and those who waited for it are still being counted */
    struct loop_waiters for_stall, for_block;
};

/* Begins. The loop must have been configured with UV_METRICS_IDLE_TIME. */
void loop_monitor_start(struct loop_monitor *monitor, uv_loop_t *loop, struct recording *recording);

/* Ends; on_closed(data) is called when the handles are gone. */
void loop_monitor_stop(struct loop_monitor *monitor, void (*on_closed)(void *data), void *data);

/* A request begins, whose bytes were read from this socket at now_ns. After a long block the kernel
 * is asked how long they had lain there (TCP_INFO, tcpi_last_data_recv: precise to a tick of the
 * kernel, 4 ms or less). */
void loop_monitor_request(struct loop_monitor *monitor, int fd, uint64_t now_ns);

/* How late the loop is: the longer of the present block so far, and the longest one of about the
 * last second. */
uint64_t loop_monitor_lag_ns(const struct loop_monitor *monitor);

#endif
