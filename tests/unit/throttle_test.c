/* throttle_test.c – how much of a stretch of time a cgroup may have stood still. */
#include "server/observe/throttle.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const uint64_t MS = 1000000;

static void add(struct throttle *throttle, uint64_t at_ms, uint64_t throttled_ms)
{
    throttle_add(throttle, at_ms * MS,
                 (struct cgroup_throttling){.throttled_us = throttled_ms * 1000});
}

static uint64_t between_ms(const struct throttle *throttle, uint64_t began_ms, uint64_t ended_ms)
{
    return throttle_between_ns(throttle, began_ms * MS, ended_ms * MS) / MS;
}

static void test_what_grew_between_the_looks_around_it(void **state)
{
    struct throttle throttle = {0};
    (void)state;
    add(&throttle, 1000, 5000);
    add(&throttle, 1100, 5000);
    add(&throttle, 1200, 5080);
    add(&throttle, 1300, 5160);
    add(&throttle, 1400, 5160);
    assert_int_equal(between_ms(&throttle, 1000, 1100), 0);
    assert_int_equal(between_ms(&throttle, 1100, 1300), 160);
    assert_int_equal(between_ms(&throttle, 1110, 1290), 160);
    assert_int_equal(between_ms(&throttle, 1150, 1160), 10); /* never more than all of it */
    assert_int_equal(between_ms(&throttle, 1300, 1400), 0);
    assert_int_equal(between_ms(&throttle, 0, 1400), 160); /* what was before is not known */
    assert_int_equal(between_ms(&throttle, 1250, 9999), 80);
    assert_int_equal(between_ms(&throttle, 1300, 1300), 0);
    assert_int_equal(between_ms(&throttle, 1300, 1200), 0);
}

static void test_nothing_is_known(void **state)
{
    struct throttle throttle = {0};
    (void)state;
    assert_int_equal(between_ms(&throttle, 0, 1000), 0);
    add(&throttle, 500, 700);
    assert_int_equal(between_ms(&throttle, 0, 1000), 0);
}

static void test_the_oldest_are_forgotten(void **state)
{
    struct throttle throttle = {0};
    const uint64_t looks = 3 * THROTTLE_SAMPLES;
    (void)state;
    for (uint64_t i = 0; i < looks; i++)
        add(&throttle, 100 * i, 10 * i);
    assert_int_equal(between_ms(&throttle, 0, 100 * looks), 10 * (THROTTLE_SAMPLES - 1));
    assert_int_equal(between_ms(&throttle, 100 * (looks - 6), 100 * (looks - 1)), 50);
}

static void test_counters_of_another_group_are_smaller(void **state)
{
    struct throttle throttle = {0};
    (void)state;
    add(&throttle, 100, 900);
    add(&throttle, 200, 10);
    assert_int_equal(between_ms(&throttle, 100, 200), 0);
}

static void test_a_look_at_this_process(void **state)
{
    struct throttle throttle = {0};
    (void)state;
    throttle_look(&throttle, getpid(), 1, false);
    assert_int_equal(throttle.pid, getpid());
    assert_int_equal(throttle.count, 1);
    throttle_look(&throttle, getpid(), 2, true);
    assert_int_equal(throttle.count, 2);
    throttle_look(&throttle, getppid(), 3, false);
    assert_int_equal(throttle.pid, getppid());
    assert_int_equal(throttle.count, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_grew_between_the_looks_around_it),
        cmocka_unit_test(test_nothing_is_known),
        cmocka_unit_test(test_the_oldest_are_forgotten),
        cmocka_unit_test(test_counters_of_another_group_are_smaller),
        cmocka_unit_test(test_a_look_at_this_process),
    };
    return cmocka_run_group_tests_name("throttle", tests, NULL, NULL);
}
