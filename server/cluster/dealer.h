/* dealer.h – sched rr: the parent accepts, and deals the connections to the members in turn, as
 * Node's cluster does.
 *
 * A member has at most one connection that it has not answered for. So one whose loop is frozen
 * gets one more and no further: the next ones go to the others, and when all are frozen the clients
 * wait in the kernel's queue, where any member that thaws gets them. The parent keeps its
 * descriptor until the answer is there: a connection that a member refused, or took to its grave
 * unread, is dealt again. */
#ifndef OFFLOOP_CLUSTER_DEALER_H
#define OFFLOOP_CLUSTER_DEALER_H

#include <stdbool.h>
#include <uv.h>

#include "server/cluster/child.h"

enum { DEALER_MEMBERS_MAX = 64, DEALER_RETURNED_MAX = 4 * DEALER_MEMBERS_MAX };

/* Members are for dealer.c. */
struct dealer {
    uv_poll_t poll;
    uv_timer_t pause;
    int listener;
    unsigned count, turn;
    struct child *(*member_at)(void *data, unsigned i);
    void *data;
    int returned[DEALER_RETURNED_MAX]; /* to be dealt again */
    unsigned returned_count;
    bool open;
};

/* Deals what `listener` brings, a listening socket that stays the caller's, to `count` members:
 * member_at(data, i) is the one of turn i, or NULL. Returns 0 or a negative UV_E… code; then there
 * is nothing to close. */
int dealer_open(struct dealer *dealer, uv_loop_t *loop, int listener, unsigned count,
                struct child *(*member_at)(void *data, unsigned i), void *data);

/* Something has changed: a member has become free, or is gone. */
void dealer_go_on(struct dealer *dealer);

/* Nobody has taken this connection, which is the dealer's from now on: it is dealt again when
 * something has changed, or after a pause, because who refused may be the only one. */
void dealer_take_back(struct dealer *dealer, int connection);

/* Deals all that wait at the listener, whoever is free or not, and takes no more. Does nothing if
 * the dealer is not open. */
void dealer_close(struct dealer *dealer);

#endif
