/* throttle.c – see throttle.h. The kernel counts a pause when it is over. So does the loop's
 * monitor a stall, and a loop that runs again is not paused. */
#include "server/observe/throttle.h"

#include <stdio.h>
#include <string.h>

void throttle_add(struct throttle *throttle, uint64_t now_ns, struct cgroup_throttling now)
{
    throttle->now = now;
    throttle->samples[throttle->count++ % THROTTLE_SAMPLES] =
        (struct throttle_sample){now_ns, now.throttled_us};
}

/* Another group has counters of its own. */
static void find_group(struct throttle *throttle, int pid)
{
    char proc[32];
    struct cgroup found;
    snprintf(proc, sizeof proc, "/proc/%d", pid);
    cgroup_find(&found, proc, "");
    if (pid != throttle->pid || strcmp(found.path, throttle->cgroup.path) != 0)
        *throttle = (struct throttle){.pid = pid, .cgroup = found};
    throttle->quota = cgroup_quota(&throttle->cgroup);
}

void throttle_look(struct throttle *throttle, int pid, uint64_t now_ns, bool anew)
{
    if (anew || pid != throttle->pid)
        find_group(throttle, pid);
    else if (throttle->quota <= 0)
        return;
    throttle_add(throttle, now_ns, cgroup_throttling(&throttle->cgroup));
}

uint64_t throttle_between_ns(const struct throttle *throttle, uint64_t began_ns, uint64_t ended_ns)
{
    uint64_t last = throttle->count, first = last > THROTTLE_SAMPLES ? last - THROTTLE_SAMPLES : 0;
    if (first == last || ended_ns <= began_ns)
        return 0;
    const struct throttle_sample *before = &throttle->samples[first % THROTTLE_SAMPLES];
    const struct throttle_sample *after = before;
    for (uint64_t i = first; i < last; i++) {
        const struct throttle_sample *sample = &throttle->samples[i % THROTTLE_SAMPLES];
        if (after->at_ns < ended_ns)
            after = sample;
        if (sample->at_ns <= began_ns)
            before = sample;
    }
    uint64_t grown_ns = after->throttled_us > before->throttled_us
                            ? (after->throttled_us - before->throttled_us) * 1000
                            : 0;
    return grown_ns < ended_ns - began_ns ? grown_ns : ended_ns - began_ns;
}
