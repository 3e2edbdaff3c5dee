/* bounded_test.c – text from strangers: what is taken, and that the sentence about the rest is fit
 * to be shown. */
#include "kernel/bounded.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void assert_taken(const char *text, uint64_t min, uint64_t max, uint64_t expected)
{
    char error[200] = "untouched";
    uint64_t value = 0;
    assert_int_equal(bounded_integer("n", min, max, text, &value, error, sizeof error), 0);
    assert_int_equal(value, expected);
    assert_string_equal(error, "untouched");
}

static void assert_refused(const char *text, int rc, const char *sentence)
{
    char error[200];
    uint64_t value = 77;
    assert_int_equal(bounded_integer("n", 1, 10, text, &value, error, sizeof error), rc);
    assert_int_equal(value, 77);
    assert_string_equal(error, sentence);
}

static void test_takes_digits_within_the_bounds(void **state)
{
    (void)state;
    assert_taken("1", 1, 10, 1);
    assert_taken("10", 1, 10, 10);
    assert_taken("007", 1, 10, 7);
    assert_taken("0", 0, 0, 0);
    assert_taken("18446744073709551615", 0, UINT64_MAX, UINT64_MAX);
}

static void test_refuses_what_is_no_number(void **state)
{
    static const char *const texts[] = {"", " 1", "1 ", "+1", "-1", "0x1", "1e3", "1.0", "abc"};
    char sentence[100];
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        snprintf(sentence, sizeof sentence, "n must be an integer from 1 to 10; got \"%s\"",
                 texts[i]);
        assert_refused(texts[i], -EINVAL, sentence);
    }
}

static void test_refuses_what_is_out_of_range(void **state)
{
    (void)state;
    assert_refused("0", -ERANGE, "n must be an integer from 1 to 10; got \"0\"");
    assert_refused("11", -ERANGE, "n must be an integer from 1 to 10; got \"11\"");
    assert_refused("18446744073709551616", -ERANGE,
                   "n must be an integer from 1 to 10; got \"18446744073709551616\"");
    assert_refused("18446744073709551617", -ERANGE, /* 1, if it wrapped around */
                   "n must be an integer from 1 to 10; got \"18446744073709551617\"");
}

static void test_shows_nothing_harmful(void **state)
{
    (void)state;
    assert_refused("\"\r\n\x1b[31m\\'`\x80", -EINVAL,
                   "n must be an integer from 1 to 10; got \"????[31m????\"");
    assert_refused("aaaaaaaaaabbbbbbbbbbccccccccccddddddddddX", -EINVAL,
                   "n must be an integer from 1 to 10; got "
                   "\"aaaaaaaaaabbbbbbbbbbccccccccccdddddddddd...\"");
    assert_refused("aaaaaaaaaabbbbbbbbbbccccccccccdddddddddd", -EINVAL,
                   "n must be an integer from 1 to 10; got "
                   "\"aaaaaaaaaabbbbbbbbbbccccccccccdddddddddd\"");
}

static void test_stays_within_its_buffer(void **state)
{
    char error[8];
    uint64_t value;
    (void)state;
    assert_int_equal(bounded_integer("n", 1, 10, "x", &value, error, sizeof error), -EINVAL);
    assert_string_equal(error, "n must ");
}

static void test_names_the_choices(void **state)
{
    char error[200];
    (void)state;
    assert_int_equal(bounded_choice_error("via", "sqlite, timer", "pigeon", error, sizeof error),
                     -EINVAL);
    assert_string_equal(error, "via must be one of sqlite, timer; got \"pigeon\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_takes_digits_within_the_bounds),
        cmocka_unit_test(test_refuses_what_is_no_number),
        cmocka_unit_test(test_refuses_what_is_out_of_range),
        cmocka_unit_test(test_shows_nothing_harmful),
        cmocka_unit_test(test_stays_within_its_buffer),
        cmocka_unit_test(test_names_the_choices),
    };
    return cmocka_run_group_tests_name("bounded", tests, NULL, NULL);
}
