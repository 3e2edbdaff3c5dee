/* names_test.c – how a person is told what the numbers mean. */
#include "server/observe/names.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const struct names NAMES = {
    .works = {"none", "worker", "sqlite"},
    .strategy_count = 2,
    .kernels = {"primes", "mandelbrot"},
    .routes = {"/fast", "/heavy"},
};

static const struct names EMPTY;

static void test_tables_are_counted(void **state)
{
    (void)state;
    assert_int_equal(names_work_count(&NAMES), 3);
    assert_int_equal(names_route_count(&NAMES), 2);
    assert_int_equal(names_work_count(&EMPTY), 0);
}

static void test_kernels_count_from_one(void **state)
{
    (void)state;
    assert_null(names_kernel(&NAMES, 0));
    assert_string_equal(names_kernel(&NAMES, 1), "primes");
    assert_string_equal(names_kernel(&NAMES, 2), "mandelbrot");
    assert_null(names_kernel(&NAMES, 3));
}

static void test_rows_that_have_no_name(void **state)
{
    (void)state;
    assert_string_equal(names_work(&NAMES, 2), "sqlite");
    assert_string_equal(names_work(&NAMES, 3), "unknown");
    assert_string_equal(names_work(&NAMES, 255), "unknown");
    assert_string_equal(names_work(&EMPTY, 0), "unknown");
}

/* Another order, another table, another cut between two names: another meaning. */
static void test_fingerprints(void **state)
{
    struct names others[] = {NAMES, NAMES, NAMES, NAMES, NAMES};
    (void)state;
    others[0].works[0] = "worker", others[0].works[1] = "none";
    others[1].works[3] = "file";
    others[2].kernels[2] = "/fast", others[2].routes[0] = "/heavy", others[2].routes[1] = NULL;
    others[3].works[1] = "workers", others[3].works[2] = "qlite";
    others[4].routes[1] = "/heavier";
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        assert_true(names_fingerprint(&others[i]) != names_fingerprint(&NAMES));
        for (size_t j = 0; j < i; j++)
            assert_true(names_fingerprint(&others[i]) != names_fingerprint(&others[j]));
    }
    others[0] = NAMES;
    others[0].lanes[1] = 7; /* how many there are of each is said by the options */
    assert_true(names_fingerprint(&others[0]) == names_fingerprint(&NAMES));
}

static void assert_subject(struct trip_subject subject, const char *expected)
{
    char text[80];
    names_subject(&NAMES, &subject, text, sizeof text);
    assert_string_equal(text, expected);
}

static void test_subjects(void **state)
{
    (void)state;
    assert_subject((struct trip_subject){1, 1, 20000000}, "GET /heavy (primes n=20000000)");
    assert_subject((struct trip_subject){2, 0, 100}, "GET /slow (sqlite, 100 ms)");
}

static void assert_stall(struct trace_record stall, const char *expected)
{
    char text[80];
    names_stall(&NAMES, &stall, text, sizeof text);
    assert_string_equal(text, expected);
}

static void test_stalls_of_trips(void **state)
{
    (void)state;
    assert_stall((struct trace_record){.kernel = 1, .size = 9}, "GET /heavy (primes n=9)");
    assert_stall((struct trace_record){.kernel = 1, .size = 9, .times = 1},
                 "GET /heavy (primes n=9)");
    assert_stall((struct trace_record){.kernel = 2, .size = 9, .times = 4},
                 "4 × GET /heavy (mandelbrot n=9)");
    assert_stall((struct trace_record){.work = 2, .size = 100, .times = 1},
                 "GET /slow (sqlite, 100 ms)");
    assert_stall((struct trace_record){.work = 2, .size = 100, .times = 2},
                 "2 × GET /slow (sqlite, 100 ms)");
}

static void test_stalls_without_a_trip(void **state)
{
    (void)state;
    assert_stall((struct trace_record){.route = 1}, "requests to /fast");
    assert_stall((struct trace_record){.route = 2}, "requests to /heavy");
    assert_stall((struct trace_record){.route = 3}, "something that is no request");
    assert_stall((struct trace_record){.route = 0}, "something that is no request");
}

static void test_what_does_not_fit_is_cut(void **state)
{
    const struct trace_record stall = {.kernel = 1, .size = 9, .times = 1000000};
    char text[40];
    (void)state;
    for (size_t size = 1; size < 20; size++) {
        memset(text, '#', sizeof text);
        names_stall(&NAMES, &stall, text, size);
        assert_int_equal(strlen(text), size - 1);
        assert_memory_equal(text, "1000000 × GET /heavy", size - 1);
        for (size_t i = size; i < sizeof text; i++)
            assert_int_equal(text[i], '#');
    }
}

static void test_strategies_of_stalls(void **state)
{
    (void)state;
    assert_string_equal(
        names_stall_strategy(&NAMES, &(struct trace_record){.work = 1, .kernel = 1}), "worker");
    assert_null(names_stall_strategy(&NAMES, &(struct trace_record){.work = 2, .times = 1}));
    assert_null(names_stall_strategy(&NAMES, &(struct trace_record){.route = 1}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tables_are_counted),
        cmocka_unit_test(test_kernels_count_from_one),
        cmocka_unit_test(test_rows_that_have_no_name),
        cmocka_unit_test(test_fingerprints),
        cmocka_unit_test(test_subjects),
        cmocka_unit_test(test_stalls_of_trips),
        cmocka_unit_test(test_stalls_without_a_trip),
        cmocka_unit_test(test_what_does_not_fit_is_cut),
        cmocka_unit_test(test_strategies_of_stalls),
    };
    return cmocka_run_group_tests_name("names", tests, NULL, NULL);
}
