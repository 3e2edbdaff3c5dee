/* traces.h – /trace.json for several readers at once, each as fast as it reads.
 *
 * A trace is some megabytes long, and the observer has one loop: so in each turn one reader gets
 * one piece, in turn with the others, and the next one only when it has taken that. What readers
 * cost is bounded, in time and in memory, and so is their number. On the observer's thread. */
#ifndef OFFLOOP_OBSERVE_TRACES_H
#define OFFLOOP_OBSERVE_TRACES_H

#include <uv.h>

#include "server/http/exchange.h"
#include "server/observe/trace_page.h"

enum { TRACES_MAX = 8 };

struct trace_reader {
    struct traces *traces;
    struct http_exchange *exchange; /* NULL: free */
    struct trace_page *page;
    bool waits; /* for the peer to take the last piece */
};

struct traces {
    const struct survey *survey;
    uv_idle_t turn; /* while there is a reader that does not wait */
    struct trace_reader readers[TRACES_MAX];
    size_t last; /* whose turn it was */
};

/* The survey must outlive it. traces_close closes the handle; the readers must be gone. */
void traces_init(struct traces *traces, uv_loop_t *loop, const struct survey *survey);
void traces_close(struct traces *traces);

/* A handler: answers with the trace, or with 503 when there are too many readers. */
void traces_answer(struct traces *traces, struct http_exchange *exchange);

/* Breaks off what is not complete: its readers see that the end is missing. */
void traces_cut(struct traces *traces);

#endif
