/* pause_test.c – waits that another thread can end. */
#include "server/slow_io/pause.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include <cmocka.h>

#include "tests/support/harness.h"

static uint64_t in_an_hour_ns(void)
{
    return uv_hrtime() + 3600 * 1000000000ull;
}

static void test_waits_until_its_moment(void **state)
{
    struct pause pause;
    uint64_t end_ns = uv_hrtime() + 20 * 1000000u;
    (void)state;
    assert_int_equal(pause_init(&pause), 0);
    assert_true(pause_until(&pause, end_ns));
    assert_true(uv_hrtime() >= end_ns);
    assert_true(pause_until(&pause, end_ns)); /* which is over */
    pause_destroy(&pause);
}

static void test_one_that_was_ended_does_not_wait(void **state)
{
    struct pause pause;
    (void)state;
    assert_int_equal(pause_init(&pause), 0);
    for (int i = 0; i < 3; i++)
        pause_end(&pause);
    for (int i = 0; i < 5; i++)
        assert_false(pause_until(&pause, in_an_hour_ns()));
    assert_true(pause_is_ended(&pause));
    pause_destroy(&pause);
}

static void test_an_end_is_forgotten(void **state)
{
    struct pause pause;
    (void)state;
    assert_int_equal(pause_init(&pause), 0);
    for (int i = 0; i < 3; i++)
        pause_end(&pause);
    pause_arm(&pause);
    assert_false(pause_is_ended(&pause));
    uint64_t end_ns = uv_hrtime() + 5 * 1000000u;
    assert_true(pause_until(&pause, end_ns)); /* nothing is left that would wake it */
    assert_true(uv_hrtime() >= end_ns);
    pause_destroy(&pause);
}

static void wait_for_an_hour(void *pause)
{
    assert_false(pause_until(pause, in_an_hour_ns()));
}

static void test_another_thread_ends_it(void **state)
{
    struct pause pause;
    uv_thread_t thread;
    (void)state;
    assert_int_equal(pause_init(&pause), 0);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(uv_thread_create(&thread, wait_for_an_hour, &pause), 0);
        pause_end(&pause);
        uv_thread_join(&thread);
        pause_arm(&pause);
    }
    pause_destroy(&pause);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_waits_until_its_moment),
        cmocka_unit_test(test_one_that_was_ended_does_not_wait),
        cmocka_unit_test(test_an_end_is_forgotten),
        cmocka_unit_test(test_another_thread_ends_it),
    };
    harness_prepare_process();
    return cmocka_run_group_tests_name("pause", tests, NULL, NULL);
}
