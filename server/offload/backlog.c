/* backlog.c – see backlog.h.
 *
 * Where the waiting jobs stand differs: in a queue of the strategy's, in libuv's, in a slice's
 * round. What they have in common is that job->begun is not set. Jobs begin about in the order in
 * which they came, so the oldest one that waits is found by a mark that only moves towards newer
 * ones: however many there are, each is passed once. */
#include "server/offload/backlog.h"

enum { RECENT_NS = 1000000000 };

void backlog_add(struct backlog *backlog, struct job *job)
{
    job->newer = NULL;
    job->older = backlog->newest;
    if (job->older != NULL)
        job->older->newer = job;
    else
        backlog->oldest = job;
    backlog->newest = job;
    if (backlog->waiting == NULL)
        backlog->waiting = job;
}

static void note_start(struct backlog *backlog, const struct trip *trip)
{
    if (trip->started_ns <= backlog->started_ns)
        return;
    backlog->started_ns = trip->started_ns;
    backlog->wait_ns = trip_elapsed_ns(trip->submitted_ns, trip->started_ns);
}

void backlog_remove(struct backlog *backlog, struct job *job)
{
    note_start(backlog, &job->trip);
    if (backlog->waiting == job)
        backlog->waiting = job->newer;
    if (job->newer != NULL)
        job->newer->older = job->older;
    else
        backlog->newest = job->older;
    if (job->older != NULL)
        job->older->newer = job->newer;
    else
        backlog->oldest = job->newer;
}

static bool has_begun(struct job *job)
{
    return atomic_load_explicit(&job->begun, memory_order_relaxed);
}

uint64_t backlog_lateness_ns(struct backlog *backlog, uint64_t now_ns)
{
    while (backlog->waiting != NULL && has_begun(backlog->waiting))
        backlog->waiting = backlog->waiting->newer;
    uint64_t age_ns = 0;
    if (backlog->waiting != NULL)
        age_ns = trip_elapsed_ns(backlog->waiting->trip.submitted_ns, now_ns);
    uint64_t wait_ns = now_ns < backlog->started_ns + RECENT_NS ? backlog->wait_ns : 0;
    return age_ns > wait_ns ? age_ns : wait_ns;
}
