/* pages.h – documents that are written anew for whoever asks: once for all who ask in one turn of
 * the loop.
 *
 * So the observer writes each document at most once in a turn, however many want it, and every
 * reader's copy is of a moment after it has asked. How many may wait for that is bounded, and so
 * are the bytes that readers leave unread; what is beyond gets 503 with Retry-After. On the
 * observer's thread. */
#ifndef OFFLOOP_OBSERVE_PAGES_H
#define OFFLOOP_OBSERVE_PAGES_H

#include <stdio.h>

#include "server/http/server.h"

enum {
    PAGES_WAITERS = 64,
    PAGES_UNREAD_BYTES = 16 * 1024 * 1024, /* of all connections of the server */
};

/* Writes a document. Returns 0 or a negative errno. */
typedef int page_writer(FILE *out, void *context);

struct page_waiter {
    struct http_exchange *exchange; /* NULL: free */
    const char *content_type;
    page_writer *write;
    bool due; /* it has asked before this turn */
};

struct pages {
    struct http_server *http;
    void *context;  /* for those who write */
    uv_idle_t turn; /* while somebody waits */
    struct page_waiter waiters[PAGES_WAITERS];
};

/* The server must outlive it. pages_close closes the handle; nobody may wait any more. */
void pages_init(struct pages *pages, struct http_server *http, void *context);
void pages_close(struct pages *pages);

/* A handler: answers with what `write` writes, in the next turn. The type is static text. */
void pages_answer(struct pages *pages, struct http_exchange *exchange, const char *content_type,
                  page_writer *write);

#endif
