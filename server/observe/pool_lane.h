/* pool_lane.h – which thread of libuv's pool is this?
 *
 * libuv's threads have no names of their own. The first time one of them asks, it gets the next
 * number, and with it the name "pool N", which top -H and gdb show as well. The pool belongs to the
 * process, so the numbers do too: this is the one place where the program keeps something per
 * process. */
#ifndef OFFLOOP_OBSERVE_POOL_LANE_H
#define OFFLOOP_OBSERVE_POOL_LANE_H

#include "server/observe/lane.h"

/* The lane of the calling thread, which must be one of the pool's. */
struct lane pool_lane(void);

#endif
