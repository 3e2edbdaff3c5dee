/* dealer.h – sched rr: the parent accepts, and deals the connections to the members in turn, as
 * Node's cluster does.
 *
 * A member has at most one connection that it has not answered for. So one whose loop is frozen
 * gets one more and no further: the next ones go to the others, and when all are frozen the clients
 * wait in the kernel's queue, where any member that thaws gets them. The parent keeps its
 * descriptor until the answer is there: a connection that a member refused, or took to its grave
 * unread, is dealt again.
 *
 *     OPEN ──── dealer_close ────▶ CLOSING ──── all is dealt, dealer_end ────▶ CLOSED */
#ifndef OFFLOOP_CLUSTER_DEALER_H
#define OFFLOOP_CLUSTER_DEALER_H

#include <stdbool.h>
#include <uv.h>

#include "server/cluster/child.h"

enum { DEALER_MEMBERS_MAX = 64 };

enum dealer_state {
    DEALER_CLOSED, /* all zero is such a dealer */
    DEALER_OPEN,
    DEALER_CLOSING, /* the listener is left; what it had waits here */
};

/* Members are for dealer.c. */
struct dealer {
    uv_poll_t poll;
    uv_timer_t pause;
    int listener;
    unsigned count, turn;
    struct child *(*member_at)(void *data, unsigned i);
    void *data;
    int *waiting; /* connections that were accepted, or returned, and are to be dealt */
    size_t waiting_count, waiting_room;
    size_t waiting_max; /* of those that are taken in at the end */
    enum dealer_state state;
};

/* Deals what `listener` brings, a listening socket that stays the caller's, to `count` members:
 * member_at(data, i) is the one of turn i, or NULL. In the end at most `waiting_max` wait here.
 * Returns 0 or a negative UV_E… code; then there
 * is nothing to close. */
int dealer_open(struct dealer *dealer, uv_loop_t *loop, int listener, unsigned count,
                size_t waiting_max, struct child *(*member_at)(void *data, unsigned i), void *data);

/* Something has changed: a member has become free, or is gone. */
void dealer_go_on(struct dealer *dealer);

/* Nobody has taken this connection, which is the dealer's from now on: it is dealt again when
 * something has changed, or after a pause, because who refused may be the only one. In the end it
 * is closed. */
void dealer_take_back(struct dealer *dealer, int connection);

/* Takes in all that wait at the listener, which can be closed then, and deals them as members
 * become free. Does nothing if the dealer is not open. */
void dealer_close(struct dealer *dealer);

/* Whether nobody waits here any more, and nobody will. */
bool dealer_is_done(const struct dealer *dealer);

/* After dealer_close: whoever still waits has waited in vain. */
void dealer_end(struct dealer *dealer);

#endif
