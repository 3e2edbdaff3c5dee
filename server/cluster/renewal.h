/* renewal.h – the rolling restart: one slot after the other gets a new process.
 *
 *     the successor starts ──── ready ────▶ the old one drains ──── ended ────▶ the next slot
 *               └── ends before, or is killed for the time it takes: given up, those that run go on
 *
 * Who asks for it while it is under way gets another one behind it, however this one ends: what is
 * installed may have changed meanwhile. On the parent's loop; it logs how it goes. */
#ifndef OFFLOOP_CLUSTER_RENEWAL_H
#define OFFLOOP_CLUSTER_RENEWAL_H

#include "server/cluster/slot.h"

/* Members are for renewal.c. */
struct renewal {
    struct slot *slots;
    unsigned size;
    struct slot *at; /* whose turn it is; NULL: none is under way */
    bool again;      /* another one was asked for */
};

/* Of these slots, which stay the caller's. */
void renewal_init(struct renewal *renewal, struct slot *slots, unsigned size);

/* Begins one, now or behind the one that is under way. */
void renewal_ask(struct renewal *renewal);

/* What has happened in the slot whose turn it is: its successor is ready; its successor has ended
 * (`how`) instead; the process that was replaced has ended. */
void renewal_on_ready(struct renewal *renewal);
void renewal_on_failed(struct renewal *renewal, const char *how);
void renewal_on_left(struct renewal *renewal);

#endif
