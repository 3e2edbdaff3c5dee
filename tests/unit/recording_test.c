/* recording_test.c – where everything is, told by four counters, lane by lane, across threads and
 * processes. */
#include "server/observe/recording.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/observed_loop.h"

static const uint64_t MS = 1000000;
static const struct lane POOL_1 = {LANE_POOL, 1};
static const struct trip_subject SUBJECT = {3, 2, 777};

static int open_recordings(void **state)
{
    static struct recordings recordings;
    *state = &recordings;
    if (recordings_init(&recordings, 2) != 0)
        return -1;
    recording_begin(&recordings.table[0], trip_clock_ns(), 0);
    return 0;
}

static int close_recordings(void **state)
{
    recordings_close(*state);
    return 0;
}

static struct recording *first_of(void **state)
{
    return &((struct recordings *)*state)->table[0];
}

/* ------------------------------------------------------------------ where everything is */

static void assert_whereabouts(const struct work_record *work, uint64_t waiting, uint64_t running,
                               uint64_t returning)
{
    uint64_t submitted = counter_get(&work->submitted), started = counter_get(&work->started);
    uint64_t finished = counter_get(&work->finished), delivered = counter_get(&work->delivered);
    uint64_t unstarted = counter_get(&work->unstarted);
    assert_int_equal(submitted - started - unstarted, waiting);
    assert_int_equal(started - finished, running);
    assert_int_equal(finished - (delivered - unstarted), returning);
}

static void assert_outcomes_are_complete(const struct work_record *work)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < TRIP_OUTCOMES; i++)
        sum += counter_get(&work->outcomes[i]);
    assert_int_equal(sum, counter_get(&work->delivered));
}

static uint64_t count_of(const struct histogram *histogram)
{
    struct histogram_snapshot snapshot;
    histogram_read(histogram, &snapshot);
    return snapshot.count;
}

static void assert_legs(const struct leg_record *legs, uint64_t count)
{
    assert_int_equal(count_of(&legs->wait), count);
    assert_int_equal(count_of(&legs->run), count);
    assert_int_equal(count_of(&legs->back), count);
}

static void test_a_trip_is_where_it_is(void **state)
{
    struct recording *recording = first_of(state);
    const struct work_record *work = &recording->works[SUBJECT.work];
    struct trip trip;
    assert_whereabouts(work, 0, 0, 0);
    trip_submit(&trip, recording, SUBJECT);
    assert_whereabouts(work, 1, 0, 0);
    trip_start(&trip, POOL_1);
    assert_whereabouts(work, 0, 1, 0);
    trip_finish(&trip);
    assert_whereabouts(work, 0, 0, 1);
    trip_deliver(&trip, TRIP_SUCCEEDED);
    assert_whereabouts(work, 0, 0, 0);
    assert_legs(&work->legs, 1);
    assert_outcomes_are_complete(work);
}

static void test_a_trip_that_never_started(void **state)
{
    struct recording *recording = first_of(state);
    const struct work_record *work = &recording->works[SUBJECT.work];
    struct trip trips[2];
    trip_submit(&trips[0], recording, SUBJECT);
    trip_submit(&trips[1], recording, SUBJECT);
    trip_deliver(&trips[0], TRIP_REFUSED);
    assert_whereabouts(work, 1, 0, 0);
    trip_deliver(&trips[1], TRIP_CANCELLED);
    assert_whereabouts(work, 0, 0, 0);
    assert_legs(&work->legs, 0);
    assert_int_equal(counter_get(&work->unstarted), 2);
    assert_outcomes_are_complete(work);
}

static void go(struct recording *recording, struct lane lane, enum trip_outcome outcome)
{
    struct trip trip;
    trip_submit(&trip, recording, SUBJECT);
    trip_start(&trip, lane);
    trip_finish(&trip);
    trip_deliver(&trip, outcome);
}

static void test_every_outcome_is_counted(void **state)
{
    struct recording *recording = first_of(state);
    const struct work_record *work = &recording->works[SUBJECT.work];
    for (unsigned outcome = 0; outcome < TRIP_OUTCOMES; outcome++) {
        for (unsigned i = 0; i <= outcome; i++)
            go(recording, POOL_1, outcome);
    }
    for (unsigned outcome = 0; outcome < TRIP_OUTCOMES; outcome++)
        assert_int_equal(counter_get(&work->outcomes[outcome]), outcome + 1);
    assert_outcomes_are_complete(work);
}

static void test_works_are_counted_apart(void **state)
{
    struct recording *recording = first_of(state);
    struct trip trips[2];
    trip_submit(&trips[0], recording, (struct trip_subject){.work = 0});
    trip_submit(&trips[1], recording, (struct trip_subject){.work = RECORDING_WORKS - 1});
    trip_start(&trips[1], POOL_1);
    assert_whereabouts(&recording->works[0], 1, 0, 0);
    assert_whereabouts(&recording->works[RECORDING_WORKS - 1], 0, 1, 0);
    assert_whereabouts(&recording->works[1], 0, 0, 0);
}

/* ------------------------------------------------------------------ what is written down */

static void test_trips_are_in_the_trace(void **state)
{
    struct recording *recording = first_of(state);
    struct trip trip;
    struct trace_record record;
    go(recording, POOL_1, TRIP_SUCCEEDED);
    uint64_t cursor = counter_get(&recording->trace.written), missed = 0;
    trip_submit(&trip, recording, SUBJECT);
    assert_int_equal(trip.id, 2);
    assert_true(trace_read(&recording->trace, &cursor, &record, &missed));
    assert_int_equal(record.kind, TRACE_SUBMITTED);
    assert_int_equal(record.id, 2);
    assert_int_equal(record.submitted_ns, trip.submitted_ns);
    assert_int_equal(record.work, SUBJECT.work);
    assert_int_equal(record.kernel, SUBJECT.kernel);
    assert_int_equal(record.size, SUBJECT.size);
    assert_false(trace_read(&recording->trace, &cursor, &record, &missed));
}

static void test_a_trip_that_is_over_is_told_whole(void **state)
{
    struct recording *recording = first_of(state);
    struct trip trip;
    struct trace_record record;
    uint64_t cursor = 1, missed = 0;
    trip_submit(&trip, recording, SUBJECT);
    trip_start(&trip, (struct lane){LANE_CHILD, 7});
    trip_finish(&trip);
    trip_deliver(&trip, TRIP_FAILED);
    assert_true(trace_read(&recording->trace, &cursor, &record, &missed));
    assert_int_equal(record.kind, TRACE_TRIP);
    assert_int_equal(record.id, trip.id);
    assert_int_equal(record.submitted_ns, trip.submitted_ns);
    assert_int_equal(record.started_ns, trip.started_ns);
    assert_int_equal(record.finished_ns, trip.finished_ns);
    assert_int_equal(record.delivered_ns, trip.delivered_ns);
    assert_int_equal(record.outcome, TRIP_FAILED);
    assert_int_equal(record.lane_kind, LANE_CHILD);
    assert_int_equal(record.number, 7);
    assert_int_equal(record.size, SUBJECT.size);
}

/* ------------------------------------------------------------------ lanes */

static void assert_idle(const struct recording *recording)
{
    struct lane_view view;
    for (int i = 0; i < LANE_COUNT; i++)
        assert_false(recording_lane(recording, i, &view));
}

static void assert_view(const struct recording *recording, int index, const struct trip *trip)
{
    struct lane_view view;
    assert_true(recording_lane(recording, index, &view));
    assert_int_equal(view.trip, trip->id);
    assert_int_equal(view.since_ns, trip->started_ns);
    assert_int_equal(view.subject.work, trip->subject.work);
    assert_int_equal(view.subject.kernel, trip->subject.kernel);
    assert_int_equal(view.subject.size, trip->subject.size);
}

static void test_a_lane_tells_what_it_does(void **state)
{
    struct recording *recording = first_of(state);
    struct trip trip;
    for (int i = 0; i < LANE_COUNT; i++) {
        trip_submit(&trip, recording, SUBJECT);
        assert_idle(recording);
        trip_start(&trip, lane_at(i));
        assert_view(recording, i, &trip);
        trip_finish(&trip);
        assert_idle(recording);
        assert_int_equal(counter_get(&recording->lanes[i].trips), 0);
        trip_deliver(&trip, TRIP_SUCCEEDED);
        assert_int_equal(counter_get(&recording->lanes[i].trips), 1);
    }
}

static void test_a_lane_is_not_busy_between_two_slices(void **state)
{
    struct recording *recording = first_of(state);
    const struct lane_record *lane = &recording->lanes[0];
    struct lane_view view;
    struct trip trip;
    trip_submit(&trip, recording, SUBJECT);
    trip_start(&trip, LANE_THE_LOOP);
    burn_ms(3);
    trip_pause(&trip);
    assert_idle(recording);
    burn_ms(20);
    trip_resume(&trip);
    assert_true(recording_lane(recording, 0, &view));
    assert_int_equal(view.trip, trip.id);
    assert_true(view.since_ns >= trip.started_ns + 23 * MS);
    burn_ms(3);
    trip_finish(&trip);
    assert_true(counter_get(&lane->busy_ns) >= 6 * MS);
    assert_true(counter_get(&lane->busy_ns) <= trip_clock_ns() - trip.started_ns - 20 * MS);
}

static void test_a_lane_is_not_busy_before_its_time(void **state)
{
    struct recording *recording = first_of(state);
    struct trip trip;
    trip_submit(&trip, recording, SUBJECT);
    trip_start(&trip, LANE_THE_LOOP);
    counter_set(&recording->lanes[0].since_ns, trip_clock_ns() + 3600000 * MS);
    trip_finish(&trip);
    assert_int_equal(counter_get(&recording->lanes[0].busy_ns), 0);
}

/* A job that is cancelled between two slices has left its lane, perhaps to another one. */
static void test_a_trip_that_ends_between_two_slices(void **state)
{
    struct recording *recording = first_of(state);
    struct trip paused, other;
    trip_submit(&paused, recording, SUBJECT);
    trip_start(&paused, LANE_THE_LOOP);
    trip_pause(&paused);
    uint64_t busy_ns = counter_get(&recording->lanes[0].busy_ns);
    trip_submit(&other, recording, SUBJECT);
    trip_start(&other, LANE_THE_LOOP);
    trip_finish(&paused);
    assert_int_equal(counter_get(&recording->lanes[0].busy_ns), busy_ns);
    assert_view(recording, 0, &other);
    trip_finish(&other);
    assert_whereabouts(&recording->works[SUBJECT.work], 0, 0, 2);
}

static void test_lanes_without_a_place_do_no_harm(void **state)
{
    static const struct lane lanes[] = {
        {LANE_TIMER, 0},
        {LANE_NONE, 0},
        {LANE_POOL, LANE_NUMBER_MAX + 1},
        {LANE_CHILD, LANE_NUMBER_MAX + 1},
        {LANE_WORKER, 70000},
    };
    struct recording *recording = first_of(state);
    const struct work_record *work = &recording->works[SUBJECT.work];
    struct trip trip;
    for (size_t i = 0; i < sizeof lanes / sizeof *lanes; i++) {
        trip_submit(&trip, recording, SUBJECT);
        trip_start(&trip, lanes[i]);
        trip_pause(&trip);
        trip_resume(&trip);
        assert_idle(recording);
        assert_whereabouts(work, 0, 1, 0);
        trip_finish(&trip);
        trip_deliver(&trip, TRIP_SUCCEEDED);
        assert_int_equal(counter_get(&work->delivered), i + 1);
    }
    for (int i = 0; i < LANE_COUNT; i++) {
        assert_int_equal(counter_get(&recording->lanes[i].trips), 0);
        assert_int_equal(counter_get(&recording->lanes[i].busy_ns), 0);
    }
    assert_legs(&work->legs, sizeof lanes / sizeof *lanes);
}

/* ------------------------------------------------------------------ other threads */

enum { FLIPS = 300000 };

/* Everything of a trip follows from its number. */
static struct trip numbered_trip(struct recording *recording, uint64_t id)
{
    return (struct trip){
        .id = id,
        .subject = {(uint8_t)(id % RECORDING_WORKS), (uint8_t)(id % 5 + 1), id * 3},
        .recording = recording,
    };
}

static void *flip(void *data)
{
    for (uint64_t id = 1; id <= FLIPS; id++) {
        struct trip trip = numbered_trip(data, id);
        trip_start(&trip, POOL_1);
        if (id < FLIPS)
            trip_finish(&trip);
    }
    return NULL;
}

/* Returns the number of the trip that was seen, 0 if none was. */
static uint64_t look_at_flips(const struct recording *recording)
{
    struct lane_view view;
    if (!recording_lane(recording, lane_index(POOL_1), &view))
        return 0;
    const struct trip trip = numbered_trip(NULL, view.trip);
    assert_int_equal(view.subject.size, trip.subject.size);
    assert_int_equal(view.subject.work, trip.subject.work);
    assert_int_equal(view.subject.kernel, trip.subject.kernel);
    assert_true(view.since_ns > 0 && view.since_ns <= trip_clock_ns());
    return view.trip;
}

/* The last of the trips stays on the lane. */
static void test_a_view_is_of_one_trip(void **state)
{
    struct recording *recording = first_of(state);
    pthread_t thread;
    uint64_t seen = 0;
    assert_int_equal(pthread_create(&thread, NULL, flip, recording), 0);
    while (seen < FLIPS) {
        uint64_t now = look_at_flips(recording);
        assert_true(now == 0 || now >= seen);
        seen = now > seen ? now : seen;
    }
    pthread_join(thread, NULL);
}

enum { LANES = 4, TRIPS_PER_LANE = 500, TRIPS = LANES * TRIPS_PER_LANE };

struct lane_thread {
    pthread_t thread;
    struct lane lane;
    struct trip trips[TRIPS_PER_LANE];
};

static void *run_trips(void *data)
{
    struct lane_thread *lane = data;
    for (size_t i = 0; i < TRIPS_PER_LANE; i++) {
        trip_start(&lane->trips[i], lane->lane);
        trip_finish(&lane->trips[i]);
    }
    return NULL;
}

static void send_lane(struct lane_thread *lane, struct recording *recording, unsigned number)
{
    lane->lane = (struct lane){LANE_WORKER, number};
    for (size_t i = 0; i < TRIPS_PER_LANE; i++)
        trip_submit(&lane->trips[i], recording, SUBJECT);
    assert_int_equal(pthread_create(&lane->thread, NULL, run_trips, lane), 0);
}

static void deliver_lane(struct lane_thread *lane, const struct work_record *work)
{
    uint64_t finished = counter_get(&work->finished), started = counter_get(&work->started);
    assert_true(finished <= TRIPS && started <= TRIPS);
    pthread_join(lane->thread, NULL);
    for (size_t i = 0; i < TRIPS_PER_LANE; i++)
        trip_deliver(&lane->trips[i], TRIP_SUCCEEDED);
}

static void test_lanes_of_other_threads(void **state)
{
    static struct lane_thread lanes[LANES];
    struct recording *recording = first_of(state);
    const struct work_record *work = &recording->works[SUBJECT.work];
    for (unsigned i = 0; i < LANES; i++)
        send_lane(&lanes[i], recording, i + 1);
    for (unsigned i = 0; i < LANES; i++)
        deliver_lane(&lanes[i], work);
    assert_whereabouts(work, 0, 0, 0);
    assert_int_equal(counter_get(&work->delivered), TRIPS);
    assert_int_equal(counter_get(&recording->ids), TRIPS);
    assert_legs(&work->legs, TRIPS);
    for (unsigned i = 0; i < LANES; i++) {
        int index = lane_index(lanes[i].lane);
        assert_int_equal(counter_get(&recording->lanes[index].trips), TRIPS_PER_LANE);
    }
    assert_idle(recording);
}

/* ------------------------------------------------------------------ other processes */

static void await_child(pid_t child, int expected)
{
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, expected);
}

static bool write_from_child(const struct recordings *inherited)
{
    struct recordings mapped;
    if (recordings_map(&mapped, inherited->fd, 2) != 0 || mapped.table == inherited->table)
        return false;
    recording_begin(&mapped.table[1], 12345, 0);
    go(&mapped.table[1], POOL_1, TRIP_SUCCEEDED);
    bool closed = mapped.fd == -1 && fcntl(inherited->fd, F_GETFD) == -1;
    recordings_close(&mapped);
    return closed && mapped.table == NULL;
}

static void test_another_process_writes_what_this_one_reads(void **state)
{
    const struct recordings *recordings = *state;
    const struct recording *recording = &recordings->table[1];
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(write_from_child(recordings) ? 0 : 1);
    await_child(child, 0);
    assert_int_equal(counter_get(&recording->pid), child);
    assert_int_equal(counter_get(&recording->epoch_ns), 12345);
    assert_int_equal(counter_get(&recording->works[SUBJECT.work].delivered), 1);
    assert_int_equal(counter_get(&recording->trace.written), 2);
    assert_int_equal(counter_get(&recordings->table[0].ids), 0);
}

/* ------------------------------------------------------------------ of another version */

static int map_copy_of(const struct recordings *recordings, struct recordings *mapped)
{
    int rc = recordings_map(mapped, dup(recordings->fd), recordings->count);
    recordings_close(mapped);
    return rc;
}

/* Any byte of what stands before the recordings: magic, size, layout. The version is a text only,
 * and so is what is behind. */
static void test_memory_of_another_layout_is_not_mapped(void **state)
{
    const struct recordings *recordings = *state;
    struct recordings mapped;
    (void)state;
    for (off_t at = 0; at < 64; at++) {
        unsigned char byte, other;
        bool is_version = at >= 16 && at < 16 + RECORDINGS_VERSION_BYTES;
        assert_int_equal(pread(recordings->fd, &byte, 1, at), 1);
        other = byte ^ 0x55;
        assert_int_equal(pwrite(recordings->fd, &other, 1, at), 1);
        assert_int_equal(map_copy_of(recordings, &mapped), is_version ? 0 : -EPROTO);
        assert_true(memchr(mapped.version, '\0', sizeof mapped.version) != NULL);
        assert_int_equal(pwrite(recordings->fd, &byte, 1, at), 1);
    }
    assert_int_equal(map_copy_of(recordings, &mapped), 0);
}

static void test_memory_for_another_number_is_not_mapped(void **state)
{
    const struct recordings *recordings = *state;
    struct recordings mapped;
    for (unsigned count = 1; count < 5; count++) {
        int rc = recordings_map(&mapped, dup(recordings->fd), count);
        assert_int_equal(rc, count == recordings->count ? 0 : -EPROTO);
        if (rc != 0)
            assert_string_equal(mapped.version, OFFLOOP_VERSION);
        recordings_close(&mapped);
    }
}

/* A file that ends too early would be a death by SIGBUS. */
static void test_memory_that_is_too_short_is_not_mapped(void **state)
{
    const struct recordings *recordings = *state;
    struct recordings mapped;
    char head[4096];
    const off_t lengths[] = {0, 1, 63, 64, 4096, 100000};
    assert_int_equal(pread(recordings->fd, head, sizeof head, 0), sizeof head);
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        int fd = memfd_create("short", MFD_CLOEXEC);
        assert_true(fd >= 0);
        assert_int_equal(pwrite(fd, head, sizeof head, 0), sizeof head);
        assert_int_equal(ftruncate(fd, lengths[i]), 0);
        assert_int_equal(recordings_map(&mapped, fd, recordings->count), -EPROTO);
        recordings_close(&mapped);
    }
}

/* And nobody can make it so. */
static void test_memory_that_is_mapped_cannot_be_cut(void **state)
{
    const struct recordings *recordings = *state;
    assert_int_equal(ftruncate(recordings->fd, 4096), -1);
    assert_int_equal(errno, EPERM);
}

static void test_what_the_rows_mean(void **state)
{
    struct recordings *recordings = *state, mapped;
    assert_int_equal(recordings_names(recordings), 0);
    recordings_set_names(recordings, 12345);
    assert_int_equal(recordings_map(&mapped, dup(recordings->fd), recordings->count), 0);
    assert_int_equal(recordings_names(&mapped), 12345);
    recordings_close(&mapped);
}

/* A process of which only the pid is known: it lives, it is not blocked, it does nothing. */
static void test_a_process_that_does_not_write(void **state)
{
    struct recording *recording = &((struct recordings *)*state)->table[1];
    recording_begin_foreign(recording, 77);
    assert_int_equal(counter_get(&recording->pid), 77);
    assert_int_equal(counter_get(&recording->foreign), 1);
    assert_true(counter_get(&recording->watch.sampled_ns) > 0);
    recording_end(recording);
    assert_int_equal(counter_get(&recording->pid), 0);
    assert_int_equal(counter_get(&recording->foreign), 0);
}

/* What is no record of this version is passed over, and counted. */
static void test_records_that_are_none(void **state)
{
    struct recording *recording = first_of(state);
    const struct trace_record good = {.id = 7, .kind = TRACE_TRIP, .work = RECORDING_WORKS - 1};
    struct trace_record bad[] = {good, good, good, good, good}, record;
    uint64_t cursor = 0, missed = 0;
    bad[0].kind = 0;
    bad[1].kind = TRACE_STALL + 1;
    bad[2].work = RECORDING_WORKS;
    bad[3].outcome = TRIP_OUTCOMES;
    bad[4].lane_kind = LANE_TIMER + 1;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        trace_write(&recording->trace, &bad[i]);
    trace_write(&recording->trace, &good);
    assert_true(recording_read(recording, &cursor, &record, &missed));
    assert_int_equal(record.id, 7);
    assert_int_equal(missed, sizeof bad / sizeof *bad);
    assert_false(recording_read(recording, &cursor, &record, &missed));
}

static void test_memory_that_cannot_be_mapped(void **state)
{
    struct recordings recordings;
    (void)state;
    assert_true(recordings_map(&recordings, -1, 2) < 0);
    recordings_close(&recordings);
    assert_true(recordings_init(&recordings, 0) < 0);
    recordings_close(&recordings);
    recordings_close(&recordings);
}

/* ulimit -f counts files in memory, too. The program ignores SIGXFSZ (process/signals.h). */
static void test_memory_that_cannot_be_shared(void **state)
{
    struct recordings recordings;
    struct rlimit before, none;
    (void)state;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    none = before;
    none.rlim_cur = 0;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
    int rc = recordings_init(&recordings, 2);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(rc, 0);
    assert_int_equal(recordings.unshared, -EFBIG);
    assert_int_equal(recordings.fd, -1);
    recording_begin(&recordings.table[1], 1, 0);
    assert_int_equal(counter_get(&recordings.table[1].epoch_ns), 1);
    recordings_close(&recordings);
}

/* Ends in the midst of it: three trips wait, two run, one is on its way back, one is home. */
static void work_until_killed(struct recording *recording)
{
    static struct trip trips[7];
    recording_begin(recording, 1, 0);
    counter_set(&recording->http.connections_accepted, 5);
    counter_set(&recording->watch.blocked_since_ns, 99);
    counter_set(&recording->watch.progress_ns, 99);
    for (size_t i = 0; i < 7; i++)
        trip_submit(&trips[i], recording, SUBJECT);
    for (unsigned i = 0; i < 4; i++)
        trip_start(&trips[i], (struct lane){LANE_WORKER, i + 1});
    trip_finish(&trips[0]);
    trip_finish(&trips[1]);
    trip_deliver(&trips[0], TRIP_SUCCEEDED);
    (void)raise(SIGKILL);
}

static void kill_a_predecessor(struct recording *recording)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        work_until_killed(recording);
    await_child(child, SIGKILL);
    assert_whereabouts(&recording->works[SUBJECT.work], 3, 2, 1);
}

static void test_what_a_killed_predecessor_left_is_over(void **state)
{
    struct recording *recording = &((struct recordings *)*state)->table[1];
    const struct work_record *work = &recording->works[SUBJECT.work];
    kill_a_predecessor(recording);
    recording_end(recording);
    assert_whereabouts(work, 0, 0, 0);
    assert_idle(recording);
    assert_int_equal(counter_get(&recording->pid), 0);
    assert_int_equal(counter_get(&recording->watch.progress_ns),
                     counter_get(&recording->watch.sampled_ns));
    assert_int_equal(counter_get(&recording->http.connections_closed), 5);
    assert_int_equal(counter_get(&recording->watch.blocked_since_ns), 0);
    assert_int_equal(counter_get(&work->outcomes[TRIP_SUCCEEDED]), 1);
    assert_int_equal(counter_get(&work->outcomes[TRIP_LOST]), 6);
    assert_outcomes_are_complete(work);
}

static void test_the_successor_counts_on(void **state)
{
    struct recording *recording = &((struct recordings *)*state)->table[1];
    const struct work_record *work = &recording->works[SUBJECT.work];
    struct trip trip;
    kill_a_predecessor(recording);
    recording_end(recording);
    recording_begin(recording, 777, 0);
    assert_int_equal(counter_get(&recording->pid), getpid());
    assert_int_equal(counter_get(&recording->epoch_ns), 777);
    trip_submit(&trip, recording, SUBJECT);
    assert_int_equal(trip.id, 8);
    assert_whereabouts(work, 1, 0, 0);
    trip_start(&trip, (struct lane){LANE_WORKER, 3});
    assert_whereabouts(work, 0, 1, 0);
    trip_finish(&trip);
    trip_deliver(&trip, TRIP_SUCCEEDED);
    assert_whereabouts(work, 0, 0, 0);
    assert_int_equal(counter_get(&work->submitted), 8);
    assert_outcomes_are_complete(work);
}

#define RECORDING_TEST(name) \
    cmocka_unit_test_setup_teardown(name, open_recordings, close_recordings)

int main(void)
{
    const struct CMUnitTest tests[] = {
        RECORDING_TEST(test_a_trip_is_where_it_is),
        RECORDING_TEST(test_a_trip_that_never_started),
        RECORDING_TEST(test_every_outcome_is_counted),
        RECORDING_TEST(test_works_are_counted_apart),
        RECORDING_TEST(test_trips_are_in_the_trace),
        RECORDING_TEST(test_a_trip_that_is_over_is_told_whole),
        RECORDING_TEST(test_a_lane_tells_what_it_does),
        RECORDING_TEST(test_a_lane_is_not_busy_between_two_slices),
        RECORDING_TEST(test_a_trip_that_ends_between_two_slices),
        RECORDING_TEST(test_a_lane_is_not_busy_before_its_time),
        RECORDING_TEST(test_lanes_without_a_place_do_no_harm),
        RECORDING_TEST(test_a_view_is_of_one_trip),
        RECORDING_TEST(test_lanes_of_other_threads),
        RECORDING_TEST(test_another_process_writes_what_this_one_reads),
        RECORDING_TEST(test_memory_of_another_layout_is_not_mapped),
        RECORDING_TEST(test_memory_for_another_number_is_not_mapped),
        RECORDING_TEST(test_memory_that_is_too_short_is_not_mapped),
        RECORDING_TEST(test_memory_that_is_mapped_cannot_be_cut),
        RECORDING_TEST(test_what_the_rows_mean),
        RECORDING_TEST(test_a_process_that_does_not_write),
        RECORDING_TEST(test_records_that_are_none),
        cmocka_unit_test(test_memory_that_cannot_be_mapped),
        cmocka_unit_test(test_memory_that_cannot_be_shared),
        RECORDING_TEST(test_what_a_killed_predecessor_left_is_over),
        RECORDING_TEST(test_the_successor_counts_on),
    };
    return cmocka_run_group_tests_name("recording", tests, NULL, NULL);
}
