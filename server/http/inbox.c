/* inbox.c – see inbox.h. */
#include "server/http/inbox.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int http_inbox_receive(struct http_inbox *inbox, const char *bytes, size_t length)
{
    if (inbox->length == 0) {
        inbox->bytes = bytes;
        inbox->length = length;
        return 0;
    }
    char *kept = realloc(inbox->kept, inbox->length + length);
    if (kept == NULL)
        return -ENOMEM;
    memcpy(kept + inbox->length, bytes, length);
    inbox->bytes = inbox->kept = kept;
    inbox->length += length;
    return 0;
}

void http_inbox_consume(struct http_inbox *inbox, size_t length)
{
    inbox->bytes += length;
    inbox->length -= length;
}

int http_inbox_keep(struct http_inbox *inbox)
{
    if (inbox->length > 0 && inbox->bytes == inbox->kept)
        return 0;
    if (inbox->length == 0) {
        http_inbox_close(inbox);
        return 0;
    }
    char *kept = malloc(inbox->length);
    if (kept == NULL) {
        http_inbox_close(inbox);
        return -ENOMEM;
    }
    memcpy(kept, inbox->bytes, inbox->length);
    free(inbox->kept);
    inbox->bytes = inbox->kept = kept;
    return 0;
}

void http_inbox_close(struct http_inbox *inbox)
{
    free(inbox->kept);
    *inbox = (struct http_inbox){0};
}
