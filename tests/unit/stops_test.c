/* stops_test.c – what is taken for a stop of the process, with times that are made up. */
#include "server/observe/stops.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "server/observe/trip.h"

static const uint64_t MS = 1000000, BEGAN_NS = 5000 * UINT64_C(1000000);

static struct stops stops;

static int begin(void **state)
{
    (void)state;
    stops = (struct stops){0};
    stops_begin(&stops, BEGAN_NS, (struct stops_spent){70 * MS, 90 * MS});
    return 0;
}

/* The watchdog looks after so long; meanwhile the loop and all threads have spent so much. */
static uint64_t look_after(unsigned ms, unsigned loop_ms, unsigned all_ms)
{
    return stops_look(&stops, BEGAN_NS + ms * MS,
                      (struct stops_spent){(70 + loop_ms) * MS, (90 + all_ms) * MS});
}

static void test_a_silence_in_which_nothing_ran_is_a_stop(void **state)
{
    (void)state;
    assert_int_equal(look_after(12000, 1, 2), 11999 * MS);
    assert_int_equal(counter_get(&stops.count), 1);
    assert_int_equal(counter_get(&stops.stopped_ns), 11999 * MS);
}

static void test_a_watchdog_that_is_in_time_sees_no_stop(void **state)
{
    (void)state;
    assert_int_equal(look_after(25, 0, 0), 0);
    assert_int_equal(look_after(25 + STOP_MS - 1, 0, 0), 0);
    assert_int_equal(counter_get(&stops.count), 0);
}

/* The watchdog got no core, while the loop computed. */
static void test_a_loop_that_ran_was_not_stopped(void **state)
{
    (void)state;
    assert_int_equal(look_after(1000, 900, 900), 0);
}

/* The loop may have waited for a thread that computed: that is no stop either. */
static void test_a_process_that_ran_was_not_stopped(void **state)
{
    (void)state;
    assert_int_equal(look_after(1000, 0, 900), 0);
}

/* Two threads, two looks at the clock. */
static void test_clocks_that_go_back_are_no_stop(void **state)
{
    (void)state;
    assert_int_equal(
        stops_look(&stops, BEGAN_NS - 1, (struct stops_spent){70 * MS - 1, 90 * MS - 1}), 0);
}

/* ------------------------------------------------------------------ for whom it counts */

static void look_in_time(void)
{
    stops_begin(&stops, trip_clock_ns(), stops_spent(CLOCK_THREAD_CPUTIME_ID));
}

/* A stop from 1000 to 3000 ms, counted from BEGAN_NS. */
static void stop_for_two_seconds(void)
{
    stops_begin(&stops, BEGAN_NS + 1000 * MS, (struct stops_spent){0});
    assert_int_equal(stops_look(&stops, BEGAN_NS + 3000 * MS, (struct stops_spent){0}), 2000 * MS);
    look_in_time();
}

static uint64_t stopped_between(unsigned from_ms, unsigned to_ms)
{
    return stops_since(&stops, BEGAN_NS + from_ms * MS, BEGAN_NS + to_ms * MS);
}

static void test_only_the_part_that_lies_within_counts(void **state)
{
    (void)state;
    stop_for_two_seconds();
    assert_int_equal(stopped_between(500, 3500), 2000 * MS);
    assert_int_equal(stopped_between(2000, 9000), 1000 * MS);
    assert_int_equal(stopped_between(2999, 9000), 1 * MS);
    assert_int_equal(stopped_between(1500, 2500), 1000 * MS);
    assert_int_equal(stopped_between(3000, 9000), 0);
    assert_int_equal(stopped_between(0, 1000), 0);
    assert_int_equal(stopped_between(9000, 0), 0);
}

static void test_several_stops_add_up(void **state)
{
    (void)state;
    for (unsigned i = 0; i < STOPS_KEPT; i++) {
        stops_begin(&stops, BEGAN_NS + i * 2000 * MS, (struct stops_spent){0});
        stops_look(&stops, BEGAN_NS + (i * 2000 + 1000) * MS, (struct stops_spent){0});
    }
    look_in_time();
    assert_int_equal(stopped_between(0, STOPS_KEPT * 2000), STOPS_KEPT * 1000 * MS);
}

/* The loop is back before the watchdog. */
static void test_a_stop_that_the_watchdog_has_not_seen_yet_counts(void **state)
{
    uint64_t now_ns = trip_clock_ns();
    (void)state;
    stops_begin(&stops, now_ns - 3000 * MS, stops_spent(CLOCK_THREAD_CPUTIME_ID));
    uint64_t stopped_ns = stops_since(&stops, now_ns - 3010 * MS, now_ns);
    assert_in_range(stopped_ns, 2000 * MS, 3000 * MS);
    look_in_time();
    assert_int_equal(stops_since(&stops, now_ns - 3010 * MS, now_ns), 0);
}

static void test_nobody_is_stopped_where_nobody_looks(void **state)
{
    (void)state;
    stops = (struct stops){0};
    assert_int_equal(stopped_between(0, 10000), 0);
}

#define STOPS_TEST(name) cmocka_unit_test_setup(name, begin)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STOPS_TEST(test_a_silence_in_which_nothing_ran_is_a_stop),
        STOPS_TEST(test_a_watchdog_that_is_in_time_sees_no_stop),
        STOPS_TEST(test_a_loop_that_ran_was_not_stopped),
        STOPS_TEST(test_a_process_that_ran_was_not_stopped),
        STOPS_TEST(test_clocks_that_go_back_are_no_stop),
        STOPS_TEST(test_only_the_part_that_lies_within_counts),
        STOPS_TEST(test_several_stops_add_up),
        STOPS_TEST(test_a_stop_that_the_watchdog_has_not_seen_yet_counts),
        STOPS_TEST(test_nobody_is_stopped_where_nobody_looks),
    };
    return cmocka_run_group_tests_name("stops", tests, NULL, NULL);
}
