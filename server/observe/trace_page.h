/* trace_page.h – what is still in the recordings' traces, and what has not ended yet, for Perfetto:
 * a track for each lane, one for each waiting queue, and counters for lag, busy share and queue
 * depth. What waits is known from the last look.
 *
 * It is written piece by piece, as fast as its reader reads, and each piece costs a bounded time
 * and memory. It tells of the moment in which it came to a member, whatever happens there
 * meanwhile: of what is overwritten before it is read it says how much that was. On the observer's
 * thread. */
#ifndef OFFLOOP_OBSERVE_TRACE_PAGE_H
#define OFFLOOP_OBSERVE_TRACE_PAGE_H

#include <stdio.h>

#include "server/observe/survey.h"

/* So many events make a piece, about 200 bytes each, and at most one step more. */
enum { TRACE_PAGE_PIECE_EVENTS = 150 };

struct trace_page;

/* Begins a page, about 800 KB of which untouched memory costs nothing; NULL without memory. The
 * survey must outlive it. */
struct trace_page *trace_page_open(const struct survey *survey);
void trace_page_close(struct trace_page *page);

/* Writes the next piece. Returns 1 if there is more, 0 behind the last one, or a negative errno. */
int trace_page_write(struct trace_page *page, FILE *out);

#endif
