/* recording.c – see recording.h. */
#include "server/observe/recording.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* ------------------------------------------------------------------ the layout */

/* Raise it when a number changes its meaning and not its place. */
enum { FORMAT = 1 };

static const char MAGIC[16] = "offloop records";

/* At the beginning of the memory; as many bytes are kept for it in every version. */
struct recordings_head {
    char magic[sizeof MAGIC];
    char version[RECORDINGS_VERSION_BYTES];
    uint64_t bytes; /* of all of it */
    uint64_t layout;
    struct counter names;
};

enum { HEAD_BYTES = 4096 };

_Static_assert(sizeof(struct recordings_head) <= HEAD_BYTES, "the head fits");

uint64_t fingerprint_add(uint64_t fingerprint, const void *bytes, size_t length)
{
    const unsigned char *byte = bytes;
    uint64_t hash = fingerprint ^ UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ byte[i]) * UINT64_C(0x100000001b3);
    return hash ^ UINT64_C(0xcbf29ce484222325);
}

/* Where everything is, and, of what comes from a list, in which order. */
static uint64_t layout_of_this_version(void)
{
#define COUNTER_NAME(name) #name " "
    static const char counters[] = HTTP_COUNTERS(COUNTER_NAME);
#undef COUNTER_NAME
    const uint64_t places[] = {
        FORMAT,
        offsetof(struct recording, http),
        offsetof(struct recording, loop),
        offsetof(struct recording, watch),
        offsetof(struct recording, works),
        offsetof(struct recording, routes),
        offsetof(struct recording, lanes),
        offsetof(struct recording, lane_legs),
        offsetof(struct recording, trace),
        sizeof(struct recording),
        offsetof(struct loop_record, lag),
        offsetof(struct loop_record, waited),
        offsetof(struct loop_record, route),
        offsetof(struct watch_record, cells),
        offsetof(struct work_record, outcomes),
        offsetof(struct work_record, legs),
        offsetof(struct route_record, duration),
        offsetof(struct trace_record, kind),
        offsetof(struct trace_record, number),
        sizeof(struct work_record),
        sizeof(struct lane_record),
        sizeof(struct leg_record),
        sizeof(struct trace_slot),
        RECORDING_WORKS,
        RECORDING_ROUTES,
        RECORDING_CELLS,
        RECORDING_CELL_MS,
        HISTOGRAM_BUCKETS,
        HISTOGRAM_DECADE_BUCKETS,
        TRIP_OUTCOMES,
        TRACE_SLOTS,
        LANE_COUNT,
        LANE_NUMBER_MAX,
    };
    uint64_t layout = fingerprint_add(FINGERPRINT_EMPTY, counters, sizeof counters);
    return fingerprint_add(layout, places, sizeof places);
}

static size_t bytes_for(unsigned count)
{
    return HEAD_BYTES + count * sizeof(struct recording);
}

static struct recordings_head head_for(unsigned count)
{
    struct recordings_head head = {.bytes = bytes_for(count), .layout = layout_of_this_version()};
    memcpy(head.magic, MAGIC, sizeof MAGIC);
    snprintf(head.version, sizeof head.version, "%s", OFFLOOP_VERSION);
    return head;
}

/* ------------------------------------------------------------------ the memory */

static int map(struct recordings *recordings)
{
    int flags = MAP_SHARED | MAP_NORESERVE | (recordings->fd < 0 ? MAP_ANONYMOUS : 0);
    char *memory =
        mmap(NULL, bytes_for(recordings->count), PROT_READ | PROT_WRITE, flags, recordings->fd, 0);
    if (memory == MAP_FAILED)
        return -errno;
    recordings->head = (struct recordings_head *)(void *)memory;
    recordings->table = (struct recording *)(void *)(memory + HEAD_BYTES);
    return 0;
}

/* Sealed: nobody can take away what another has mapped. Returns a descriptor or a negative errno.
 */
static int make_file(unsigned count)
{
    int fd = memfd_create("offloop recordings", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0 || ftruncate(fd, (off_t)bytes_for(count)) != 0) {
        int error = -errno;
        if (fd >= 0)
            close(fd);
        return error;
    }
    (void)fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
    return fd;
}

int recordings_init(struct recordings *recordings, unsigned count)
{
    *recordings = (struct recordings){.count = count, .fd = -1, .version = OFFLOOP_VERSION};
    if (count == 0)
        return -EINVAL;
    int fd = make_file(count);
    recordings->fd = fd >= 0 ? fd : -1;
    recordings->unshared = fd >= 0 ? 0 : fd;
    int rc = map(recordings);
    if (rc == 0)
        *recordings->head = head_for(count);
    else
        recordings_close(recordings);
    return rc;
}

/* Read, not mapped: a file that is too short for it is no death by SIGBUS. */
static int check_head(struct recordings *recordings)
{
    struct recordings_head found, own = head_for(recordings->count);
    struct stat status;
    ssize_t length = pread(recordings->fd, &found, sizeof found, 0);
    if (length < 0 || fstat(recordings->fd, &status) != 0)
        return -errno;
    if ((size_t)length < sizeof found || memcmp(found.magic, MAGIC, sizeof MAGIC) != 0)
        return -EPROTO;
    snprintf(recordings->version, sizeof recordings->version, "%.*s", (int)sizeof found.version - 1,
             found.version);
    bool same = found.bytes == own.bytes && found.layout == own.layout;
    return same && (uint64_t)status.st_size >= own.bytes ? 0 : -EPROTO;
}

int recordings_map(struct recordings *recordings, int fd, unsigned count)
{
    *recordings = (struct recordings){.count = count, .fd = fd};
    int rc = check_head(recordings);
    if (rc == 0)
        rc = map(recordings);
    close(fd);
    recordings->fd = -1;
    return rc;
}

void recordings_close(struct recordings *recordings)
{
    if (recordings->head != NULL)
        munmap(recordings->head, bytes_for(recordings->count));
    if (recordings->fd >= 0)
        close(recordings->fd);
    recordings->table = NULL;
    recordings->head = NULL;
    recordings->fd = -1;
}

void recordings_set_names(struct recordings *recordings, uint64_t fingerprint)
{
    counter_set(&recordings->head->names, fingerprint);
}

uint64_t recordings_names(const struct recordings *recordings)
{
    return counter_get(&recordings->head->names);
}

/* ------------------------------------------------------------------ who writes */

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

void recording_begin_foreign(struct recording *recording, int pid)
{
    counter_set(&recording->watch.sampled_ns, trip_clock_ns());
    settle_loop(recording);
    counter_set(&recording->foreign, 1);
    counter_set(&recording->pid, (uint64_t)pid);
}

void recording_end(struct recording *recording)
{
    counter_set(&recording->pid, 0);
    counter_set(&recording->foreign, 0);
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
    counter_add(&lane->busy_ns, trip_elapsed_ns(counter_get(&lane->since_ns), trip_clock_ns()));
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

/* Memory that others write may hold anything, and this becomes an index. */
static bool is_row(const struct trip_subject *subject)
{
    return subject->work < RECORDING_WORKS;
}

bool recording_lane(const struct recording *recording, int index, struct lane_view *view)
{
    const struct lane_record *lane = &recording->lanes[index];
    for (int tries = 0; tries < 4; tries++) {
        if (lane_read(lane, view))
            return view->trip != 0 && is_row(&view->subject);
    }
    return false; /* it changes faster than anybody could draw it */
}

static bool is_sound(const struct trace_record *record)
{
    return record->kind >= TRACE_SUBMITTED && record->kind <= TRACE_STALL &&
           record->work < RECORDING_WORKS && record->outcome < TRIP_OUTCOMES &&
           record->lane_kind <= LANE_TIMER;
}

bool recording_read(const struct recording *recording, uint64_t *cursor,
                    struct trace_record *record, uint64_t *missed)
{
    while (trace_read(&recording->trace, cursor, record, missed)) {
        if (is_sound(record))
            return true;
        ++*missed;
    }
    return false;
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

static void record_legs(struct leg_record *legs, const struct trip *trip)
{
    histogram_record(&legs->wait, trip_elapsed_ns(trip->submitted_ns, trip->started_ns));
    histogram_record(&legs->run, trip_elapsed_ns(trip->started_ns, trip->finished_ns));
    histogram_record(&legs->back, trip_elapsed_ns(trip->finished_ns, trip->delivered_ns));
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
