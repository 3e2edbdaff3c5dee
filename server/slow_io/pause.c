/* pause.c – see pause.h. */
#include "server/slow_io/pause.h"

#include <errno.h>
#include <time.h>

int pause_init(struct pause *pause)
{
    atomic_init(&pause->ended, false);
    return sem_init(&pause->wakeup, 0, 0) == 0 ? 0 : -errno;
}

void pause_destroy(struct pause *pause)
{
    sem_destroy(&pause->wakeup);
}

void pause_arm(struct pause *pause)
{
    while (sem_trywait(&pause->wakeup) == 0)
        continue;
    atomic_store(&pause->ended, false);
}

void pause_end(struct pause *pause)
{
    atomic_store(&pause->ended, true);
    (void)sem_post(&pause->wakeup);
}

bool pause_is_ended(const struct pause *pause)
{
    return atomic_load(&pause->ended);
}

bool pause_until(struct pause *pause, uint64_t end_ns)
{
    const struct timespec end = {.tv_sec = (time_t)(end_ns / 1000000000u),
                                 .tv_nsec = (long)(end_ns % 1000000000u)};
    int rc = 0;
    while (!pause_is_ended(pause) && (rc == 0 || errno == EINTR))
        rc = sem_clockwait(&pause->wakeup, CLOCK_MONOTONIC, &end);
    return !pause_is_ended(pause);
}
