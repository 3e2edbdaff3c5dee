/* observed_loop.h – a loop with a recording and a monitor, and time burnt on it.
 *
 * Nothing sleeps: a block is made by looking at the clock until enough of it has passed. */
#ifndef OFFLOOP_TESTS_OBSERVED_LOOP_H
#define OFFLOOP_TESTS_OBSERVED_LOOP_H

#include <stdbool.h>

#include "server/observe/loop_monitor.h"

struct observed_loop {
    uv_loop_t loop;
    uv_async_t alive; /* has nothing to do */
    struct recordings recordings;
    struct recording *recording; /* the only one */
    struct loop_monitor monitor;
    bool is_closed; /* the monitor */
};

/* Opens all of it and runs the loop once, so that the opening is no part of what follows. */
void observed_loop_open(struct observed_loop *observed);

/* Stops the monitor and fails unless the loop has no handle left. */
void observed_loop_close(struct observed_loop *observed);

/* Turns the loop, never waiting in a poll. */
void observed_loop_turn(struct observed_loop *observed, unsigned times);

/* Runs a function in a callback of the loop, and a turn to its end. */
void observed_loop_call(struct observed_loop *observed, void (*function)(void *data), void *data);

/* Waits in one poll that a signal interrupts after ms: libuv forgets that it had been idle by then.
 * Another thread sends the signal, calls meanwhile(data) when the poll goes on, and ends it.
 * Returns when the turn is over. Skips the test under ThreadSanitizer, which keeps signals for
 * later. */
void observed_loop_interrupt(struct observed_loop *observed, unsigned ms,
                             void (*meanwhile)(void *data), void *data);

/* Holds the thread for at least so long. */
void burn_ms(unsigned ms);

#endif
