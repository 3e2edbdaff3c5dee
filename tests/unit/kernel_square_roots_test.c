/* kernel_square_roots_test.c – the sum against the Euler–Maclaurin formula, and against the plain
 * loop.
 *
 * With f(x) = √x: sum = 2/3 n^(3/2) + 1/2 n^(1/2) + ζ(-1/2) + 1/24 n^(-1/2) - 1/1920 n^(-5/2) +
 * ..., and the error is less than the first term left out (the terms alternate). */
#include "kernel/kernel.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static double sum_upto(uint64_t n)
{
    const struct kernel *kernel = kernel_find("square-roots");
    struct kernel_arguments arguments;
    struct kernel_run run;
    struct kernel_result result;
    kernel_arguments_init(&arguments, kernel);
    arguments.values[0] = n;
    assert_int_equal(kernel_run_init(&run, kernel, &arguments), 0);
    assert_int_equal(run.total_units, n);
    assert_false(kernel_run_step(&run, UINT64_MAX));
    assert_int_equal(kernel_run_finish(&run, &result), 0);
    kernel_run_close(&run);
    assert_int_equal(result.number_count, 1);
    assert_string_equal(result.numbers[0].name, "sum");
    assert_int_equal(result.numbers[0].type, KERNEL_REAL);
    return result.numbers[0].value.real;
}

static double formula(double n)
{
    const double zeta_of_minus_half = -0.20788622497735456602;
    return 2.0 / 3 * n * sqrt(n) + sqrt(n) / 2 + zeta_of_minus_half + 1 / (24 * sqrt(n));
}

/* n additions, each wrong by at most half a unit in the last place of a sum that only grows; and
 * the term left out; and the few roundings of the formula itself. */
static double tolerance(double n)
{
    return formula(n) * (n + 8) * DBL_EPSILON / 2 + 1 / (1920 * n * n * sqrt(n));
}

static void test_first_values(void **state)
{
    (void)state;
    assert_true(sum_upto(1) == 1.0);
    assert_true(sum_upto(2) == 1 + sqrt(2));
    assert_true(sum_upto(4) == 1 + sqrt(2) + sqrt(3) + 2);
}

static void test_is_the_loop_of_the_tutorials(void **state)
{
    (void)state;
    double sum = 0;
    for (int i = 1; i <= 100000; i++)
        sum += sqrt(i);
    assert_true(sum_upto(100000) == sum);
}

static void test_against_euler_maclaurin(void **state)
{
    (void)state;
    for (uint64_t n = 1; n <= 10000000; n = n * 7 / 3 + 1)
        assert_true(fabs(sum_upto(n) - formula((double)n)) <= tolerance((double)n));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_values),
        cmocka_unit_test(test_is_the_loop_of_the_tutorials),
        cmocka_unit_test(test_against_euler_maclaurin),
    };
    return cmocka_run_group_tests_name("kernel_square_roots", tests, NULL, NULL);
}
