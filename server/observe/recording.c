/* recording.c – see recording.h. */
#include "server/observe/recording.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

/* ------------------------------------------------------------------ the memory */

static int map(struct recordings *recordings)
{
    size_t bytes = recordings->count * sizeof *recordings->table;
    void *memory =
        mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, recordings->fd, 0);
    if (memory == MAP_FAILED)
        return -errno;
    recordings->table = memory;
    return 0;
}

int recordings_init(struct recordings *recordings, unsigned count)
{
    *recordings = (struct recordings){.count = count, .fd = -1};
    recordings->fd = memfd_create("offloop recordings", MFD_CLOEXEC);
    if (recordings->fd < 0)
        return -errno;
    int rc =
        ftruncate(recordings->fd, (off_t)(count * sizeof *recordings->table)) == 0 ? 0 : -errno;
    if (rc == 0)
        rc = map(recordings);
    if (rc != 0) {
        close(recordings->fd);
        recordings->fd = -1;
    }
    return rc;
}

int recordings_map(struct recordings *recordings, int fd, unsigned count)
{
    *recordings = (struct recordings){.count = count, .fd = fd};
    int rc = map(recordings);
    close(fd);
    recordings->fd = -1;
    return rc;
}

void recordings_close(struct recordings *recordings)
{
    if (recordings->table != NULL)
        munmap(recordings->table, recordings->count * sizeof *recordings->table);
    if (recordings->fd >= 0)
        close(recordings->fd);
    *recordings = (struct recordings){.fd = -1};
}

static void settle_work(struct work_record *work)
{
    uint64_t submitted = counter_get(&work->submitted), started = counter_get(&work->started);
    counter_add(&work->outcomes[TRIP_LOST], submitted - counter_get(&work->delivered));
    counter_set(&work->unstarted, submitted - started);
    counter_set(&work->finished, started);
    counter_set(&work->delivered, submitted);
}

static void settle_loop(struct recording *recording)
{
    struct watch_record *watch = &recording->watch;
    counter_set(&recording->loop.turn_ns, 0);
    counter_set(&recording->loop.lag_ns, 0);
    counter_set(&recording->loop.route, 0);
    counter_set(&watch->progress_ns, counter_get(&watch->sampled_ns));
    counter_set(&watch->blocked_since_ns, 0);
}

void recording_begin(struct recording *recording, uint64_t epoch_ns, uint64_t first_id)
{
    uint64_t now_ns = trip_clock_ns();
    counter_set(&recording->watch.sampled_ns, now_ns); /* until the watchdog's first look */
    counter_set(&recording->watch.progress_ns, now_ns);
    counter_set(&recording->epoch_ns, epoch_ns);
    counter_set(&recording->began_ns, now_ns);
    if (counter_get(&recording->ids) < first_id)
        counter_set(&recording->ids, first_id);
    counter_set(&recording->pid, (uint64_t)getpid());
}

void recording_end(struct recording *recording)
{
    counter_set(&recording->pid, 0);
    for (size_t i = 0; i < RECORDING_WORKS; i++)
        settle_work(&recording->works[i]);
    for (size_t i = 0; i < LANE_COUNT; i++)
        atomic_store(&recording->lanes[i].trip, 0);
    counter_set(&recording->http.connections_closed,
                counter_get(&recording->http.connections_accepted));
    settle_loop(recording);
}

/* ------------------------------------------------------------------ lanes */

void recording_enter_lane(struct recording *recording, const struct trip *trip, uint64_t now_ns)
{
    int index = lane_index(trip->lane);
    if (index < 0)
        return;
    struct lane_record *lane = &recording->lanes[index];
    uint64_t subject = trip->subject.work | (uint64_t)trip->subject.kernel << 8;
    atomic_store_explicit(&lane->trip, 0, memory_order_relaxed);
    /* release: whoever sees one of these sees the zero as well, as in trace.c */
    atomic_store_explicit(&lane->since_ns.value, now_ns, memory_order_release);
    atomic_store_explicit(&lane->subject.value, subject, memory_order_release);
    atomic_store_explicit(&lane->size.value, trip->subject.size, memory_order_release);
    atomic_store_explicit(&lane->trip, trip->id, memory_order_release);
}

void recording_leave_lane(struct recording *recording, const struct trip *trip)
{
    int index = lane_index(trip->lane);
    if (index < 0)
        return;
    struct lane_record *lane = &recording->lanes[index];
    /* a trip that was cancelled between two slices has left already */
    if (atomic_load_explicit(&lane->trip, memory_order_relaxed) != trip->id)
        return;
    counter_add(&lane->busy_ns, trip_clock_ns() - counter_get(&lane->since_ns));
    atomic_store_explicit(&lane->trip, 0, memory_order_release);
}

static bool lane_read(const struct lane_record *lane, struct lane_view *view)
{
    view->trip = atomic_load_explicit(&lane->trip, memory_order_acquire);
    view->since_ns = atomic_load_explicit(&lane->since_ns.value, memory_order_acquire);
    uint64_t subject = atomic_load_explicit(&lane->subject.value, memory_order_acquire);
    view->subject = (struct trip_subject){
        .work = (uint8_t)subject,
        .kernel = (uint8_t)(subject >> 8),
        .size = atomic_load_explicit(&lane->size.value, memory_order_acquire),
    };
    return atomic_load_explicit(&lane->trip, memory_order_relaxed) == view->trip;
}

bool recording_lane(const struct recording *recording, int index, struct lane_view *view)
{
    const struct lane_record *lane = &recording->lanes[index];
    for (int tries = 0; tries < 4; tries++) {
        if (lane_read(lane, view))
            return view->trip != 0;
    }
    return false; /* it changes faster than anybody could draw it */
}

/* ------------------------------------------------------------------ trips */

static struct trace_record describe(const struct trip *trip, enum trace_kind kind)
{
    return (struct trace_record){
        .id = trip->id,
        .size = trip->subject.size,
        .submitted_ns = trip->submitted_ns,
        .started_ns = trip->started_ns,
        .finished_ns = trip->finished_ns,
        .delivered_ns = trip->delivered_ns,
        .kind = (uint8_t)kind,
        .work = trip->subject.work,
        .kernel = trip->subject.kernel,
        .lane_kind = (uint8_t)trip->lane.kind,
        .number = (uint16_t)trip->lane.number,
    };
}

void recording_submit(struct recording *recording, struct trip *trip)
{
    counter_add(&recording->ids, 1);
    trip->id = counter_get(&recording->ids);
    counter_add(&recording->works[trip->subject.work].submitted, 1);
    struct trace_record record = describe(trip, TRACE_SUBMITTED);
    trace_write(&recording->trace, &record);
}

void recording_start(struct recording *recording, const struct trip *trip)
{
    counter_add_shared(&recording->works[trip->subject.work].started, 1);
    recording_enter_lane(recording, trip, trip->started_ns);
}

void recording_finish(struct recording *recording, const struct trip *trip)
{
    counter_add_shared(&recording->works[trip->subject.work].finished, 1);
    recording_leave_lane(recording, trip);
}

static uint64_t between(uint64_t from_ns, uint64_t to_ns)
{
    return to_ns > from_ns ? to_ns - from_ns : 0;
}

static void record_legs(struct leg_record *legs, const struct trip *trip)
{
    histogram_record(&legs->wait, between(trip->submitted_ns, trip->started_ns));
    histogram_record(&legs->run, between(trip->started_ns, trip->finished_ns));
    histogram_record(&legs->back, between(trip->finished_ns, trip->delivered_ns));
}

void recording_deliver(struct recording *recording, const struct trip *trip,
                       enum trip_outcome outcome)
{
    struct work_record *work = &recording->works[trip->subject.work];
    int index = lane_index(trip->lane);
    counter_add(&work->outcomes[outcome], 1);
    counter_add(&work->unstarted, trip->started_ns == 0);
    counter_add(&work->delivered, 1);
    if (trip->started_ns != 0)
        record_legs(&work->legs, trip);
    if (trip->started_ns != 0 && index >= 0) {
        counter_add(&recording->lanes[index].trips, 1);
        record_legs(&recording->lane_legs[index], trip);
    }
    struct trace_record record = describe(trip, TRACE_TRIP);
    record.outcome = (uint8_t)outcome;
    trace_write(&recording->trace, &record);
}
