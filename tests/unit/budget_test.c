/* budget_test.c – shares of descriptors under every limit, and what is said of them. */
#include "server/budget.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "server/log.h"

enum { OPTIONS = 6, LEAST = 64, ALL = 1 << 20 };

static struct options options_of(int count, ...)
{
    struct options options;
    char error[300] = "", *arguments[OPTIONS + 2] = {(char[]){"offloop"}};
    va_list list;
    va_start(list, count);
    for (int i = 1; i <= count; i++)
        arguments[i] = va_arg(list, char *);
    va_end(list);
    if (options_parse(&options, count + 1, arguments, error, sizeof error) != OPTIONS_RUN)
        fail_msg("%s", error);
    return options;
}

/* What a server of two cores has by default. */
#define COMMON "--workers=2", "--processes=2"

/* ------------------------------------------------------------------ shares */

static void check_shares(unsigned limit, const struct options *options, bool is_parent)
{
    struct budget shares = budget_shares(limit, options, is_parent);
    bool observes = options->observer != OBSERVER_OFF && (options->cluster == 0 || is_parent);
    unsigned clients = shares.connections + shares.refused;
    if (observes)
        clients += shares.observer + shares.observer_refused;
    assert_true(shares.connections > 0 && shares.refused > 0);
    assert_true(shares.observer > 0 && shares.observer_refused > 0);
    assert_true(shares.connections <= options->max_connections);
    if (clients >= limit) /* some are for the process itself */
        fail_msg("of %u descriptors %u are for clients", limit, clients);
}

static void test_shares_are_never_more_than_there_is(void **state)
{
    const struct options all[] = {
        options_of(2, COMMON),
        options_of(2, "--workers=1000", "--processes=256"),
        options_of(2, "--worker-per-request", "--database-connections=1000"),
        options_of(3, COMMON, "--observer=off"),
        options_of(3, COMMON, "--max-connections=1"),
        options_of(3, COMMON, "--cluster=4"),
    };
    (void)state;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        for (unsigned limit = LEAST; limit <= ALL; limit += 1 + limit / 16)
            check_shares(limit, &all[i], false);
    }
    for (unsigned limit = LEAST; limit <= ALL; limit += 1 + limit / 16)
        check_shares(limit, &all[5], true);
}

/* Half of a login's 256 and three quarters of its 1024 go to clients of the server. */
static void test_most_is_for_the_server(void **state)
{
    const struct options options = options_of(2, COMMON);
    (void)state;
    assert_in_range(budget_shares(256, &options, false).connections, 128, 220);
    assert_in_range(budget_shares(256, &options, false).observer, 16, 32);
    assert_in_range(budget_shares(1024, &options, false).connections, 768, 960);
    assert_int_equal(budget_shares(ALL, &options, false).connections, options.max_connections);
    assert_int_equal(budget_shares(0, &options, false).connections, 1);
}

/* ------------------------------------------------------------------ fitting in */

static void test_what_fits_stays_as_it_was(void **state)
{
    const struct options asked = options_of(3, COMMON, "--max-connections=100");
    struct options fitting = asked;
    (void)state;
    budget_fit(&fitting, 1024);
    assert_memory_equal(&fitting, &asked, sizeof asked);
}

/* Lanes get no more than a quarter of it all. */
static void test_lanes_become_fewer(void **state)
{
    const struct options asked =
        options_of(3, "--workers=64", "--processes=64", "--database-connections=64");
    (void)state;
    for (unsigned limit = 1; limit < 4096; limit += 7) {
        struct options fitting = asked;
        budget_fit(&fitting, limit);
        unsigned used =
            2 * fitting.database_connections + 5 * fitting.workers + 2 * fitting.processes;
        assert_true(fitting.workers > 0 && fitting.processes > 0);
        assert_true(fitting.database_connections > 0 && fitting.max_connections > 0);
        assert_true(used <= limit / 4 || limit < 4 * (8 + 2 + 5 + 2 + 8));
        assert_true(limit < 2400 || fitting.workers == 64);
    }
}

/* ------------------------------------------------------------------ what is said */

/* The line, without its end; empty if there is none. */
static const char *said(const struct options *asked, unsigned limit)
{
    static char text[1024];
    struct options fitting = *asked;
    int ends[2], saved = dup(STDERR_FILENO);
    assert_int_equal(pipe(ends), 0);
    assert_true(dup2(ends[1], STDERR_FILENO) >= 0);
    close(ends[1]);
    budget_fit(&fitting, limit);
    budget_tell(asked, &fitting, limit);
    log_flush();
    dup2(saved, STDERR_FILENO);
    close(saved);
    ssize_t got = read(ends[0], text, sizeof text - 1);
    assert_true(got >= 0);
    text[got] = '\0';
    close(ends[0]);
    return text;
}

static void check_said(const struct options *asked, unsigned limit, const char *level,
                       const char *sentence)
{
    const char *text = said(asked, limit);
    char wanted[40];
    snprintf(wanted, sizeof wanted, "\"level\":\"%s\"", level);
    if (strstr(text, wanted) == NULL || strstr(text, sentence) == NULL)
        fail_msg("not %s: %s: %s", level, sentence, text);
}

/* The default is no wish: a word is said where it may matter, and it is no warning. */
static void test_who_asked_for_nothing_is_not_warned(void **state)
{
    const struct options options = options_of(2, COMMON);
    (void)state;
    check_said(&options, 1024, "info",
               "a process may have 1024 descriptors here (ulimit -n): at most 806 connections\"");
    assert_string_equal(said(&options, 20000), "");
    assert_string_equal(said(&options, ALL), "");
}

static void test_who_asked_for_more_is_told(void **state)
{
    const struct options options = options_of(3, COMMON, "--max-connections=60000");
    const struct options lanes = options_of(2, "--processes=64", "--workers=1");
    const struct options few = options_of(3, COMMON, "--max-connections=100");
    const struct options members = options_of(3, COMMON, "--cluster=3");
    (void)state;
    check_said(&options, 20000, "warning", "connections instead of 60000\"");
    check_said(&lanes, 110, "warning", "child processes instead of 64\"");
    check_said(&lanes, 110, "warning", "\"processes\":");
    check_said(&members, 256, "info", "connections in each member\"");
    assert_string_equal(said(&few, 1024), "");
}

/* ------------------------------------------------------------------ the limit */

static void test_the_soft_limit_is_raised(void **state)
{
    struct rlimit before, low;
    (void)state;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    low = before;
    low.rlim_cur = 64;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    assert_int_equal(budget_limit(), 64);
    assert_true(budget_raise_limit() >= 64);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &low), 0);
    assert_int_equal(low.rlim_cur, before.rlim_max);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shares_are_never_more_than_there_is),
        cmocka_unit_test(test_most_is_for_the_server),
        cmocka_unit_test(test_what_fits_stays_as_it_was),
        cmocka_unit_test(test_lanes_become_fewer),
        cmocka_unit_test(test_who_asked_for_nothing_is_not_warned),
        cmocka_unit_test(test_who_asked_for_more_is_told),
        cmocka_unit_test(test_the_soft_limit_is_raised),
    };
    return cmocka_run_group_tests_name("budget", tests, NULL, NULL);
}
