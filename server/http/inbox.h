/* inbox.h – the bytes that have come over one connection and are not yet parsed.
 *
 * Reads land in memory that all the connections of a loop share. Bytes that cannot be taken before
 * the callback returns, because an earlier request is still unanswered, move to memory of the
 * inbox's own; an inbox without such bytes holds none. */
#ifndef OFFLOOP_HTTP_INBOX_H
#define OFFLOOP_HTTP_INBOX_H

#include <stddef.h>

/* All zero is an empty inbox. */
struct http_inbox {
    const char *bytes; /* in the shared memory, or `kept` */
    size_t length;
    char *kept;
};

/* More bytes have come. Returns 0 or -ENOMEM, and then they are lost. */
int http_inbox_receive(struct http_inbox *inbox, const char *bytes, size_t length);

/* The first so many bytes are parsed. */
void http_inbox_consume(struct http_inbox *inbox, size_t length);

/* The callback returns: what is left leaves the shared memory, what is parsed needs no memory any
 * more. Returns 0 or -ENOMEM, and then what was left is lost. */
int http_inbox_keep(struct http_inbox *inbox);

/* Empties it. */
void http_inbox_close(struct http_inbox *inbox);

#endif
