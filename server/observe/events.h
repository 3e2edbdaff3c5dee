/* events.h – Server-Sent Events (WHATWG HTML, section 9.2): batches to everybody who listens.
 *
 * The last minute is kept: a page that comes back says which batch it had last (Last-Event-ID) and
 * gets what it missed, or the newest half of what a reader may leave unread; one that is new gets
 * the last ten seconds. So does one that comes from an earlier server: an id is the era of its
 * server and the number of the batch ("18c3f2a9b7d1e055-17"), because numbers alone begin anew with
 * each server, and would leave a hole. A reader that does not read is dropped, not waited for. On
 * the observer's thread. */
#ifndef OFFLOOP_OBSERVE_EVENTS_H
#define OFFLOOP_OBSERVE_EVENTS_H

#include <stdint.h>

#include "server/http/exchange.h"

enum {
    EVENTS_KEPT = 600,                          /* batches */
    EVENTS_KEPT_BYTES = 16 * 1024 * 1024,       /* of all of them together */
    EVENTS_FIRST = 100,                         /* batches for somebody new */
    EVENTS_UNREAD_BYTES = 4 * 1024 * 1024,      /* who lets more than this pile up is dropped */
    EVENTS_ALL_UNREAD_BYTES = 16 * 1024 * 1024, /* and of all of them, who has let most pile up */
    EVENTS_LISTENERS = 64,
};

struct event {
    char *text; /* the whole event, malloc'ed, without a NUL; NULL: none */
    size_t bytes;
};

struct events {
    uint64_t era; /* of this server, and of no other */
    struct event kept[EVENTS_KEPT];
    uint64_t last; /* number of the last one; the first is 1 */
    uint64_t first_kept;
    size_t kept_bytes;
    struct http_exchange *listeners[EVENTS_LISTENERS]; /* NULL: free */
    size_t unread[EVENTS_LISTENERS];                   /* bytes, when it was last written to */
    uint64_t dropped;                                  /* slow readers */
};

/* `era` is a number that no earlier server at this address had, for example the wall clock's
 * nanoseconds. */
void events_init(struct events *events, uint64_t era);

/* Frees what is kept. The listeners must be gone: a drained server has ended them. */
void events_close(struct events *events);

/* Sends `json`, one line, to all, and keeps it. */
void events_publish(struct events *events, const char *json);

/* Sends a comment, which readers skip: proxies and people see that the stream is alive, whatever
 * becomes of the batches. */
void events_ping(struct events *events);

/* A handler: answers with the stream, or with 503 when there are too many. */
void events_answer(struct events *events, struct http_exchange *exchange);

#endif
