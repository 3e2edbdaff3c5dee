/* pool_lane.c – see pool_lane.h. A counter and a thread-local number: no lock, no table, and
 * correct for any number of servers in the process, because there is only one pool for all of them.
 */
#include "server/observe/pool_lane.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

struct lane pool_lane(void)
{
    static atomic_uint threads;
    static _Thread_local unsigned number;
    if (number == 0) {
        char name[16];
        number = atomic_fetch_add(&threads, 1) + 1;
        snprintf(name, sizeof name, "pool %u", number);
        pthread_setname_np(pthread_self(), name);
    }
    return (struct lane){.kind = LANE_POOL, .number = number};
}
