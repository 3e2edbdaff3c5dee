/* trace.h – the last things that happened, in a ring that one thread writes and others read.
 *
 * The writer never waits and never fails: it overwrites what is oldest. A reader has a cursor of
 * its own and learns how many records it has missed. The ring is meant for shared memory;
 * zero-filled memory is an empty one.
 *
 * Every slot carries the number of its record, which is zero while the record is being written: a
 * reader takes the number before and after the copy (a sequence lock for each slot). */
#ifndef OFFLOOP_OBSERVE_TRACE_H
#define OFFLOOP_OBSERVE_TRACE_H

#include <stdbool.h>

#include "server/http/counter.h"
#include "server/observe/trip.h"

enum trace_kind {
    TRACE_SUBMITTED = 1, /* id, subject, submitted_ns */
    TRACE_TRIP,          /* a trip is over: everything but the stall's members */
    TRACE_STALL,         /* the loop was held: began_ns … ended_ns by subject, and who waited */
};

struct trace_record {
    uint64_t id, size;
    union {
        uint64_t submitted_ns, began_ns;
    };
    union {
        uint64_t started_ns, ended_ns;
    };
    union {
        uint64_t finished_ns, longest_wait_ns;
    };
    uint64_t delivered_ns;
    uint8_t kind, work, kernel, outcome, lane_kind;
    uint8_t route;   /* of a stall that no trip accounts for, counted from 1; 0 unknown */
    uint16_t number; /* of the lane */
    uint32_t times;  /* trips that held the loop, one after the other */
    uint32_t waited; /* requests */
};

enum { TRACE_SLOTS = 16384, TRACE_WORDS = sizeof(struct trace_record) / sizeof(uint64_t) };

struct trace_slot {
    _Atomic uint64_t number; /* of the record in it, from 1; 0: none, or it is being written */
    _Atomic uint64_t words[TRACE_WORDS];
};

struct trace {
    struct counter written;
    struct trace_slot slots[TRACE_SLOTS];
};

/* The one writer. */
void trace_write(struct trace *trace, const struct trace_record *record);

/* Takes the record after *cursor (at first: 0 for all that is still there) and moves on. Adds to
 * *missed how many have been overwritten. Returns false when there is nothing new. Any thread. */
bool trace_read(const struct trace *trace, uint64_t *cursor, struct trace_record *record,
                uint64_t *missed);

#endif
