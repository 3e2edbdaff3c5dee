/* phrase_test.c – numbers as a person would say them. */
#include "server/observe/phrase.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void test_milliseconds(void **state)
{
    (void)state;
    assert_string_equal(phrase_ms(0).text, "0 ms");
    assert_string_equal(phrase_ms(0.004).text, "0 ms");
    assert_string_equal(phrase_ms(0.31).text, "0.31 ms");
    assert_string_equal(phrase_ms(5).text, "5 ms");
    assert_string_equal(phrase_ms(5.17).text, "5.2 ms");
    assert_string_equal(phrase_ms(9.97).text, "10 ms");
    assert_string_equal(phrase_ms(598.4).text, "598 ms");
    assert_string_equal(phrase_ms(999.7).text, "1 s");
    assert_string_equal(phrase_ms(1234).text, "1.2 s");
    assert_string_equal(phrase_ms(45000).text, "45 s");
}

static void test_counts(void **state)
{
    (void)state;
    assert_string_equal(phrase_count(0, "request", "requests").text, "0 requests");
    assert_string_equal(phrase_count(1, "request", "requests").text, "1 request");
    assert_string_equal(phrase_count(2, "query", "queries").text, "2 queries");
}

static void test_shares(void **state)
{
    (void)state;
    assert_string_equal(phrase_share(0).text, "0 %");
    assert_string_equal(phrase_share(-0.1).text, "0 %");
    assert_string_equal(phrase_share(0.004).text, "under 1 %");
    assert_string_equal(phrase_share(0.01).text, "1 %");
    assert_string_equal(phrase_share(0.974).text, "97 %");
    assert_string_equal(phrase_share(1).text, "100 %");
}

static void test_numbers_and_times(void **state)
{
    (void)state;
    assert_string_equal(phrase_number(0.5).text, "0.5");
    assert_string_equal(phrase_number(12.4).text, "12");
    assert_string_equal(phrase_number(12345.6).text, "12346");
    assert_string_equal(phrase_times(2).text, "twice");
    assert_string_equal(phrase_times(1.5).text, "1.5 times");
    assert_string_equal(phrase_times(3).text, "3 times");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_milliseconds),
        cmocka_unit_test(test_counts),
        cmocka_unit_test(test_shares),
        cmocka_unit_test(test_numbers_and_times),
    };
    return cmocka_run_group_tests_name("phrase", tests, NULL, NULL);
}
