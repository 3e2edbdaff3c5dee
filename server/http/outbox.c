/* outbox.c – see outbox.h. uv_try_write first: a write request is for what the socket did not take.
 */
#include "server/http/outbox.h"

#include <stdlib.h>
#include <string.h>

struct pending_write {
    uv_write_t request;
    struct http_outbox *outbox;
    char bytes[];
};

void http_outbox_init(struct http_outbox *outbox, uv_stream_t *stream, struct http_output *output,
                      void (*on_drained)(struct http_outbox *outbox, int status))
{
    *outbox = (struct http_outbox){.stream = stream, .output = output, .on_drained = on_drained};
}

static void on_written(uv_write_t *request, int status)
{
    struct pending_write *write = (struct pending_write *)request;
    struct http_outbox *outbox = write->outbox;
    free(write);
    outbox->writes--;
    if (status < 0 || outbox->writes == 0)
        outbox->on_drained(outbox, status);
}

static struct pending_write *pending_write_new(struct http_outbox *outbox, size_t bytes)
{
    struct pending_write *write = malloc(sizeof *write + bytes);
    if (write != NULL)
        write->outbox = outbox;
    return write;
}

static int pending_write_start(struct pending_write *write, size_t bytes)
{
    struct http_outbox *outbox = write->outbox;
    uv_buf_t buffer = uv_buf_init(write->bytes, (unsigned)bytes);
    int rc = uv_write(&write->request, outbox->stream, &buffer, 1, on_written);
    if (rc != 0) {
        free(write);
        return rc;
    }
    outbox->writes++;
    outbox->waited += bytes;
    return 0;
}

/* Copies the pieces without their first `skipped` bytes. */
static void copy_rest(char *to, const uv_buf_t *pieces, unsigned count, size_t skipped)
{
    for (unsigned i = 0; i < count; i++) {
        size_t behind = skipped < pieces[i].len ? skipped : pieces[i].len;
        size_t length = pieces[i].len - behind;
        if (length > 0)
            memcpy(to, pieces[i].base + behind, length);
        to += length;
        skipped -= behind;
    }
}

/* Of the pieces so many bytes are written, or it is the code of uv_try_write: the rest waits. */
static int keep_rest(struct http_outbox *outbox, const uv_buf_t *pieces, unsigned count,
                     int written)
{
    size_t rest = 0, skipped = written > 0 ? (size_t)written : 0;
    if (written < 0 && written != UV_EAGAIN)
        return written;
    for (unsigned i = 0; i < count; i++)
        rest += pieces[i].len;
    rest -= skipped;
    if (rest == 0)
        return 0;
    struct pending_write *write = pending_write_new(outbox, rest);
    if (write == NULL)
        return UV_ENOMEM;
    copy_rest(write->bytes, pieces, count, skipped);
    return pending_write_start(write, rest);
}

int http_outbox_write(struct http_outbox *outbox, const uv_buf_t *pieces, unsigned count)
{
    return keep_rest(outbox, pieces, count, uv_try_write(outbox->stream, pieces, count));
}

int http_outbox_flush(struct http_outbox *outbox)
{
    struct http_output *output = outbox->output;
    size_t length = output->length;
    output->length = 0;
    if (length == 0)
        return 0;
    uv_buf_t buffer = uv_buf_init(output->bytes, (unsigned)length);
    int written = uv_try_write(outbox->stream, &buffer, 1);
    return written == (int)length ? 0 : keep_rest(outbox, &buffer, 1, written);
}

int http_outbox_reserve(struct http_outbox *outbox, size_t bytes, char **room)
{
    struct http_output *output = outbox->output;
    int rc = bytes > HTTP_OUTPUT_BYTES - output->length ? http_outbox_flush(outbox) : 0;
    if (rc != 0)
        return rc;
    if (bytes <= HTTP_OUTPUT_BYTES) {
        *room = output->bytes + output->length;
        return 0;
    }
    outbox->reserved = pending_write_new(outbox, bytes);
    if (outbox->reserved == NULL)
        return UV_ENOMEM;
    *room = outbox->reserved->bytes;
    return 0;
}

int http_outbox_commit(struct http_outbox *outbox, size_t bytes)
{
    struct pending_write *write = outbox->reserved;
    if (write == NULL) {
        outbox->output->length += bytes;
        return 0;
    }
    outbox->reserved = NULL;
    return pending_write_start(write, bytes);
}
