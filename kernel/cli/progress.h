/* progress.h – a bar on a terminal; nothing elsewhere, and nothing for runs that are over at once.
 *
 * A kernel is resumable, so no thread is needed: a look at the clock between two steps does it. */
#ifndef OFFLOOP_KERNEL_CLI_PROGRESS_H
#define OFFLOOP_KERNEL_CLI_PROGRESS_H

#include "kernel/kernel.h"

struct progress {
    bool shown, coloured, drawn;
    double started_ms, next_ms;
};

/* Milliseconds of the monotonic clock. */
double progress_clock_ms(void);

struct progress progress_begin(void);
void progress_draw(struct progress *progress, const struct kernel_run *run);
void progress_end(const struct progress *progress);

#endif
