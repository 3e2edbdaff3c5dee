/* trip.c – see trip.h. */
#include "server/observe/trip.h"

#include <stdio.h>
#include <time.h>

uint64_t trip_clock_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static double leg_ms(uint64_t from_ns, uint64_t to_ns)
{
    return from_ns == 0 || to_ns <= from_ns ? 0.0 : (double)(to_ns - from_ns) / 1e6;
}

double trip_wait_ms(const struct trip *trip)
{
    /* Work that was cancelled in the queue has only waited. */
    uint64_t end_ns = trip->started_ns != 0 ? trip->started_ns : trip->delivered_ns;
    return leg_ms(trip->submitted_ns, end_ns);
}

double trip_run_ms(const struct trip *trip)
{
    return leg_ms(trip->started_ns, trip->finished_ns);
}

double trip_return_ms(const struct trip *trip)
{
    return leg_ms(trip->finished_ns, trip->delivered_ns);
}

void trip_lane_name(const struct trip *trip, char *name, size_t size)
{
    if (trip->lane.kind == NULL)
        snprintf(name, size, "none");
    else if (trip->lane.number == 0)
        snprintf(name, size, "%s", trip->lane.kind);
    else
        snprintf(name, size, "%s %u", trip->lane.kind, trip->lane.number);
}

void trip_server_timing(const struct trip *trip, char *line, size_t size)
{
    snprintf(line, size, "Server-Timing: wait;dur=%.3f, run;dur=%.3f, return;dur=%.3f\r\n",
             trip_wait_ms(trip), trip_run_ms(trip), trip_return_ms(trip));
}
