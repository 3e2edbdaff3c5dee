/* shedding_test.c – when shedding begins and ends, and that it does not flap. */
#include "server/offload/shedding.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/support/random.h"

enum { LIMIT_MS = 100, MS = 1000000 };

struct clock {
    struct shedding shedding;
    uint64_t now_ms;
    unsigned changes;
};

static struct clock begin(unsigned limit_ms)
{
    struct clock clock = {.now_ms = UINT64_C(3600000)}; /* the machine has run for an hour */
    shedding_init(&clock.shedding, limit_ms);
    return clock;
}

static bool after(struct clock *clock, uint64_t ms, uint64_t late_ms)
{
    bool before = clock->shedding.active;
    clock->now_ms += ms;
    bool sheds = shedding_update(&clock->shedding, clock->now_ms * MS, late_ms * MS);
    clock->changes += sheds != before;
    return sheds;
}

static void test_begins_at_the_limit(void **state)
{
    struct clock clock = begin(LIMIT_MS);
    (void)state;
    assert_false(after(&clock, 0, 0));
    assert_false(after(&clock, 1, LIMIT_MS - 1));
    assert_true(after(&clock, 1, LIMIT_MS));
}

static void test_ends_when_it_has_been_calm(void **state)
{
    struct clock clock = begin(LIMIT_MS);
    (void)state;
    assert_true(after(&clock, 1, 5 * LIMIT_MS));
    assert_true(after(&clock, 1, LIMIT_MS / 2 - 1)); /* calm from here on */
    assert_true(after(&clock, SHEDDING_CALM_MS - 2, 0));
    assert_false(after(&clock, 1, 0));
    assert_false(after(&clock, 1, LIMIT_MS / 2)); /* below the limit nothing begins */
}

static void test_half_of_the_limit_is_not_calm(void **state)
{
    struct clock clock = begin(LIMIT_MS);
    (void)state;
    assert_true(after(&clock, 1, LIMIT_MS));
    for (int i = 0; i < 100; i++)
        assert_true(after(&clock, SHEDDING_CALM_MS / 10, i % 5 == 0 ? LIMIT_MS / 2 : 0));
    assert_false(after(&clock, SHEDDING_CALM_MS, 0));
}

/* Nobody has asked for long: what was before does not count. */
static void test_a_silence_ends_it(void **state)
{
    struct clock clock = begin(LIMIT_MS);
    (void)state;
    assert_true(after(&clock, 1, LIMIT_MS));
    assert_false(after(&clock, 60000, LIMIT_MS / 2 - 1));
    assert_true(after(&clock, 60000, LIMIT_MS));
}

/* What a blocked loop looks like: a kernel of 150 ms, then a moment of leisure, for a minute. */
static void test_a_saw_does_not_make_it_flap(void **state)
{
    struct clock clock = begin(LIMIT_MS);
    (void)state;
    for (unsigned ms = 0; ms < 60000; ms += 10)
        (void)after(&clock, 10, ms % 150);
    assert_int_equal(clock.changes, 1);
    assert_true(clock.shedding.active);
    while (after(&clock, 10, 0))
        continue;
    assert_int_equal(clock.changes, 2);
}

/* Whatever comes: between two changes to the better there is at least the time of calm. */
static void test_noise_does_not_make_it_flap(void **state)
{
    struct clock clock = begin(LIMIT_MS);
    uint64_t random = random_seed();
    unsigned minutes = 10;
    (void)state;
    for (unsigned ms = 0; ms < minutes * 60000; ms += 10)
        (void)after(&clock, 10, random_below(&random, 40) == 0 ? 150 : random_below(&random, 49));
    assert_true(clock.changes <= minutes * 60000 / SHEDDING_CALM_MS * 2);
    assert_true(clock.changes >= 2); /* it was tried at all */
}

static void test_without_a_limit_it_never_begins(void **state)
{
    struct clock clock = begin(0);
    (void)state;
    assert_false(after(&clock, 1, 0));
    assert_false(after(&clock, 1, 1000000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_begins_at_the_limit),
        cmocka_unit_test(test_ends_when_it_has_been_calm),
        cmocka_unit_test(test_half_of_the_limit_is_not_calm),
        cmocka_unit_test(test_a_silence_ends_it),
        cmocka_unit_test(test_a_saw_does_not_make_it_flap),
        cmocka_unit_test(test_noise_does_not_make_it_flap),
        cmocka_unit_test(test_without_a_limit_it_never_begins),
    };
    return cmocka_run_group_tests_name("shedding", tests, NULL, NULL);
}
