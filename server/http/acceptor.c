/* acceptor.c – see acceptor.h.
 *
 * The last call of a turn says that nobody waits any more. Where clients come one at a time that
 * would be a call for each of them, and the next poll says the same for nothing: so after one that
 * came alone, the next SINGLES are taken one in a turn. */
#include "server/http/acceptor.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/http/listener.h"

enum { BATCH = 64, SINGLES = 8 };

void http_acceptor_init(struct http_acceptor *acceptor, uv_loop_t *loop,
                        const struct http_acceptor_events *events, void *data)
{
    acceptor->loop = loop;
    acceptor->events = events;
    acceptor->data = data;
    acceptor->count = 0;
    acceptor->resting = false;
    acceptor->singles = 0;
    acceptor->in_hand = -1;
}

/* ------------------------------------------------------------------ one connection */

/* Who has left before it was accepted is not there any more; every other error is there again when
 * it is tried again. */
static bool is_over(int error)
{
    return error == UV_ECONNABORTED || error == UV_EPROTO || error == UV_EINTR;
}

static int hand_over(struct http_acceptor *acceptor, int fd)
{
    int rc = acceptor->events->on_accepted(acceptor->data, fd);
    if (rc == UV_ENOMEM) {
        acceptor->in_hand = fd;
        return rc;
    }
    if (rc != 0)
        close(fd);
    return 0;
}

/* Returns 0 if another may be tried at once, UV_EAGAIN if none waits, or what is wrong. */
static int accept_one(struct http_acceptor *acceptor, int listener)
{
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0)
        return hand_over(acceptor, fd);
    int error = errno == EWOULDBLOCK ? UV_EAGAIN : -errno;
    if (!is_over(error))
        return error;
    acceptor->events->on_failed(acceptor->data, error, false);
    return 0;
}

/* Returns 0 if there may be more, or why there are not. */
static int accept_some(struct http_acceptor *acceptor, int listener, unsigned most)
{
    unsigned done = 0;
    int rc = 0;
    while (rc == 0 && done < most && (rc = accept_one(acceptor, listener)) == 0)
        done++;
    if (rc == UV_EAGAIN && done == 1)
        acceptor->singles = SINGLES;
    return rc;
}

/* ------------------------------------------------------------------ watching and resting */

static void rest(struct http_acceptor *acceptor, int error)
{
    acceptor->resting = true;
    for (unsigned i = 0; i < acceptor->count; i++)
        uv_poll_stop(&acceptor->polls[i]);
    acceptor->events->on_failed(acceptor->data, error, true);
}

static unsigned batch(struct http_acceptor *acceptor)
{
    if (acceptor->singles == 0)
        return BATCH;
    acceptor->singles--;
    return 1;
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct http_acceptor *acceptor = poll->data;
    int listener = acceptor->listeners[poll - acceptor->polls];
    int rc = status == 0 ? accept_some(acceptor, listener, batch(acceptor)) : status;
    (void)events;
    if (rc != 0 && rc != UV_EAGAIN)
        rest(acceptor, rc);
}

static int watch(struct http_acceptor *acceptor, unsigned i)
{
    return uv_poll_start(&acceptor->polls[i], UV_READABLE, on_readable);
}

void http_acceptor_wake(struct http_acceptor *acceptor)
{
    int fd = acceptor->in_hand;
    if (!acceptor->resting)
        return;
    acceptor->in_hand = -1;
    if (fd >= 0 && hand_over(acceptor, fd) != 0)
        return;
    acceptor->resting = false;
    for (unsigned i = 0; i < acceptor->count; i++)
        (void)watch(acceptor, i);
}

/* ------------------------------------------------------------------ the beginning and the end */

static void on_poll_closed(uv_handle_t *handle)
{
    struct http_acceptor *acceptor = handle->data;
    acceptor->events->on_closed(acceptor->data);
}

int http_acceptor_add(struct http_acceptor *acceptor, int listener)
{
    unsigned i = acceptor->count;
    if (i == HTTP_LISTENERS_MAX)
        return UV_ENOBUFS;
    int rc = uv_poll_init(acceptor->loop, &acceptor->polls[i], listener);
    if (rc != 0)
        return rc;
    acceptor->polls[i].data = acceptor;
    acceptor->listeners[i] = listener;
    acceptor->count++;
    return acceptor->resting ? 0 : watch(acceptor, i);
}

void http_acceptor_close(struct http_acceptor *acceptor)
{
    int fd = acceptor->in_hand;
    acceptor->in_hand = -1;
    acceptor->resting = false;
    int rc = fd >= 0 ? hand_over(acceptor, fd) : 0;
    for (unsigned i = 0; i < acceptor->count; i++) {
        if (rc == 0 || rc == UV_EAGAIN)
            rc = accept_some(acceptor, acceptor->listeners[i], HTTP_BACKLOG);
        uv_close((uv_handle_t *)&acceptor->polls[i], on_poll_closed);
        close(acceptor->listeners[i]);
    }
    if (acceptor->in_hand >= 0)
        close(acceptor->in_hand);
    acceptor->in_hand = -1;
}
