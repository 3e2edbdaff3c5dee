/* verdict_work.c – see verdict_work.h. */
#include "server/observe/verdict_work.h"

#include <string.h>

const struct verdict_work *verdict_work_find(const struct verdict_work *works, size_t count,
                                             bool (*holds)(const struct verdict_work *work))
{
    const struct verdict_work *found = NULL;
    for (size_t i = 0; i < count; i++)
        if (holds(&works[i]) &&
            (found == NULL || verdict_work_wait_ms(&works[i]) > verdict_work_wait_ms(found)))
            found = &works[i];
    return found;
}

bool verdict_work_is_lost(const struct verdict_work *work)
{
    return work->lost > 0;
}

bool verdict_work_is_refused(const struct verdict_work *work)
{
    return work->refused > 0;
}

bool verdict_work_waits(const struct verdict_work *work)
{
    return work->waiting > 0 && work->oldest_wait_ms >= VERDICT_NOTICEABLE_MS;
}

bool verdict_work_slices(const struct verdict_work *work)
{
    return strcmp(work->name, "sliced") == 0 && work->waiting + work->running > 0;
}

bool verdict_work_has_children(const struct verdict_work *work)
{
    return strcmp(work->name, "process") == 0;
}

bool verdict_work_fills_pool(const struct verdict_work *work)
{
    return work->heavy && work->in_pool && work->running > 0;
}

bool verdict_work_needs_pool(const struct verdict_work *work)
{
    return !work->heavy && work->in_pool && verdict_work_wait_ms(work) >= VERDICT_NOTICEABLE_MS;
}

double verdict_work_wait_ms(const struct verdict_work *work)
{
    return work->oldest_wait_ms > work->wait_p99_ms ? work->oldest_wait_ms : work->wait_p99_ms;
}

struct phrase verdict_work_count(const struct verdict_work *work, uint64_t count)
{
    return work->heavy ? phrase_count(count, "job", "jobs")
                       : phrase_count(count, "query", "queries");
}
