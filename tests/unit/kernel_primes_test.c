/* kernel_primes_test.c – the counts against published tables and against a sieve without any trick.
 *
 * π(10^k) is OEIS A006880, the largest prime below 10^k OEIS A003618. */
#include "kernel/kernel.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

enum {
    SEGMENT_NUMBERS = 30 * 32 * 1024, /* as primes.c cuts them; other sizes only weaken the test */
    NAIVE_UPTO = 3 * SEGMENT_NUMBERS + 1000,
    LAST_POWER = SANITIZED ? 7 : 9, /* sanitizers multiply the time by ten and more */
    SMALL_UPTO = SANITIZED ? 300 : 2000,
    SQUARES_UPTO = SANITIZED ? 100 * 100 : NAIVE_UPTO,
};

struct answer {
    uint64_t count, largest;
};

static struct answer sieve(uint64_t n)
{
    const struct kernel *kernel = kernel_find("primes");
    struct kernel_arguments arguments;
    struct kernel_run run;
    struct kernel_result result;
    kernel_arguments_init(&arguments, kernel);
    arguments.values[0] = n;
    assert_int_equal(kernel_run_init(&run, kernel, &arguments), 0);
    assert_false(kernel_run_step(&run, UINT64_MAX));
    assert_int_equal(kernel_run_finish(&run, &result), 0);
    assert_int_equal(result.number_count, 2);
    assert_string_equal(result.numbers[0].name, "primes");
    assert_string_equal(result.numbers[1].name, "largest");
    kernel_run_close(&run);
    return (struct answer){result.numbers[0].value.integer, result.numbers[1].value.integer};
}

/* answers[n] for all n up to NAIVE_UPTO. */
static int make_naive(void **state)
{
    struct answer *answers = calloc(NAIVE_UPTO + 1, sizeof *answers);
    unsigned char *composite = calloc(NAIVE_UPTO + 1, 1);
    assert_non_null(answers);
    assert_non_null(composite);
    for (uint64_t i = 2; i <= NAIVE_UPTO; i++) {
        answers[i] = composite[i] ? answers[i - 1] : (struct answer){answers[i - 1].count + 1, i};
        for (uint64_t multiple = i * i; !composite[i] && multiple <= NAIVE_UPTO; multiple += i)
            composite[multiple] = 1;
    }
    free(composite);
    *state = answers;
    return 0;
}

static int free_naive(void **state)
{
    free(*state);
    return 0;
}

static void assert_like_naive(void **state, uint64_t n)
{
    const struct answer *answers = *state;
    struct answer answer = sieve(n);
    if (answer.count != answers[n].count || answer.largest != answers[n].largest)
        print_error("n = %llu\n", (unsigned long long)n);
    assert_int_equal(answer.count, answers[n].count);
    assert_int_equal(answer.largest, answers[n].largest);
}

static void test_powers_of_ten(void **state)
{
    static const struct answer known[] = {{0, 0},
                                          {4, 7},
                                          {25, 97},
                                          {168, 997},
                                          {1229, 9973},
                                          {9592, 99991},
                                          {78498, 999983},
                                          {664579, 9999991},
                                          {5761455, 99999989},
                                          {50847534, 999999937}};
    (void)state;
    if (SANITIZED)
        print_message("sanitized, which is slow: stops at 10^%d\n", LAST_POWER);
    uint64_t n = 1;
    for (int k = 0; k <= LAST_POWER; k++, n *= 10) {
        struct answer answer = sieve(n);
        assert_int_equal(answer.count, known[k].count);
        assert_int_equal(answer.largest, known[k].largest);
    }
}

static void test_every_small_number(void **state)
{
    for (uint64_t n = 0; n <= SMALL_UPTO; n++)
        assert_like_naive(state, n);
}

static void test_around_segment_ends(void **state)
{
    for (uint64_t segment = 1; segment <= 3; segment++)
        for (uint64_t n = segment * SEGMENT_NUMBERS - 35; n <= segment * SEGMENT_NUMBERS + 35; n++)
            assert_like_naive(state, n);
}

/* Where a prime begins to strike. */
static void test_around_squares(void **state)
{
    const struct answer *answers = *state;
    for (uint64_t p = 3; p * p < SQUARES_UPTO; p += 2) {
        if (answers[p].largest != p)
            continue;
        assert_like_naive(state, p * p - 1);
        assert_like_naive(state, p * p);
        assert_like_naive(state, p * p + 1);
    }
}

static void test_units_are_segments(void **state)
{
    const struct kernel *kernel = kernel_find("primes");
    struct kernel_arguments arguments;
    struct kernel_run run;
    (void)state;
    kernel_arguments_init(&arguments, kernel);
    arguments.values[0] = 10 * SEGMENT_NUMBERS - 1;
    assert_int_equal(kernel_run_init(&run, kernel, &arguments), 0);
    assert_int_equal(run.total_units, 10);
    kernel_run_close(&run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_powers_of_ten),       cmocka_unit_test(test_every_small_number),
        cmocka_unit_test(test_around_segment_ends), cmocka_unit_test(test_around_squares),
        cmocka_unit_test(test_units_are_segments),
    };
    return cmocka_run_group_tests_name("kernel_primes", tests, make_naive, free_naive);
}
