/* kernel_sleep_test.c – it takes its time, uses no processor, and signals do not shorten it. */
#include "kernel/kernel.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <sys/time.h>
#include <time.h>

#include <cmocka.h>

static volatile sig_atomic_t alarms;

static void on_alarm(int signal_number)
{
    (void)signal_number;
    alarms++;
}

static double clock_ms(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

/* Sleeps n milliseconds in steps of `budget`; returns how long it really took. */
static double sleep_for(uint64_t n, uint64_t budget)
{
    const struct kernel *kernel = kernel_find("sleep");
    struct kernel_arguments arguments;
    struct kernel_run run;
    struct kernel_result result;
    kernel_arguments_init(&arguments, kernel);
    arguments.values[0] = n;
    assert_int_equal(kernel_run_init(&run, kernel, &arguments), 0);
    double started_ms = clock_ms(CLOCK_MONOTONIC);
    while (kernel_run_step(&run, budget))
        continue;
    double took_ms = clock_ms(CLOCK_MONOTONIC) - started_ms;
    assert_int_equal(kernel_run_finish(&run, &result), 0);
    assert_string_equal(result.numbers[0].name, "slept_ms");
    assert_int_equal(result.numbers[0].value.integer, n);
    kernel_run_close(&run);
    return took_ms;
}

static void test_sleeps_at_least_as_long(void **state)
{
    (void)state;
    assert_true(sleep_for(1, 1) >= 1);
    assert_true(sleep_for(20, 1) >= 20);
    assert_true(sleep_for(20, 7) >= 20);
    assert_true(sleep_for(20, UINT64_MAX) >= 20);
}

static void test_uses_no_processor(void **state)
{
    (void)state;
    double before_ms = clock_ms(CLOCK_PROCESS_CPUTIME_ID);
    sleep_for(60, 10);
    assert_true(clock_ms(CLOCK_PROCESS_CPUTIME_ID) - before_ms < 30);
}

static void test_goes_on_after_signals(void **state)
{
    const struct itimerval every_ms = {{0, 1000}, {0, 1000}}, never = {{0, 0}, {0, 0}};
    struct sigaction action = {.sa_handler = on_alarm}, previous;
    (void)state;
    sigaction(SIGALRM, &action, &previous);
    setitimer(ITIMER_REAL, &every_ms, NULL);
    double took_ms = sleep_for(30, 30);
    setitimer(ITIMER_REAL, &never, NULL);
    sigaction(SIGALRM, &previous, NULL);
    assert_true(alarms > 0);
    assert_true(took_ms >= 30);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sleeps_at_least_as_long),
        cmocka_unit_test(test_uses_no_processor),
        cmocka_unit_test(test_goes_on_after_signals),
    };
    return cmocka_run_group_tests_name("kernel_sleep", tests, NULL, NULL);
}
