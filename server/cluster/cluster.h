/* cluster.h – several server processes on one port, under a parent that serves nothing itself.
 *
 * Every member is a whole server (app.h) with a loop of its own: a heavy request in one of them
 * blocks that one only, and as many heavy requests as there are members block them all. A
 * connection belongs to one member for life, so a keep-alive client meets its neighbours there.
 *
 *     sched rr     the parent accepts and deals the connections out in turn (dealer.h)
 *     sched none   each slot has a listener of its own (SO_REUSEPORT), and the kernel picks one by
 *                  a hash of the addresses, whoever is busy
 *
 * With none, the parent owns the listeners and a slot's next process inherits its listener. So
 * nothing that waits in a listener's queue is lost when a process ends, crashes or is replaced. The
 * price: connections that the kernel picks for a slot whose process has died, or is frozen, wait
 * until there is a new one, or it thaws; Node's SCHED_NONE shares one listener among all, and has
 * the opposite trouble, that a few members take nearly everything. A socket that a service manager
 * has passed is shared in that way. */
#ifndef OFFLOOP_CLUSTER_H
#define OFFLOOP_CLUSTER_H

#include "server/options.h"

/* Runs a cluster of options->cluster members, which are this program with the same arguments, until
 * SIGTERM or SIGINT has drained it; a second one kills the members and calls `on_second_signal`,
 * which must not return. SIGHUP replaces the members one after the other; no request fails of it.
 * Logs what happens. Returns the exit status. */
int cluster_run(const struct options *options, char **arguments,
                void (*on_second_signal)(int signal));

#endif
