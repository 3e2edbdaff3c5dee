/* chrome_trace.h – what happened when, as a file that Perfetto and chrome://tracing open.
 *
 * The JSON object format of Chrome's trace events. A process has tracks, which Chrome calls
 * threads: here the loop, each lane, each queue. What runs on a track is a span; spans of one track
 * nest, or follow one another, and never overlap by a part. Waiting does overlap, so waits are
 * async events, which Perfetto stacks; those of one name share a place on the screen, so give all
 * waits of a queue the same name and tell the job's in the arguments.
 *
 *     chrome_trace_begin(&trace, file);
 *     chrome_trace_process(&trace, 1, "offloop");
 *     chrome_trace_track(&trace, 1, 2, "pool 1", 2);
 *     chrome_trace_span(&trace, &(struct chrome_trace_event){.pid = 1, .tid = 2, .name = "primes",
 *                                   .category = "heavy", .at_us = 10, .duration_us = 5});
 *     error = chrome_trace_end(&trace);
 *
 * Everything is written as it comes, in any order of time, and nothing is kept; so `out` may be
 * another file after each event, and the pieces make one trace. Text may be any bytes: what is not
 * UTF-8 becomes U+FFFD. One thread at a time per trace; the program must keep the C locale's
 * decimal point.
 *
 * Source: "Trace Event Format", Google's document
 * 1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU. */
#ifndef OFFLOOP_OBSERVE_CHROME_TRACE_H
#define OFFLOOP_OBSERVE_CHROME_TRACE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct chrome_trace {
    FILE *out;       /* the caller's */
    uint64_t events; /* written so far */
};

/* What is shown when the event is selected: a text, or a number where `text` is NULL. An array of
 * them ends with a NULL key; NULL stands for none. */
struct chrome_trace_argument {
    const char *key, *text;
    double number;
};
#define CHROME_TRACE_ARGUMENTS(...) \
    ((const struct chrome_trace_argument[]){__VA_ARGS__, {NULL, NULL, 0}})

struct chrome_trace_event {
    unsigned pid, tid;
    const char *name, *category; /* a category can be filtered by; NULL for none */
    double at_us;                /* of any clock, the same for the whole trace; ns are kept */
    double duration_us;          /* a negative one, of two threads' clocks, is taken for 0 */
    const struct chrome_trace_argument *arguments;
};

void chrome_trace_begin(struct chrome_trace *trace, FILE *out);

/* The names of a process and of a track of it. Tracks stand in the order of `sort_index`. */
void chrome_trace_process(struct chrome_trace *trace, unsigned pid, const char *name);
void chrome_trace_track(struct chrome_trace *trace, unsigned pid, unsigned tid, const char *name,
                        int sort_index);

/* What is to be known of a process as a whole; it stands beside its name. */
void chrome_trace_label(struct chrome_trace *trace, unsigned pid, const char *label);

/* Something ran on a track. */
void chrome_trace_span(struct chrome_trace *trace, const struct chrome_trace_event *event);

/* Something waited, perhaps while others did. `id` tells it from all others of this process and
 * category. */
void chrome_trace_async(struct chrome_trace *trace, uint64_t id,
                        const struct chrome_trace_event *event);

/* Something happened on a track, and took no time. */
void chrome_trace_instant(struct chrome_trace *trace, const struct chrome_trace_event *event);

/* From here on a number of this process has this value. */
void chrome_trace_counter(struct chrome_trace *trace, unsigned pid, const char *name, double at_us,
                          double value);

/* Ends the trace and flushes the file, which stays open. 0, or -EIO if anything could not be
 * written since the beginning. */
int chrome_trace_end(struct chrome_trace *trace);

#endif
