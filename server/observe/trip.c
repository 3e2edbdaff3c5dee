/* trip.c – see trip.h. */
#include "server/observe/trip.h"

#include <stdio.h>
#include <time.h>

#include "server/observe/recording.h"

const char *trip_outcome_name(enum trip_outcome outcome)
{
    static const char *const names[TRIP_OUTCOMES] = {
        [TRIP_SUCCEEDED] = "succeeded", [TRIP_CANCELLED] = "cancelled", [TRIP_REFUSED] = "refused",
        [TRIP_FAILED] = "failed",       [TRIP_LOST] = "lost",           [TRIP_EXPIRED] = "expired",
    };
    return names[outcome];
}

uint64_t trip_clock_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* ------------------------------------------------------------------ out and back */

void trip_submit(struct trip *trip, struct recording *recording, struct trip_subject subject)
{
    *trip = (struct trip){
        .submitted_ns = trip_clock_ns(),
        .subject = subject,
        .recording = recording,
    };
    if (recording != NULL)
        recording_submit(recording, trip);
}

void trip_start(struct trip *trip, struct lane lane)
{
    trip->lane = lane;
    trip->started_ns = trip_clock_ns();
    if (trip->recording != NULL)
        recording_start(trip->recording, trip);
}

void trip_finish(struct trip *trip)
{
    trip->finished_ns = trip_clock_ns();
    if (trip->recording != NULL)
        recording_finish(trip->recording, trip);
}

void trip_deliver(struct trip *trip, enum trip_outcome outcome)
{
    trip->delivered_ns = trip_clock_ns();
    if (trip->recording != NULL)
        recording_deliver(trip->recording, trip, outcome);
}

void trip_pause(const struct trip *trip)
{
    if (trip->recording != NULL)
        recording_leave_lane(trip->recording, trip);
}

void trip_resume(const struct trip *trip)
{
    if (trip->recording != NULL)
        recording_enter_lane(trip->recording, trip, trip_clock_ns());
}

/* ------------------------------------------------------------------ what it says */

static double leg_ms(uint64_t from_ns, uint64_t to_ns)
{
    return from_ns == 0 ? 0.0 : (double)trip_elapsed_ns(from_ns, to_ns) / 1e6;
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
    lane_name(trip->lane, name, size);
}

void trip_server_timing(const struct trip *trip, char *line, size_t size)
{
    snprintf(line, size, "Server-Timing: wait;dur=%.3f, run;dur=%.3f, return;dur=%.3f\r\n",
             trip_wait_ms(trip), trip_run_ms(trip), trip_return_ms(trip));
}
