/* trip_test.c – three legs out of four stamps, and how they are told. */
#include "server/observe/trip.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <uv.h>

#include <cmocka.h>

#include "server/observe/pool_lane.h"
#include "server/observe/recording.h"

static const uint64_t MS = 1000000;

static void assert_legs(const struct trip *trip, const char *expected)
{
    char legs[80];
    snprintf(legs, sizeof legs, "%.3f %.3f %.3f", trip_wait_ms(trip), trip_run_ms(trip),
             trip_return_ms(trip));
    assert_string_equal(legs, expected);
}

static void test_three_legs(void **state)
{
    (void)state;
    assert_legs(&(struct trip){.submitted_ns = 5 * MS,
                               .started_ns = 7 * MS,
                               .finished_ns = 107 * MS,
                               .delivered_ns = 107 * MS + 1500},
                "2.000 100.000 0.002");
}

static void test_what_never_ran_has_only_waited(void **state)
{
    (void)state;
    assert_legs(&(struct trip){.submitted_ns = 5 * MS, .delivered_ns = 8 * MS},
                "3.000 0.000 0.000");
    assert_legs(&(struct trip){0}, "0.000 0.000 0.000");
}

/* The stamps are of several threads: a clock that went back by a hair must not give 10^13 ms. */
static void test_no_leg_is_negative(void **state)
{
    (void)state;
    assert_legs(&(struct trip){.submitted_ns = 5 * MS,
                               .started_ns = 4 * MS,
                               .finished_ns = 3 * MS,
                               .delivered_ns = 2 * MS},
                "0.000 0.000 0.000");
}

static void assert_lane(enum lane_kind kind, unsigned number, const char *expected)
{
    char name[32];
    const struct trip trip = {.lane = {.kind = kind, .number = number}};
    trip_lane_name(&trip, name, sizeof name);
    assert_string_equal(name, expected);
}

static void test_lanes_have_names(void **state)
{
    (void)state;
    assert_lane(LANE_LOOP, 0, "loop");
    assert_lane(LANE_POOL, 3, "pool 3");
    assert_lane(LANE_WORKER, 12, "worker 12");
    assert_lane(LANE_NONE, 0, "none");
}

static void test_server_timing(void **state)
{
    char line[120];
    const struct trip trip = {.submitted_ns = 5 * MS,
                              .started_ns = 5 * MS + 41000,
                              .finished_ns = 205 * MS + 41000,
                              .delivered_ns = 205 * MS + 63000};
    (void)state;
    trip_server_timing(&trip, line, sizeof line);
    assert_string_equal(line,
                        "Server-Timing: wait;dur=0.041, run;dur=200.000, return;dur=0.022\r\n");
}

static void test_the_clock_is_libuv_s(void **state)
{
    (void)state;
    uint64_t before_ns = uv_hrtime(), now_ns = trip_clock_ns(), after_ns = uv_hrtime();
    assert_true(before_ns <= now_ns && now_ns <= after_ns);
}

/* ------------------------------------------------------------------ out and back */

static const struct trip_subject SUBJECT = {2, 1, 42};
static const struct lane WORKER_2 = {LANE_WORKER, 2};

static void travel(struct trip *trip, struct recording *recording)
{
    trip_submit(trip, recording, SUBJECT);
    trip_start(trip, WORKER_2);
    trip_pause(trip);
    trip_resume(trip);
    trip_finish(trip);
    trip_deliver(trip, TRIP_SUCCEEDED);
}

static void assert_stamps_in_order(const struct trip *trip)
{
    assert_true(trip->submitted_ns <= trip->started_ns);
    assert_true(trip->started_ns <= trip->finished_ns);
    assert_true(trip->finished_ns <= trip->delivered_ns);
    assert_true(trip->delivered_ns <= trip_clock_ns());
}

static void test_a_trip_that_nobody_records(void **state)
{
    const uint64_t before_ns = trip_clock_ns();
    struct trip trip = {.id = 99, .lane = LANE_THE_LOOP, .delivered_ns = 1};
    (void)state;
    trip_submit(&trip, NULL, SUBJECT);
    assert_int_equal(trip.lane.kind, LANE_NONE);
    assert_int_equal(trip.delivered_ns, 0);
    travel(&trip, NULL);
    assert_true(trip.submitted_ns >= before_ns);
    assert_stamps_in_order(&trip);
    assert_int_equal(trip.id, 0);
    assert_int_equal(trip.lane.kind, WORKER_2.kind);
    assert_int_equal(trip.lane.number, WORKER_2.number);
    assert_int_equal(trip.subject.size, SUBJECT.size);
}

static void test_recorded_trips_are_numbered(void **state)
{
    struct recordings recordings;
    struct trip trips[3];
    (void)state;
    assert_int_equal(recordings_init(&recordings, 1), 0);
    for (unsigned i = 0; i < 3; i++) {
        travel(&trips[i], &recordings.table[0]);
        assert_stamps_in_order(&trips[i]);
        assert_int_equal(trips[i].id, i + 1);
    }
    assert_int_equal(counter_get(&recordings.table[0].works[SUBJECT.work].delivered), 3);
    recordings_close(&recordings);
}

static void test_outcomes_have_names(void **state)
{
    (void)state;
    for (unsigned i = 0; i < TRIP_OUTCOMES; i++) {
        assert_non_null(trip_outcome_name(i));
        for (unsigned k = 0; k < i; k++)
            assert_string_not_equal(trip_outcome_name(i), trip_outcome_name(k));
    }
    assert_string_equal(trip_outcome_name(TRIP_SUCCEEDED), "succeeded");
    assert_string_equal(trip_outcome_name(TRIP_LOST), "lost");
}

/* ------------------------------------------------------------------ the pool's lanes */

static void ask_twice(void *data)
{
    struct lane *lanes = data;
    lanes[0] = pool_lane();
    lanes[1] = pool_lane();
}

static void test_a_thread_keeps_its_number(void **state)
{
    uv_thread_t threads[2];
    struct lane lanes[2][2];
    (void)state;
    for (int i = 0; i < 2; i++)
        assert_int_equal(uv_thread_create(&threads[i], ask_twice, lanes[i]), 0);
    for (int i = 0; i < 2; i++)
        uv_thread_join(&threads[i]);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(lanes[i][0].kind, LANE_POOL);
        assert_true(lanes[i][0].number >= 1);
        assert_int_equal(lanes[i][0].number, lanes[i][1].number);
    }
    assert_true(lanes[0][0].number != lanes[1][0].number);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_three_legs),
        cmocka_unit_test(test_what_never_ran_has_only_waited),
        cmocka_unit_test(test_no_leg_is_negative),
        cmocka_unit_test(test_lanes_have_names),
        cmocka_unit_test(test_server_timing),
        cmocka_unit_test(test_the_clock_is_libuv_s),
        cmocka_unit_test(test_a_trip_that_nobody_records),
        cmocka_unit_test(test_recorded_trips_are_numbered),
        cmocka_unit_test(test_outcomes_have_names),
        cmocka_unit_test(test_a_thread_keeps_its_number),
    };
    return cmocka_run_group_tests_name("trip", tests, NULL, NULL);
}
