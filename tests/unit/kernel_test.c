/* kernel_test.c – the table, the parsing of arguments and the sentences about wrong ones. */
#include "kernel/kernel.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* A row of its own, so that the bounds under test do not move with the real kernels. */
static const struct kernel toy = {
    .name = "toy",
    .parameters = {{"n", "", 5, 1000, 7}, {"all", "", 0, UINT64_MAX, 9}},
};

static char error[200];

static int set(struct kernel_arguments *arguments, const char *name, const char *value)
{
    error[0] = '\0';
    return kernel_argument_set(arguments, &toy, name, value, error, sizeof error);
}

static void test_find_knows_every_row(void **state)
{
    (void)state;
    size_t rows = 0;
    for (const struct kernel *kernel; (kernel = kernel_at(rows)) != NULL; rows++)
        assert_ptr_equal(kernel_find(kernel->name), kernel);
    assert_true(rows >= 4);
    assert_string_equal(kernel_at(0)->name, "primes");
    assert_null(kernel_at(SIZE_MAX));
}

static void test_find_rejects_strangers(void **state)
{
    (void)state;
    assert_null(kernel_find(""));
    assert_null(kernel_find("prime"));
    assert_null(kernel_find("PRIMES"));
    assert_null(kernel_find("primes "));
}

static void test_names_follow_the_table(void **state)
{
    (void)state;
    const char *rest = kernel_names();
    for (size_t i = 0; kernel_at(i) != NULL; i++) {
        const char *name = kernel_at(i)->name;
        assert_memory_equal(rest, name, strlen(name));
        rest += strlen(name);
        if (kernel_at(i + 1) != NULL) {
            assert_memory_equal(rest, ", ", 2);
            rest += 2;
        }
    }
    assert_string_equal(rest, "");
}

static void test_arguments_start_with_defaults(void **state)
{
    (void)state;
    struct kernel_arguments arguments;
    memset(&arguments, 0xff, sizeof arguments);
    kernel_arguments_init(&arguments, &toy);
    assert_int_equal(arguments.values[0], 7);
    assert_int_equal(arguments.values[1], 9);
    assert_int_equal(arguments.values[2], 0);
    assert_false(arguments.image);
}

static void test_digits_are_taken(void **state)
{
    (void)state;
    struct kernel_arguments arguments;
    kernel_arguments_init(&arguments, &toy);
    assert_int_equal(set(&arguments, "n", "5"), 0);
    assert_int_equal(arguments.values[0], 5);
    assert_int_equal(set(&arguments, "n", "1000"), 0);
    assert_int_equal(arguments.values[0], 1000);
    assert_int_equal(set(&arguments, "n", "000000000000000000000000000000012"), 0);
    assert_int_equal(arguments.values[0], 12);
    assert_int_equal(set(&arguments, "all", "18446744073709551615"), 0);
    assert_true(arguments.values[1] == UINT64_MAX);
    assert_string_equal(error, "");
}

static void test_anything_else_is_not(void **state)
{
    (void)state;
    static const char *const wrong[] = {"",    " 5",  "5 ", "+5",  "-5",  "5.0", "1e2",
                                        "0x7", "5\n", "٣",  "5,0", "abc", "5_0"};
    struct kernel_arguments arguments;
    kernel_arguments_init(&arguments, &toy);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_int_equal(set(&arguments, "n", wrong[i]), -EINVAL);
        assert_true(strlen(error) > 0);
    }
    assert_int_equal(arguments.values[0], 7);
}

static void test_range_and_overflow(void **state)
{
    (void)state;
    static const char *const beyond[] = {"4", "1001", "18446744073709551615",
                                         "18446744073709551621", /* 2^64 + 5: 5 if it wrapped */
                                         "99999999999999999999999999999999999999999999"};
    struct kernel_arguments arguments;
    kernel_arguments_init(&arguments, &toy);
    for (size_t i = 0; i < sizeof beyond / sizeof *beyond; i++)
        assert_int_equal(set(&arguments, "n", beyond[i]), -ERANGE);
    assert_int_equal(set(&arguments, "all", "18446744073709551616"), -ERANGE);
    assert_int_equal(set(&arguments, "all", "184467440737095516150"), -ERANGE);
    assert_int_equal(set(&arguments, "all", "99999999999999999999x"), -EINVAL);
    assert_int_equal(arguments.values[0], 7);
    assert_int_equal(arguments.values[1], 9);
}

static void test_unknown_parameter(void **state)
{
    (void)state;
    struct kernel_arguments arguments;
    kernel_arguments_init(&arguments, &toy);
    assert_int_equal(set(&arguments, "m", "5"), -ENOENT);
    assert_int_equal(set(&arguments, "", "5"), -ENOENT);
}

static void test_sentence(void **state)
{
    (void)state;
    struct kernel_arguments arguments;
    set(&arguments, "n", "abc");
    assert_string_equal(error, "n must be an integer from 5 to 1000; got \"abc\"");
    set(&arguments, "all", "");
    assert_string_equal(error, "all must be an integer from 0 to 18446744073709551615; got \"\"");
}

static void test_sentence_is_harmless(void **state)
{
    (void)state;
    struct kernel_arguments arguments;
    set(&arguments, "n", "\x1b[31m\"'\\`\r\n\x7f\xc3\xa9");
    assert_string_equal(error, "n must be an integer from 5 to 1000; got \"?[31m?????????\"");
    set(&arguments, "n", "aaaaaaaaaabbbbbbbbbbccccccccccdddddddddd");
    assert_non_null(strstr(error, "\"aaaaaaaaaabbbbbbbbbbccccccccccdddddddddd\""));
    set(&arguments, "n", "aaaaaaaaaabbbbbbbbbbccccccccccdddddddddde");
    assert_non_null(strstr(error, "\"aaaaaaaaaabbbbbbbbbbccccccccccdddddddddd...\""));
}

static void test_sentence_fits_its_buffer(void **state)
{
    (void)state;
    struct kernel_arguments arguments;
    char small[] = "........";
    assert_int_equal(kernel_argument_set(&arguments, &toy, "n", "abc", small, 5), -EINVAL);
    assert_string_equal(small, "n mu");
    assert_int_equal(small[5], '.');
}

static void test_result_close_can_be_repeated(void **state)
{
    (void)state;
    struct kernel_result result = {.image = NULL};
    kernel_result_close(&result);
    kernel_result_close(&result);
    assert_null(result.image);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_find_knows_every_row),
        cmocka_unit_test(test_find_rejects_strangers),
        cmocka_unit_test(test_names_follow_the_table),
        cmocka_unit_test(test_arguments_start_with_defaults),
        cmocka_unit_test(test_digits_are_taken),
        cmocka_unit_test(test_anything_else_is_not),
        cmocka_unit_test(test_range_and_overflow),
        cmocka_unit_test(test_unknown_parameter),
        cmocka_unit_test(test_sentence),
        cmocka_unit_test(test_sentence_is_harmless),
        cmocka_unit_test(test_sentence_fits_its_buffer),
        cmocka_unit_test(test_result_close_can_be_repeated),
    };
    return cmocka_run_group_tests_name("kernel", tests, NULL, NULL);
}
