/* acceptor.h – takes connections from listening sockets, and rests while it cannot.
 *
 * Not uv_listen: when descriptors run out, libuv closes one that it keeps in reserve, accepts with
 * it and closes the connection. If another thread of the process takes that descriptor meanwhile,
 * libuv 1.44 calls accept4 again and again without ever polling, and the loop is frozen
 * for good. Here the client stays in the kernel's queue, and nothing is tried again before
 * something has changed:
 *
 *     WATCHING ──── no descriptor, no memory ────▶ RESTING
 *         ◀──── http_acceptor_wake: a connection was closed, or time has passed ────
 *
 * A turn of the loop takes a bounded number, so those that are connected get their turn too. On the
 * loop's thread. */
#ifndef OFFLOOP_HTTP_ACCEPTOR_H
#define OFFLOOP_HTTP_ACCEPTOR_H

#include <stdbool.h>
#include <uv.h>

enum { HTTP_LISTENERS_MAX = 8 };

struct http_acceptor_events {
    /* A connection, to be taken over. Returns 0, UV_ENOMEM if it shall be offered again after a
     * rest, or another negative code: then it is closed. */
    int (*on_accepted)(void *data, int fd);
    /* accept has failed. With `rests` nothing more is accepted until http_acceptor_wake. */
    void (*on_failed)(void *data, int error, bool rests);
    /* One of the listeners is closed. */
    void (*on_closed)(void *data);
};

/* Members are for acceptor.c; `count` and `resting` may be read. */
struct http_acceptor {
    uv_poll_t polls[HTTP_LISTENERS_MAX];
    int listeners[HTTP_LISTENERS_MAX];
    unsigned count;
    bool resting;
    unsigned singles; /* so many more are taken one in a turn */
    int in_hand;      /* a connection that was accepted and could not be taken over, or -1 */
    uv_loop_t *loop;
    const struct http_acceptor_events *events;
    void *data;
};

void http_acceptor_init(struct http_acceptor *acceptor, uv_loop_t *loop,
                        const struct http_acceptor_events *events, void *data);

/* Accepts from this socket too, which listens and does not block, and takes it over. Returns 0 or a
 * negative UV_E… code: UV_ENOBUFS if there are HTTP_LISTENERS_MAX already. */
int http_acceptor_add(struct http_acceptor *acceptor, int listener);

/* Something has changed: one that rests tries again. Does nothing otherwise. */
void http_acceptor_wake(struct http_acceptor *acceptor);

/* Takes those that the kernel has let in already, who would be reset with their listener, and
 * closes the listeners. on_closed follows for each of them, in a later turn of the loop. */
void http_acceptor_close(struct http_acceptor *acceptor);

#endif
