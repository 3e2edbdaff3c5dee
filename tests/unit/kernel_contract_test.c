/* kernel_contract_test.c – what every row of the kernel table promises.
 *
 * Each test goes through the whole table, so a new kernel is held to the contract as soon as it has
 * a row. Random budgets come from a seed that is printed; OFFLOOP_SEED repeats a run. Leaks after
 * an early close show under SANITIZER=address. */
#include "kernel/kernel.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

enum { RANDOM_BUDGETS = 0 }; /* instead of a fixed budget */

/* ---------------------------------------------------------------- help */

/* xorshift64*, Vigna 2016; the seed must not be 0. */
static uint64_t random_next(uint64_t *random)
{
    *random ^= *random >> 12;
    *random ^= *random << 25;
    *random ^= *random >> 27;
    return *random * UINT64_C(0x2545f4914f6cdd1d);
}

static int make_seed(void **state)
{
    static uint64_t seed;
    const char *text = getenv("OFFLOOP_SEED");
    seed = text != NULL ? strtoull(text, NULL, 10) : (uint64_t)time(NULL);
    seed += seed == 0;
    print_message("OFFLOOP_SEED=%" PRIu64 "\n", seed);
    *state = &seed;
    return 0;
}

static struct kernel_arguments arguments_of(const struct kernel *kernel, uint64_t size, bool image)
{
    struct kernel_arguments arguments;
    kernel_arguments_init(&arguments, kernel);
    arguments.values[0] = size;
    arguments.image = image;
    return arguments;
}

/* Sizes that are small enough for steps of one unit: about 0, 1, 2, ... units. Ends with 0 = false.
 */
static bool small_size(const struct kernel *kernel, size_t index, uint64_t *size)
{
    static const uint64_t units[] = {0, 1, 2, 7, 30, 1000};
    if (index >= sizeof units / sizeof *units || (units[index] > 30 && kernel->step_units < 100))
        return false;
    *size = kernel->size_of(units[index]);
    return true;
}

/* One step; checks that it does something, not too much, and tells the truth about what is left. */
static bool step_checked(struct kernel_run *run, uint64_t budget)
{
    uint64_t before = run->done_units;
    bool left = kernel_run_step(run, budget);
    assert_true(run->done_units > before);
    assert_true(run->done_units - before <= budget);
    assert_true(run->done_units <= run->total_units);
    assert_int_equal(left, run->done_units < run->total_units);
    return left;
}

static void run_checked(const struct kernel *kernel, const struct kernel_arguments *arguments,
                        uint64_t budget, uint64_t *random, struct kernel_result *result)
{
    struct kernel_run run;
    bool left = true;
    assert_int_equal(kernel_run_init(&run, kernel, arguments), 0);
    assert_int_equal(run.done_units, 0);
    assert_true(run.total_units >= 1);
    while (left)
        left = step_checked(&run, budget != RANDOM_BUDGETS
                                      ? budget
                                      : 1 + random_next(random) % (1 + run.total_units / 3));
    assert_false(kernel_run_step(&run, budget + 1)); /* nothing is left, nothing is done */
    assert_int_equal(run.done_units, run.total_units);
    assert_int_equal(kernel_run_finish(&run, result), 0);
    kernel_run_close(&run);
}

static void assert_same_number(const struct kernel_number *a, const struct kernel_number *b)
{
    assert_string_equal(a->name, b->name);
    assert_int_equal(a->type, b->type);
    if (a->type == KERNEL_INTEGER)
        assert_int_equal(a->value.integer, b->value.integer);
    else
        assert_memory_equal(&a->value.real, &b->value.real, sizeof a->value.real);
}

static void assert_same_result(const struct kernel_result *a, const struct kernel_result *b)
{
    assert_int_equal(a->number_count, b->number_count);
    for (size_t i = 0; i < a->number_count; i++)
        assert_same_number(&a->numbers[i], &b->numbers[i]);
    assert_int_equal(a->image != NULL, b->image != NULL);
    assert_int_equal(a->image_bytes, b->image_bytes);
    if (a->image != NULL)
        assert_memory_equal(a->image, b->image, a->image_bytes);
}

/* ---------------------------------------------------------------- the contract */

static void test_rows_are_complete(void **state)
{
    (void)state;
    const struct kernel *kernel;
    for (size_t i = 0; (kernel = kernel_at(i)) != NULL; i++) {
        assert_true(kernel->name != NULL && kernel->help != NULL && kernel->unit != NULL);
        assert_true(kernel->help[0] >= 'a' && kernel->help[0] <= 'z'); /* made a title by --help */
        assert_null(strchr(kernel->help, '\n'));
        assert_true(kernel->size_of != NULL && kernel->init != NULL && kernel->step != NULL);
        assert_true(kernel->finish != NULL && kernel->close != NULL);
        assert_true(kernel->step_units >= 1 && kernel->state_bytes >= 1);
    }
}

static void test_parameters_are_sound(void **state)
{
    (void)state;
    const struct kernel *kernel;
    for (size_t i = 0; (kernel = kernel_at(i)) != NULL; i++) {
        const struct kernel_parameter *first = kernel->parameters;
        assert_string_equal(first->name, "n");
        assert_in_range(kernel->sample_size, first->min, first->max);
        for (size_t j = 0; j < KERNEL_PARAMETERS_MAX && first[j].name != NULL; j++) {
            assert_true(first[j].help != NULL);
            assert_in_range(first[j].fallback, first[j].min, first[j].max);
        }
    }
}

static void test_any_slicing_gives_the_same(void **state)
{
    static const uint64_t budgets[] = {
        1, 2, 3, 7, 13, 101, 1000003, RANDOM_BUDGETS, RANDOM_BUDGETS};
    uint64_t random = *(const uint64_t *)*state, size;
    const struct kernel *kernel;
    for (size_t i = 0; (kernel = kernel_at(i)) != NULL; i++) {
        for (size_t j = 0; small_size(kernel, j, &size); j++) {
            struct kernel_arguments arguments =
                arguments_of(kernel, size, kernel->image_type != NULL);
            struct kernel_result whole, sliced;
            run_checked(kernel, &arguments, UINT64_MAX, &random, &whole);
            for (size_t k = 0; k < sizeof budgets / sizeof *budgets; k++) {
                run_checked(kernel, &arguments, budgets[k], &random, &sliced);
                assert_same_result(&whole, &sliced);
                kernel_result_close(&sliced);
            }
            kernel_result_close(&whole);
        }
    }
}

static void test_results_are_well_formed(void **state)
{
    uint64_t random = *(const uint64_t *)*state;
    const struct kernel *kernel;
    for (size_t i = 0; (kernel = kernel_at(i)) != NULL; i++) {
        for (int image = 0; image <= (kernel->image_type != NULL); image++) {
            struct kernel_arguments arguments =
                arguments_of(kernel, kernel->parameters[0].min, image != 0);
            struct kernel_result result;
            run_checked(kernel, &arguments, kernel->step_units, &random, &result);
            assert_in_range(result.number_count, 1, KERNEL_NUMBERS_MAX);
            for (size_t j = 0; j < result.number_count; j++)
                assert_non_null(result.numbers[j].name);
            assert_int_equal(result.image != NULL, image);
            assert_int_equal(result.image_bytes > 0, image);
            if (image)
                assert_string_equal(result.image_type, kernel->image_type);
            kernel_result_close(&result);
        }
    }
}

/* An image is a by-product: asking for it does not change the numbers. */
static void test_image_does_not_change_the_numbers(void **state)
{
    uint64_t random = *(const uint64_t *)*state;
    const struct kernel *kernel;
    for (size_t i = 0; (kernel = kernel_at(i)) != NULL; i++) {
        struct kernel_arguments arguments = arguments_of(kernel, kernel->size_of(20), false);
        struct kernel_result without, with;
        run_checked(kernel, &arguments, 7, &random, &without);
        arguments.image = kernel->image_type != NULL;
        run_checked(kernel, &arguments, 7, &random, &with);
        assert_int_equal(with.number_count, without.number_count);
        for (size_t j = 0; j < with.number_count; j++)
            assert_same_number(&with.numbers[j], &without.numbers[j]);
        kernel_result_close(&with);
        kernel_result_close(&without);
    }
}

static void test_close_at_any_step(void **state)
{
    (void)state;
    const struct kernel *kernel;
    for (size_t i = 0; (kernel = kernel_at(i)) != NULL; i++) {
        uint64_t size = kernel->size_of(20);
        struct kernel_arguments arguments = arguments_of(kernel, size, kernel->image_type != NULL);
        bool left = true;
        for (uint64_t steps = 0; left; steps++) {
            struct kernel_run run;
            assert_int_equal(kernel_run_init(&run, kernel, &arguments), 0);
            for (uint64_t step = 0; step < steps; step++)
                left = kernel_run_step(&run, 1);
            kernel_run_close(&run);
            kernel_run_close(&run); /* harmless twice */
        }
    }
}

static void test_both_bounds_can_begin(void **state)
{
    (void)state;
    const struct kernel *kernel;
    for (size_t i = 0; (kernel = kernel_at(i)) != NULL; i++) {
        uint64_t bounds[] = {kernel->parameters[0].min, kernel->parameters[0].max};
        for (size_t j = 0; j < 2; j++) {
            struct kernel_arguments arguments =
                arguments_of(kernel, bounds[j], kernel->image_type != NULL);
            struct kernel_run run;
            assert_int_equal(kernel_run_init(&run, kernel, &arguments), 0);
            assert_true(run.total_units >= 1);
            step_checked(&run, 1);
            kernel_run_close(&run);
        }
    }
}

/* Two runs side by side: nothing is shared. */
static void test_runs_do_not_meet(void **state)
{
    (void)state;
    const struct kernel *kernel;
    for (size_t i = 0; (kernel = kernel_at(i)) != NULL; i++) {
        struct kernel_arguments arguments =
            arguments_of(kernel, kernel->size_of(10), kernel->image_type != NULL);
        struct kernel_run runs[2];
        struct kernel_result results[2];
        for (size_t j = 0; j < 2; j++)
            assert_int_equal(kernel_run_init(&runs[j], kernel, &arguments), 0);
        bool left = true;
        while (left) {
            left = kernel_run_step(&runs[0], 1);
            assert_int_equal(kernel_run_step(&runs[1], 1), left);
        }
        for (size_t j = 0; j < 2; j++) {
            assert_int_equal(kernel_run_finish(&runs[j], &results[j]), 0);
            kernel_run_close(&runs[j]);
        }
        assert_same_result(&results[0], &results[1]);
        kernel_result_close(&results[0]);
        kernel_result_close(&results[1]);
    }
}

static void test_size_of_is_monotone_and_bounded(void **state)
{
    uint64_t random = *(const uint64_t *)*state;
    const struct kernel *kernel;
    for (size_t i = 0; (kernel = kernel_at(i)) != NULL; i++) {
        const struct kernel_parameter *size = &kernel->parameters[0];
        uint64_t previous = size->min, units = 0;
        while (units < UINT64_MAX / 2) {
            assert_in_range(kernel->size_of(units), previous, size->max);
            previous = kernel->size_of(units);
            units += 1 + random_next(&random) % (1 + units / 20);
        }
        assert_int_equal(kernel->size_of(UINT64_MAX), size->max);
    }
}

/* The units of a sample lead back to it, within one unit: the calibration rests on this. */
static void test_size_of_agrees_with_the_sample(void **state)
{
    (void)state;
    const struct kernel *kernel;
    for (size_t i = 0; (kernel = kernel_at(i)) != NULL; i++) {
        struct kernel_arguments arguments = arguments_of(kernel, kernel->sample_size, false);
        struct kernel_run run;
        assert_int_equal(kernel_run_init(&run, kernel, &arguments), 0);
        assert_in_range(kernel->sample_size, kernel->size_of(run.total_units - 1),
                        kernel->size_of(run.total_units + 1));
        kernel_run_close(&run);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows_are_complete),
        cmocka_unit_test(test_parameters_are_sound),
        cmocka_unit_test(test_any_slicing_gives_the_same),
        cmocka_unit_test(test_results_are_well_formed),
        cmocka_unit_test(test_image_does_not_change_the_numbers),
        cmocka_unit_test(test_close_at_any_step),
        cmocka_unit_test(test_both_bounds_can_begin),
        cmocka_unit_test(test_runs_do_not_meet),
        cmocka_unit_test(test_size_of_is_monotone_and_bounded),
        cmocka_unit_test(test_size_of_agrees_with_the_sample),
    };
    return cmocka_run_group_tests_name("kernel_contract", tests, make_seed, NULL);
}
