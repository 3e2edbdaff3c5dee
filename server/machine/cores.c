/* cores.c – see cores.h. */
#include "server/machine/cores.h"

#include <errno.h>
#include <sched.h>
#include <stddef.h>
#include <unistd.h>

#include "server/machine/cgroup.h"

static const size_t CPUS_MAX = 1 << 16;

/* The kernel refuses a set that has less room than it has cores. */
static unsigned count_allowed(void)
{
    for (size_t room = CPU_SETSIZE; room <= CPUS_MAX; room *= 2) {
        cpu_set_t *set = CPU_ALLOC(room);
        if (set == NULL)
            break;
        int rc = sched_getaffinity(0, CPU_ALLOC_SIZE(room), set);
        int error = errno, count = rc == 0 ? CPU_COUNT_S(CPU_ALLOC_SIZE(room), set) : 0;
        CPU_FREE(set);
        if (rc == 0)
            return count > 0 ? (unsigned)count : 1;
        if (error != EINVAL)
            break;
    }
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    return online > 0 ? (unsigned)online : 1;
}

unsigned cores_within(unsigned allowed, double quota)
{
    if (quota <= 0 || quota >= allowed)
        return allowed;
    return quota < 1 ? 1 : (unsigned)quota;
}

unsigned cores_available(void)
{
    struct cgroup cgroup;
    cgroup_find(&cgroup, "/proc/self", "");
    return cores_within(count_allowed(), cgroup_quota(&cgroup));
}
