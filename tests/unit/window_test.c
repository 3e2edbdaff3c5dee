/* window_test.c – what came lately, and nothing older. */
#include "server/observe/window.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const uint64_t MS = 1000000;

static void step_times(struct window *window, unsigned times)
{
    for (unsigned i = 0; i < times; i++)
        window_step(window);
}

static uint64_t count_in(struct window *window)
{
    const struct histogram_snapshot *recent = window_read(window);
    return recent != NULL ? recent->count : 0;
}

static void test_an_empty_one_costs_nothing(void **state)
{
    static struct histogram histogram;
    struct window window;
    (void)state;
    window_init(&window, &histogram);
    assert_null(window_read(&window));
    step_times(&window, 2 * WINDOW_READINGS);
    assert_null(window_read(&window));
    assert_null(window.readings);
    window_close(&window);
}

static void test_what_is_recorded_is_there_at_once(void **state)
{
    static struct histogram histogram;
    struct window window;
    (void)state;
    window_init(&window, &histogram);
    step_times(&window, 2);
    histogram_record(&histogram, 7 * MS);
    const struct histogram_snapshot *recent = window_read(&window);
    assert_non_null(recent);
    assert_int_equal(recent->count, 1);
    assert_int_equal(recent->sum_ns, 7 * MS);
    assert_int_equal(recent->max_ns, 7 * MS);
    window_close(&window);
}

/* Whether it was read before the first step, or only stepped over. */
static void assert_gone_after_all_steps(struct window *window, struct histogram *histogram)
{
    for (unsigned i = 0; i < WINDOW_READINGS; i++) {
        assert_int_equal(count_in(window), 1);
        window_step(window);
    }
    assert_int_equal(count_in(window), 0);
    assert_non_null(window_read(window));
    assert_int_equal(window_read(window)->max_ns, 0);
    histogram_record(histogram, MS);
}

static void test_it_vanishes_after_as_many_steps_as_there_are_readings(void **state)
{
    static struct histogram histogram;
    struct window window;
    (void)state;
    window_init(&window, &histogram);
    histogram_record(&histogram, 7 * MS);
    for (unsigned round = 0; round < 3 * WINDOW_READINGS; round++) {
        assert_gone_after_all_steps(&window, &histogram);
        assert_int_equal(count_in(&window), 1);
    }
    window_close(&window);
}

static void test_nobody_need_look_between_two_steps(void **state)
{
    static struct histogram histogram;
    struct window window;
    (void)state;
    window_init(&window, &histogram);
    histogram_record_many(&histogram, 7 * MS, 3);
    step_times(&window, WINDOW_READINGS - 1);
    assert_int_equal(count_in(&window), 3);
    step_times(&window, 1);
    assert_int_equal(count_in(&window), 0);
    window_close(&window);
}

static void test_quantiles_are_of_the_recent_values(void **state)
{
    static struct histogram histogram;
    struct window window;
    (void)state;
    window_init(&window, &histogram);
    histogram_record_many(&histogram, 900 * MS, 1000);
    step_times(&window, WINDOW_READINGS);
    histogram_record_many(&histogram, 2 * MS, 9);
    histogram_record(&histogram, 5 * MS);
    const struct histogram_snapshot *recent = window_read(&window);
    assert_int_equal(recent->count, 10);
    assert_int_equal(recent->sum_ns, 23 * MS);
    assert_in_range(histogram_quantile(recent, 0.5), 2 * MS, 2 * MS + MS / 10);
    assert_in_range(histogram_quantile(recent, 1), 5 * MS, 5 * MS + MS / 10);
    window_close(&window);
}

static void test_each_step_forgets_one_step(void **state)
{
    static struct histogram histogram;
    struct window window;
    (void)state;
    window_init(&window, &histogram);
    for (unsigned i = 1; i <= 20; i++) {
        histogram_record(&histogram, i * MS);
        assert_int_equal(count_in(&window), i < WINDOW_READINGS ? i : WINDOW_READINGS);
        window_step(&window);
    }
    window_close(&window);
}

static void test_a_closed_one_can_be_closed_again(void **state)
{
    static struct histogram histogram;
    struct window window;
    (void)state;
    window_init(&window, &histogram);
    histogram_record(&histogram, MS);
    window_step(&window);
    window_close(&window);
    assert_null(window.readings);
    window_close(&window);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_empty_one_costs_nothing),
        cmocka_unit_test(test_what_is_recorded_is_there_at_once),
        cmocka_unit_test(test_it_vanishes_after_as_many_steps_as_there_are_readings),
        cmocka_unit_test(test_nobody_need_look_between_two_steps),
        cmocka_unit_test(test_quantiles_are_of_the_recent_values),
        cmocka_unit_test(test_each_step_forgets_one_step),
        cmocka_unit_test(test_a_closed_one_can_be_closed_again),
    };
    return cmocka_run_group_tests_name("window", tests, NULL, NULL);
}
