/* priority.c – see priority.h. On Linux a nice value belongs to a thread (setpriority(2), "C
 * library/kernel differences"), although POSIX gives one to a process. A thread-local mark saves
 * the call for each job. */
#include "server/offload/priority.h"

#include <stdbool.h>
#include <sys/resource.h>
#include <unistd.h>

void priority_lower(unsigned nice_value)
{
    static _Thread_local bool done;
    if (done || nice_value == 0)
        return;
    (void)setpriority(PRIO_PROCESS, (id_t)gettid(), (int)nice_value);
    done = true;
}

void priority_lower_process(int pid, unsigned nice_value)
{
    if (nice_value > 0)
        (void)setpriority(PRIO_PROCESS, (id_t)pid, (int)nice_value);
}
