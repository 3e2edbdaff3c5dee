/* calibration_test.c – measured once, when asked for, off the loop; sizes that grow with the time
 * asked for and stay within the kernel's bounds. */
#include "server/offload/calibration.h"

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/crash.h"

struct fixture {
    uv_loop_t loop;
    struct calibration calibration;
    uv_thread_t thread;
    unsigned times_ready;
    bool timer_was_first;
};

static void on_ready(void *data)
{
    struct fixture *fixture = data;
    const uv_thread_t here = uv_thread_self();
    assert_true(uv_thread_equal(&here, &fixture->thread));
    assert_true(fixture->calibration.ready);
    fixture->times_ready++;
}

static void on_timer(uv_timer_t *timer)
{
    struct fixture *fixture = timer->data;
    fixture->timer_was_first = fixture->times_ready == 0;
    uv_close((uv_handle_t *)timer, NULL);
}

static int calibrate(void **state)
{
    static struct fixture fixture;
    uv_timer_t timer = {.data = &fixture};
    memset(&fixture, 0, sizeof fixture);
    fixture.thread = uv_thread_self();
    assert_int_equal(uv_loop_init(&fixture.loop), 0);
    uv_timer_init(&fixture.loop, &timer);
    assert_int_equal(calibration_init(&fixture.calibration, &fixture.loop, on_ready, &fixture), 0);
    calibration_begin(&fixture.calibration);
    calibration_begin(&fixture.calibration);
    assert_false(fixture.calibration.ready);
    uv_timer_start(&timer, on_timer, 0, 0);
    assert_int_equal(uv_run(&fixture.loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_close(&fixture.loop), 0);
    *state = &fixture;
    return 0;
}

static void test_is_ready_once(void **state)
{
    const struct fixture *fixture = *state;
    assert_int_equal(fixture->times_ready, 1);
}

static void test_measures_nothing_before_it_begins(void **state)
{
    uv_loop_t loop;
    struct fixture fixture = {0};
    (void)state;
    assert_int_equal(uv_loop_init(&loop), 0);
    assert_int_equal(calibration_init(&fixture.calibration, &loop, on_ready, &fixture), 0);
    assert_int_equal(uv_run(&loop, UV_RUN_NOWAIT), 1);
    calibration_end(&fixture.calibration);
    assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_close(&loop), 0);
    assert_int_equal(fixture.times_ready, 0);
}

static void test_does_not_hold_the_loop_up(void **state)
{
    const struct fixture *fixture = *state;
    assert_true(fixture->timer_was_first);
}

static void test_every_kernel_has_a_speed(void **state)
{
    const struct fixture *fixture = *state;
    for (size_t i = 0; kernel_at(i) != NULL; i++)
        assert_true(fixture->calibration.units_per_ms[i] > 0);
}

static void test_sizes_grow_with_the_time(void **state)
{
    const struct fixture *fixture = *state;
    for (size_t i = 0; kernel_at(i) != NULL; i++) {
        const struct kernel *kernel = kernel_at(i);
        uint64_t before = 0;
        for (uint64_t ms = 1; ms <= 60000; ms *= 10) {
            uint64_t size = calibration_size(&fixture->calibration, kernel, ms);
            assert_true(size >= kernel->parameters[0].min && size <= kernel->parameters[0].max);
            assert_true(size >= before);
            before = size;
        }
    }
}

static void test_sleep_is_measured_by_the_clock(void **state)
{
    const struct fixture *fixture = *state;
    uint64_t size = calibration_size(&fixture->calibration, kernel_find("sleep"), 1000);
    assert_true(size > 0 && size <= 1000); /* it never sleeps shorter than it says */
}

/* ------------------------------------------------------------------ neighbours */

static void burn(void *data)
{
    const atomic_bool *enough = data;
    while (!atomic_load(enough))
        continue;
}

/* Keeps what is started from now on to one processor; returns what was allowed before. */
static cpu_set_t crowd(void)
{
    cpu_set_t before, one;
    assert_int_equal(sched_getaffinity(0, sizeof before, &before), 0);
    CPU_ZERO(&one);
    CPU_SET((size_t)sched_getcpu(), &one);
    assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
    return before;
}

/* With seven others on its processor it takes eight times as long, and is not eight times slower.
 */
static void test_neighbours_do_not_count(void **state)
{
    const struct fixture *alone = *state;
    double speed_alone = alone->calibration.units_per_ms[0];
    static atomic_bool enough;
    uv_thread_t neighbours[7];
    void *crowded;
    cpu_set_t before = crowd();
    for (int i = 0; i < 7; i++)
        assert_int_equal(uv_thread_create(&neighbours[i], burn, &enough), 0);
    calibrate(&crowded);
    atomic_store(&enough, true);
    for (int i = 0; i < 7; i++)
        uv_thread_join(&neighbours[i]);
    assert_int_equal(sched_setaffinity(0, sizeof before, &before), 0);
    const struct fixture *fixture = crowded;
    assert_true(fixture->calibration.units_per_ms[0] > speed_alone / 4);
}

/* ------------------------------------------------------------------ sizes */

static void test_speeds_that_lead_out_of_the_bounds(void **state)
{
    static struct calibration calibration;
    const struct kernel *kernel = kernel_at(0);
    (void)state;
    calibration.units_per_ms[0] = 1e12;
    assert_int_equal(calibration_size(&calibration, kernel, 60000), kernel->parameters[0].max);
    calibration.units_per_ms[0] = 1e-12;
    assert_true(calibration_size(&calibration, kernel, 1) >= kernel->parameters[0].min);
}

/* It has not been measured, but may be asked for: `crash` is offered, and in no table. */
static void test_a_kernel_that_is_not_in_the_table(void **state)
{
    const struct fixture *fixture = *state;
    assert_int_equal(calibration_size(&fixture->calibration, &kernel_crash, 60000), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_is_ready_once),
        cmocka_unit_test(test_measures_nothing_before_it_begins),
        cmocka_unit_test(test_does_not_hold_the_loop_up),
        cmocka_unit_test(test_every_kernel_has_a_speed),
        cmocka_unit_test(test_sizes_grow_with_the_time),
        cmocka_unit_test(test_sleep_is_measured_by_the_clock),
        cmocka_unit_test(test_speeds_that_lead_out_of_the_bounds),
        cmocka_unit_test(test_a_kernel_that_is_not_in_the_table),
        cmocka_unit_test(test_neighbours_do_not_count),
    };
    return cmocka_run_group_tests_name("calibration", tests, calibrate, NULL);
}
