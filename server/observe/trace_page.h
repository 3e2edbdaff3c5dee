/* trace_page.h – what is still in the recordings' traces, and what has not ended yet, for Perfetto:
 * a track for each lane, one for each waiting queue, and counters for lag, busy share and queue
 * depth. What waits is known from the last look. */
#ifndef OFFLOOP_OBSERVE_TRACE_PAGE_H
#define OFFLOOP_OBSERVE_TRACE_PAGE_H

#include <stdio.h>

#include "server/observe/survey.h"

/* Returns 0 or a negative errno. */
int trace_page_write(FILE *out, const struct survey *survey);

#endif
