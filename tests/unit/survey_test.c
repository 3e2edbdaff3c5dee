/* survey_test.c – one look after the other at a recording that the test writes itself. */
#include "server/observe/survey.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const uint64_t MS = 1000000;
static const uint64_t CELL_NS = RECORDING_CELL_MS * 1000000u;

static const struct names NAMES = {
    .works = {"none", "worker", "sqlite"},
    .strategy_count = 2,
    .kernels = {"primes", "sleep"},
    .routes = {"/fast", "/heavy"},
};

static const struct trip_subject PRIMES = {.work = 1, .kernel = 1, .size = 100};

struct surveyed {
    struct recordings recordings;
    struct recording *recording;
    uint64_t epoch_ns;
    struct survey survey;
    struct survey_member *member;
};

static int begin(void **state)
{
    struct surveyed *surveyed = calloc(1, sizeof *surveyed);
    assert_non_null(surveyed);
    assert_int_equal(recordings_init(&surveyed->recordings, 1), 0);
    surveyed->recording = surveyed->recordings.table;
    surveyed->epoch_ns = trip_clock_ns() - 100 * CELL_NS;
    recording_begin(surveyed->recording, surveyed->epoch_ns, 0);
    counter_set(&surveyed->recording->http.requests, 1000); /* before anybody looked */
    assert_int_equal(
        survey_init(&surveyed->survey, &surveyed->recordings, &NAMES, surveyed->epoch_ns), 0);
    surveyed->member = surveyed->survey.members;
    *state = surveyed;
    return 0;
}

static int end(void **state)
{
    struct surveyed *surveyed = *state;
    survey_close(&surveyed->survey);
    recordings_close(&surveyed->recordings);
    free(surveyed);
    return 0;
}

static void submit(struct surveyed *surveyed, struct trip *trip)
{
    trip_submit(trip, surveyed->recording, PRIMES);
}

static void go(struct surveyed *surveyed)
{
    struct trip trip;
    submit(surveyed, &trip);
    trip_start(&trip, (struct lane){LANE_WORKER, 1});
    trip_finish(&trip);
    trip_deliver(&trip, TRIP_SUCCEEDED);
}

/* ------------------------------------------------------------------ the trace */

static void test_each_record_is_new_once(void **state)
{
    struct surveyed *surveyed = *state;
    go(surveyed);
    survey_look(&surveyed->survey);
    assert_int_equal(surveyed->survey.record_count, 2);
    assert_int_equal(surveyed->survey.records[0].record.kind, TRACE_SUBMITTED);
    assert_int_equal(surveyed->survey.records[1].record.kind, TRACE_TRIP);
    assert_int_equal(surveyed->survey.records[1].record.id, 1);
    survey_look(&surveyed->survey);
    assert_int_equal(surveyed->survey.record_count, 0);
    assert_int_equal(surveyed->survey.missed, 0);
}

/* The ring has been overwritten, and of what is in it a look takes only so many. */
static void test_what_is_overwritten_is_missed(void **state)
{
    struct surveyed *surveyed = *state;
    for (int i = 0; i < TRACE_SLOTS; i++)
        go(surveyed);
    survey_look(&surveyed->survey);
    assert_int_equal(surveyed->survey.record_count, SURVEY_RECORDS);
    assert_int_equal(surveyed->survey.missed, 2 * TRACE_SLOTS - SURVEY_RECORDS);
    go(surveyed);
    survey_look(&surveyed->survey);
    assert_int_equal(surveyed->survey.record_count, 2);
    assert_int_equal(surveyed->survey.missed, 0);
    assert_int_equal(surveyed->survey.records[1].record.id, TRACE_SLOTS + 1);
    assert_int_equal(surveyed->member->works[1].outcomes[TRIP_SUCCEEDED], TRACE_SLOTS + 1);
}

/* ------------------------------------------------------------------ the loop */

static void watch(struct surveyed *surveyed, uint64_t sampled_ns, uint64_t progress_ns)
{
    counter_set(&surveyed->recording->watch.sampled_ns, sampled_ns);
    counter_set(&surveyed->recording->watch.progress_ns, progress_ns);
}

static void test_a_recording_that_has_just_begun(void **state)
{
    struct surveyed *surveyed = *state;
    survey_look(&surveyed->survey);
    assert_true(surveyed->member->alive);
    assert_int_equal(surveyed->member->pid, getpid());
    assert_int_equal(surveyed->member->lag_ns, 0);
    assert_int_equal(surveyed->member->blocked_ns, 0);
    assert_false(surveyed->member->has_culprit);
}

static void test_a_loop_that_is_away(void **state)
{
    struct surveyed *surveyed = *state;
    struct trip trip;
    uint64_t now_ns = trip_clock_ns();
    submit(surveyed, &trip);
    trip_start(&trip, LANE_THE_LOOP);
    watch(surveyed, now_ns, now_ns - 100 * MS);
    counter_set(&surveyed->recording->watch.blocked_since_ns, now_ns - 100 * MS);
    survey_look(&surveyed->survey);
    assert_true(surveyed->member->lag_ns >= 100 * MS);
    assert_true(surveyed->member->blocked_ns >= 100 * MS);
    assert_true(surveyed->member->utilization >= 1.0);
    assert_true(surveyed->member->has_culprit);
    assert_int_equal(surveyed->member->culprit.subject.size, PRIMES.size);
    uint64_t before_ns = surveyed->member->lag_ns;
    survey_glance(&surveyed->survey);
    assert_true(surveyed->member->lag_ns > before_ns);
}

/* The watchdog did not get the processor. That is no news of the loop. */
static void test_a_watchdog_that_is_late(void **state)
{
    struct surveyed *surveyed = *state;
    uint64_t then_ns = trip_clock_ns() - 200 * MS;
    watch(surveyed, then_ns, then_ns);
    counter_set(&surveyed->recording->loop.turn_ns, 3 * MS);
    survey_look(&surveyed->survey);
    assert_int_equal(surveyed->member->lag_ns, 3 * MS);
    assert_true(surveyed->member->alive);
}

static void test_a_process_that_is_gone(void **state)
{
    struct surveyed *surveyed = *state;
    uint64_t then_ns = trip_clock_ns() - (SURVEY_ALIVE_MS + 100) * MS;
    watch(surveyed, then_ns, then_ns);
    survey_look(&surveyed->survey);
    assert_false(surveyed->member->alive);
    watch(surveyed, trip_clock_ns(), trip_clock_ns());
    survey_look(&surveyed->survey);
    assert_true(surveyed->member->alive);
    recording_end(surveyed->recording);
    survey_look(&surveyed->survey);
    assert_false(surveyed->member->alive);
    assert_int_equal(surveyed->member->pid, 0);
}

static void test_utilization_is_that_since_the_last_look(void **state)
{
    struct surveyed *surveyed = *state;
    struct loop_record *loop = &surveyed->recording->loop;
    counter_set(&loop->busy_ns, 30 * MS);
    counter_set(&loop->idle_ns, 10 * MS);
    survey_look(&surveyed->survey);
    assert_true(surveyed->member->utilization > 0.74 && surveyed->member->utilization < 0.76);
    counter_add(&loop->idle_ns, 50 * MS);
    survey_look(&surveyed->survey);
    assert_true(surveyed->member->utilization < 0.01);
    survey_look(&surveyed->survey); /* one long wait: nothing was counted */
    assert_true(surveyed->member->utilization < 0.01);
}

/* ------------------------------------------------------------------ the strip */

static void enter_cell(struct surveyed *surveyed, uint64_t cell, unsigned share)
{
    counter_set(&surveyed->recording->watch.cells[cell % RECORDING_CELLS],
                (cell + 1) << 16 | share);
}

static void look_in_cell(struct surveyed *surveyed, uint64_t cell)
{
    watch(surveyed, surveyed->epoch_ns + cell * CELL_NS + 1, 0);
    survey_look(&surveyed->survey);
}

static void test_cells_that_are_complete(void **state)
{
    struct surveyed *surveyed = *state;
    for (uint64_t cell = 0; cell < 3; cell++)
        enter_cell(surveyed, cell, 5000);
    look_in_cell(surveyed, 3);
    assert_int_equal(surveyed->member->first_cell, 0);
    assert_int_equal(surveyed->member->next_cell, 3);
    assert_true(survey_cell(surveyed->member, 2) > 0.49 && survey_cell(surveyed->member, 2) < 0.51);
    assert_true(survey_cell(surveyed->member, 3) < 0);
    look_in_cell(surveyed, 3);
    assert_int_equal(surveyed->member->first_cell, 3);
    assert_int_equal(surveyed->member->next_cell, 3);
}

/* The watchdog has looked, and is about to enter it. */
static void test_a_cell_that_is_about_to_come(void **state)
{
    struct surveyed *surveyed = *state;
    enter_cell(surveyed, 0, 0);
    look_in_cell(surveyed, 2);
    assert_int_equal(surveyed->member->next_cell, 1);
    enter_cell(surveyed, 1, 0);
    look_in_cell(surveyed, 2);
    assert_int_equal(surveyed->member->first_cell, 1);
    assert_int_equal(surveyed->member->next_cell, 2);
}

/* ------------------------------------------------------------------ work and requests */

static void test_the_oldest_that_waits(void **state)
{
    struct surveyed *surveyed = *state;
    struct trip running, waiting;
    const struct survey_work *work = &surveyed->member->works[1];
    submit(surveyed, &running);
    submit(surveyed, &waiting);
    survey_look(&surveyed->survey);
    assert_int_equal(work->waiting, 2);
    assert_true(work->oldest_wait_ns >= surveyed->survey.now_ns - running.submitted_ns);
    trip_start(&running, (struct lane){LANE_WORKER, 1});
    survey_look(&surveyed->survey);
    assert_int_equal(work->waiting, 1);
    assert_int_equal(work->running, 1);
    assert_int_equal(work->oldest_wait_ns, surveyed->survey.now_ns - waiting.submitted_ns);
    trip_finish(&running);
    survey_look(&surveyed->survey);
    assert_int_equal(work->returning, 1);
    assert_int_equal(work->oldest_wait_ns, surveyed->survey.now_ns - waiting.submitted_ns);
    trip_deliver(&running, TRIP_SUCCEEDED);
    trip_deliver(&waiting, TRIP_CANCELLED);
    survey_look(&surveyed->survey);
    assert_int_equal(work->waiting + work->running + work->returning, 0);
    assert_int_equal(work->oldest_wait_ns, 0);
    assert_int_equal(surveyed->member->in_flight, 0);
}

/* What waited for an earlier process does not wait for its successor. */
static void test_what_was_lost_does_not_wait(void **state)
{
    struct surveyed *surveyed = *state;
    struct trip lost, waiting;
    const struct survey_work *work = &surveyed->member->works[1];
    submit(surveyed, &lost);
    survey_look(&surveyed->survey);
    assert_int_equal(work->waiting, 1);
    recording_end(surveyed->recording);
    survey_look(&surveyed->survey);
    assert_int_equal(work->waiting, 0);
    assert_int_equal(work->outcomes[TRIP_LOST], 1);
    recording_begin(surveyed->recording, surveyed->epoch_ns, 0);
    submit(surveyed, &waiting);
    survey_look(&surveyed->survey);
    assert_int_equal(work->waiting, 1);
    assert_int_equal(work->oldest_wait_ns, surveyed->survey.now_ns - waiting.submitted_ns);
}

/* It was killed while its loop was blocked. */
static void test_nobody_is_late_who_is_gone(void **state)
{
    struct surveyed *surveyed = *state;
    uint64_t now_ns = trip_clock_ns();
    watch(surveyed, now_ns, now_ns - 100 * MS);
    survey_look(&surveyed->survey);
    assert_true(surveyed->member->lag_ns >= 100 * MS);
    assert_int_equal(surveyed->survey.present, 1);
    recording_end(surveyed->recording);
    survey_glance(&surveyed->survey);
    assert_int_equal(surveyed->member->lag_ns, 0);
    assert_int_equal(surveyed->survey.present, 0);
}

static void test_requests_before_the_first_look_are_no_rate(void **state)
{
    struct surveyed *surveyed = *state;
    survey_look(&surveyed->survey);
    assert_int_equal(surveyed->member->requests, 1000);
    assert_true(surveyed->member->per_second < 0.5);
    counter_add(&surveyed->recording->http.requests, 10);
    survey_look(&surveyed->survey);
    assert_true(surveyed->member->per_second > 0);
}

static void test_what_the_kernel_says_of_the_process(void **state)
{
    struct surveyed *surveyed = *state;
    struct process_stats stats = {0};
    survey_look(&surveyed->survey);
    const struct process_stats *own = &surveyed->member->process;
    assert_true(own->threads >= 1 && own->descriptors >= 3);
    assert_true(own->virtual_bytes >= own->resident_bytes && own->resident_bytes > 100000);
    assert_true(own->started_unix_ms > 1500000000000u);
    assert_true(process_stats_read(-1, &stats) < 0);
    assert_int_equal(stats.threads, 0);
}

/* A start that moves would be a restart. */
static void test_the_start_of_a_process_does_not_move(void **state)
{
    struct process_stats stats = {0};
    (void)state;
    assert_int_equal(process_stats_read(getpid(), &stats), 0);
    stats.started_unix_ms -= 3600000; /* an hour ago the wall clock was that of another time zone */
    uint64_t started_unix_ms = stats.started_unix_ms;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(process_stats_read(getpid(), &stats), 0);
        assert_int_equal(stats.started_unix_ms, started_unix_ms);
    }
}

static void test_another_process_has_another_start(void **state)
{
    struct process_stats stats = {0};
    (void)state;
    assert_int_equal(process_stats_read(getpid(), &stats), 0);
    stats.started_unix_ms = 1;
    stats.pid++; /* all this was of another one */
    assert_int_equal(process_stats_read(getpid(), &stats), 0);
    assert_int_equal(stats.pid, getpid());
    assert_true(stats.started_unix_ms > 1500000000000u);
    assert_int_equal(process_stats_read(getpid(), &stats), 0);
    stats.started_unix_ms = 1;
    stats.started_ticks--; /* the pid was somebody else's */
    assert_int_equal(process_stats_read(getpid(), &stats), 0);
    assert_true(stats.started_unix_ms > 1500000000000u);
}

/* The watchdog has been silent since it saw the block: it may be over, or all was stopped. */
static void test_a_block_is_not_known_to_go_on(void **state)
{
    struct surveyed *surveyed = *state;
    struct watch_record *watch = &surveyed->recording->watch;
    uint64_t now_ns = trip_clock_ns();
    counter_set(&watch->blocked_since_ns, now_ns - 12060 * MS);
    counter_set(&watch->progress_ns, now_ns - 12060 * MS);
    counter_set(&watch->sampled_ns, now_ns - 12000 * MS);
    survey_look(&surveyed->survey);
    assert_int_equal(surveyed->member->blocked_ns, 60 * MS);
    assert_int_equal(surveyed->member->lag_ns, 60 * MS);
    assert_false(surveyed->member->alive);
}

/* Whoever has been stopped itself does not know that the others are gone. */
static void test_nobody_is_gone_because_the_observer_was_stopped(void **state)
{
    struct surveyed *surveyed = *state;
    struct watch_record *watch = &surveyed->recording->watch;
    survey_look(&surveyed->survey);
    surveyed->survey.now_ns -= 12000 * MS; /* when it last looked */
    counter_set(&watch->sampled_ns, trip_clock_ns() - 12000 * MS);
    counter_set(&watch->progress_ns, counter_get(&watch->sampled_ns));
    survey_glance(&surveyed->survey);
    assert_true(surveyed->member->alive);
    surveyed->survey.stopped_ns -= SURVEY_ALIVE_MS * MS; /* it still does not look */
    survey_glance(&surveyed->survey);
    assert_false(surveyed->member->alive);
}

/* Stamps of the loop's and the watchdog's thread, and of this one. */
static void test_stamps_that_are_still_to_come(void **state)
{
    struct surveyed *surveyed = *state;
    struct watch_record *watch = &surveyed->recording->watch;
    uint64_t later_ns = trip_clock_ns() + 3600000 * MS;
    survey_look(&surveyed->survey);
    counter_set(&watch->blocked_since_ns, later_ns);
    counter_set(&watch->progress_ns, later_ns);
    counter_set(&watch->sampled_ns, later_ns + 1);
    counter_set(&surveyed->recording->epoch_ns, later_ns);
    surveyed->member->busy_ns = surveyed->member->idle_ns = 1000 * MS; /* was read too early */
    surveyed->member->looked_ns = later_ns;
    survey_look(&surveyed->survey);
    assert_int_equal(surveyed->member->blocked_ns, 0);
    assert_true(surveyed->member->lag_ns < 1000 * MS);
    assert_true(surveyed->member->utilization >= 0 && surveyed->member->utilization <= 1);
    assert_true(surveyed->member->per_second >= 0 && surveyed->member->per_second < 1e6);
    assert_true(surveyed->member->alive);
}

#define LOOK(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        LOOK(test_each_record_is_new_once),
        LOOK(test_what_is_overwritten_is_missed),
        LOOK(test_a_recording_that_has_just_begun),
        LOOK(test_a_loop_that_is_away),
        LOOK(test_a_watchdog_that_is_late),
        LOOK(test_a_process_that_is_gone),
        LOOK(test_utilization_is_that_since_the_last_look),
        LOOK(test_cells_that_are_complete),
        LOOK(test_a_cell_that_is_about_to_come),
        LOOK(test_the_oldest_that_waits),
        LOOK(test_what_was_lost_does_not_wait),
        LOOK(test_nobody_is_late_who_is_gone),
        LOOK(test_requests_before_the_first_look_are_no_rate),
        LOOK(test_what_the_kernel_says_of_the_process),
        LOOK(test_the_start_of_a_process_does_not_move),
        LOOK(test_another_process_has_another_start),
        LOOK(test_a_block_is_not_known_to_go_on),
        LOOK(test_nobody_is_gone_because_the_observer_was_stopped),
        LOOK(test_stamps_that_are_still_to_come),
    };
    return cmocka_run_group_tests_name("survey", tests, NULL, NULL);
}
