/* window.h – what a histogram has seen in about the last ten seconds.
 *
 * Histograms only grow. A window keeps readings of one, two seconds apart, and takes the oldest
 * from the newest. One that nothing is recorded in costs no memory. On the observer's thread. */
#ifndef OFFLOOP_OBSERVE_WINDOW_H
#define OFFLOOP_OBSERVE_WINDOW_H

#include "server/observe/histogram.h"

enum { WINDOW_READINGS = 5, WINDOW_STEP_MS = 2000 };

struct window {
    const struct histogram *source;
    struct window_readings *readings; /* NULL until there is something to read */
};

/* The histogram must outlive the window. */
void window_init(struct window *window, const struct histogram *source);
void window_close(struct window *window);

/* Time has passed: to be called every WINDOW_STEP_MS, or more often for a shorter window. Without
 * memory the window stays empty, and the next step tries again. */
void window_step(struct window *window);

/* What came in the last WINDOW_READINGS steps. Valid until the next call; NULL if the source was
 * never written. */
const struct histogram_snapshot *window_read(struct window *window);

#endif
