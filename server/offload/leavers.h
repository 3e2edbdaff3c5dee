/* leavers.h – threads that are about to end, and are joined without a wait. For offload/ only, on
 * the loop's thread.
 *
 * A thread of nice 19 that has said its last word still needs a moment of a core to end. On a busy
 * machine it gets that after 50 ms, or after 500: pthread_join would hold the loop for so long. So
 * each is asked now and then whether it has ended (pthread_tryjoin_np), and joined when it has. */
#ifndef OFFLOOP_OFFLOAD_LEAVERS_H
#define OFFLOOP_OFFLOAD_LEAVERS_H

#include <stdbool.h>
#include <uv.h>

/* Part of what belongs to the thread. */
struct leaver {
    uv_thread_t thread;
    void (*ended)(struct leaver *leaver); /* it is joined: free what was the thread's */
    struct leaver *next;
};

struct leavers {
    uv_timer_t timer; /* active while there are any */
    struct leaver *first;
    unsigned count;
    unsigned rest_ms;
    bool closing;
    void (*closed)(void *data);
    void *data;
};

/* Starts its thread, with a small stack: glibc keeps those of threads that have ended for the next
 * ones (40 MB in all), where large ones go back to the kernel and are mapped anew. The loop makes
 * threads too, and would wait for a lowered one that is in the middle of changing the same map.
 * `ended` must be set. Returns 0 or a negative UV_E… code. Any thread. */
int leaver_start(struct leaver *leaver, void (*run)(void *data), void *data);

void leavers_init(struct leavers *leavers, uv_loop_t *loop);

/* A thread that needs nobody to come to its end. `ended` is called once, perhaps before this
 * returns. */
void leavers_add(struct leavers *leavers, struct leaver *leaver);

/* Joins those that have ended. */
void leavers_sweep(struct leavers *leavers);

/* Once the last has ended, closes the timer and calls closed(data), later. */
void leavers_close(struct leavers *leavers, void (*closed)(void *data), void *data);

#endif
