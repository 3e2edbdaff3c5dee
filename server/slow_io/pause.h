/* pause.h – waiting on a thread of the pool, which another thread can end.
 *
 * Ending it takes no lock: a thread of the pool may run at a low priority, and the loop must not
 * wait until it is its turn to let go of one. */
#ifndef OFFLOOP_SLOW_IO_PAUSE_H
#define OFFLOOP_SLOW_IO_PAUSE_H

#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct pause {
    sem_t wakeup;
    atomic_bool ended;
};

/* The caller owns the memory. Returns 0 or a negative errno. */
int pause_init(struct pause *pause);
void pause_destroy(struct pause *pause);

/* Forgets that it was ended. Where nobody waits, and nobody ends it at the same time. */
void pause_arm(struct pause *pause);

/* Ends the waits that are and those that will be, until it is armed again. Any thread; does not
 * block. */
void pause_end(struct pause *pause);

bool pause_is_ended(const struct pause *pause);

/* Waits until this moment of CLOCK_MONOTONIC, which is uv_hrtime's. One thread at a time. Returns
 * false if it was ended. */
bool pause_until(struct pause *pause, uint64_t end_ns);

#endif
