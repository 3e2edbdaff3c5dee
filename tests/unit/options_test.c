/* options_test.c – the command line, the environment, the defaults, and what is said of mistakes.
 */
#include "server/options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "server/offload/offload.h"

enum { ARGUMENTS_MAX = 16 };

struct outcome {
    enum options_verdict verdict;
    struct options options;
    char error[300];
};

/* Parses "offloop" and these arguments, ended by NULL. */
static struct outcome parse(const char *first, ...)
{
    static char copies[ARGUMENTS_MAX][128];
    char *arguments[ARGUMENTS_MAX] = {strcpy(copies[0], "offloop")};
    struct outcome outcome = {.error = ""};
    int count = 1;
    va_list list;
    va_start(list, first);
    for (const char *word = first; word != NULL; word = va_arg(list, const char *), count++) {
        assert_true(count < ARGUMENTS_MAX - 1 && strlen(word) < sizeof copies[0]);
        arguments[count] = strcpy(copies[count], word);
    }
    va_end(list);
    outcome.verdict =
        options_parse(&outcome.options, count, arguments, outcome.error, sizeof outcome.error);
    return outcome;
}

static void assert_wrong(const struct outcome *outcome, const char *sentence)
{
    assert_int_equal(outcome->verdict, OPTIONS_WRONG);
    assert_string_equal(outcome->error, sentence);
}

static int clear_environment(void **state)
{
    (void)state;
    unsetenv("PORT");
    unsetenv("HOST");
    unsetenv("UV_THREADPOOL_SIZE");
    return 0;
}

/* ------------------------------------------------------------------ values */

static void test_defaults(void **state)
{
    struct outcome outcome = parse(NULL);
    const struct options *options = &outcome.options;
    (void)state;
    assert_int_equal(outcome.verdict, OPTIONS_RUN);
    assert_string_equal(options->host, "127.0.0.1");
    assert_int_equal(options->port, 8080);
    assert_string_equal(options->offload, "none");
    assert_string_equal(options->slow_io, "sqlite");
    assert_int_equal(options->threadpool_size, 4);
    assert_true(options->workers >= 1);
    assert_false(options->worker_per_request);
    assert_null(options->database);
    assert_int_equal(options->cluster, 0);
    assert_string_equal(options->cluster_sched, "rr"); /* Node's, too */
    assert_int_equal(options->max_header_size, 16384); /* these are Node's */
    assert_int_equal(options->headers_timeout, 60000);
    assert_int_equal(options->request_timeout, 300000);
    assert_int_equal(options->keep_alive_timeout, 5000);
    assert_int_equal(options->max_requests_per_socket, 0);
}

static void test_every_way_to_give_a_value(void **state)
{
    (void)state;
    assert_int_equal(parse("--port=1234", NULL).options.port, 1234);
    assert_int_equal(parse("--port", "1234", NULL).options.port, 1234);
    assert_int_equal(parse("-p", "1234", NULL).options.port, 1234);
    assert_int_equal(parse("-p1234", NULL).options.port, 1234);
    assert_string_equal(parse("-o", "worker", NULL).options.offload, "worker");
    assert_string_equal(parse("--slow-io=timer", NULL).options.slow_io, "timer");
    assert_string_equal(parse("--database=a/b.db", NULL).options.database, "a/b.db");
    assert_string_equal(parse("-H", "::1", NULL).options.host, "::1");
    assert_true(parse("--worker-per-request", NULL).options.worker_per_request);
    assert_int_equal(parse("--port=1", "--port=2", NULL).options.port, 2); /* the last wins */
}

static void test_the_environment_wins_over_the_default(void **state)
{
    (void)state;
    setenv("PORT", "9000", 1);
    setenv("HOST", "0.0.0.0", 1);
    setenv("UV_THREADPOOL_SIZE", "8", 1);
    struct outcome outcome = parse(NULL);
    assert_int_equal(outcome.options.port, 9000);
    assert_string_equal(outcome.options.host, "0.0.0.0");
    assert_int_equal(outcome.options.threadpool_size, 8);
    setenv("PORT", "", 1); /* as good as none */
    assert_int_equal(parse(NULL).options.port, 8080);
}

static void test_the_command_line_wins_over_the_environment(void **state)
{
    (void)state;
    setenv("PORT", "9000", 1);
    setenv("UV_THREADPOOL_SIZE", "8", 1);
    struct outcome outcome = parse("--port=1", "--threadpool-size=2", NULL);
    assert_int_equal(outcome.options.port, 1);
    assert_int_equal(outcome.options.threadpool_size, 2);
}

static void test_a_wrong_environment_matters_only_where_it_is_used(void **state)
{
    (void)state;
    setenv("PORT", "http", 1);
    struct outcome outcome = parse(NULL);
    assert_wrong(&outcome, "PORT must be an integer from 0 to 65535; got \"http\"");
    outcome = parse("--port=1", NULL);
    assert_int_equal(outcome.verdict, OPTIONS_RUN);
    assert_int_equal(outcome.options.port, 1);
    assert_int_equal(parse("--help", NULL).verdict, OPTIONS_HELP);
}

/* ------------------------------------------------------------------ the observer's */

static void test_the_observer_is_a_port_or_a_word(void **state)
{
    (void)state;
    assert_int_equal(parse(NULL).options.observer, OBSERVER_NEXT);
    assert_int_equal(parse("--observer=next", NULL).options.observer, OBSERVER_NEXT);
    assert_int_equal(parse("--observer=off", NULL).options.observer, OBSERVER_OFF);
    assert_int_equal(parse("--observer", "0", NULL).options.observer, 0);
    assert_int_equal(parse("--observer=65535", NULL).options.observer, 65535);
    assert_string_equal(parse(NULL).options.observer_host, "127.0.0.1");
    assert_string_equal(parse("--observer-host=::1", NULL).options.observer_host, "::1");
    assert_int_equal(parse(NULL).options.blocked_after, 500);
    assert_int_equal(parse("--blocked-after=1", NULL).options.blocked_after, 1);
}

static void test_the_observer_is_nothing_else(void **state)
{
    static const char *const words[] = {"on", "offf", "", "-1", "nextt"};
    (void)state;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        char option[64], sentence[200];
        snprintf(option, sizeof option, "--observer=%s", words[i]);
        snprintf(sentence, sizeof sentence,
                 "--observer must be one of off, next, a port; got \"%s\"", words[i]);
        struct outcome outcome = parse(option, NULL);
        assert_wrong(&outcome, sentence);
    }
    struct outcome outcome = parse("--observer=65536", NULL);
    assert_wrong(&outcome, "--observer must be an integer from 0 to 65535; got \"65536\"");
    outcome = parse("--observer=80x", NULL);
    assert_wrong(&outcome, "--observer must be an integer from 0 to 65535; got \"80x\"");
    outcome = parse("--blocked-after=0", NULL);
    assert_wrong(&outcome, "--blocked-after must be an integer from 1 to 86400000; got \"0\"");
}

/* ------------------------------------------------------------------ what is set, and by what */

static void assert_setting(const struct options *options, const char *name, const char *value,
                           const char *origin)
{
    struct option_setting setting;
    for (size_t i = 0; options_setting(options, i, &setting); i++) {
        if (strcmp(setting.name, name) != 0)
            continue;
        assert_string_equal(setting.value, value);
        assert_string_equal(setting.origin, origin);
        assert_true(strlen(setting.help) > 5);
        return;
    }
    fail_msg("there is no setting %s", name);
}

static void test_every_kind_of_setting(void **state)
{
    (void)state;
    setenv("PORT", "9000", 1);
    setenv("UV_THREADPOOL_SIZE", "8", 1);
    struct outcome outcome = parse("--threadpool-size=2", "-o", "worker", "--worker-per-request",
                                   "--observer=off", NULL);
    const struct options *options = &outcome.options;
    assert_setting(options, "host", "127.0.0.1", "default");
    assert_setting(options, "port", "9000", "environment");
    assert_setting(options, "threadpool-size", "2", "command line");
    assert_setting(options, "offload", "worker", "command line");
    assert_setting(options, "slow-io", "sqlite", "default");
    assert_setting(options, "worker-per-request", "true", "command line");
    assert_setting(options, "reuse-port", "false", "default");
    assert_setting(options, "database", "", "default");
    assert_setting(options, "observer", "off", "command line");
    outcome = parse("--observer=8099", NULL);
    assert_setting(&outcome.options, "observer", "8099", "command line");
    outcome = parse(NULL);
    assert_setting(&outcome.options, "observer", "next", "default");
}

static void test_all_settings_are_told(void **state)
{
    struct outcome outcome = parse(NULL);
    struct option_setting setting;
    char *help = options_help();
    size_t count = 0;
    (void)state;
    assert_non_null(help);
    for (; options_setting(&outcome.options, count, &setting); count++) {
        char words[80];
        snprintf(words, sizeof words, "--%s", setting.name);
        assert_non_null(strstr(help, words));
        assert_string_equal(setting.origin, "default");
    }
    assert_true(count > 25);
    assert_false(options_setting(&outcome.options, count + 1, &setting));
    free(help);
}

/* What is too long to be shown is cut, and ends. */
static void test_a_long_setting_is_cut(void **state)
{
    struct options options = {.host = NULL};
    char host[2 * OPTION_VALUE_BYTES];
    struct option_setting setting;
    (void)state;
    memset(host, 'h', sizeof host - 1);
    host[sizeof host - 1] = '\0';
    options.host = host;
    assert_true(options_setting(&options, 0, &setting));
    assert_string_equal(setting.name, "host");
    assert_int_equal(strlen(setting.value), OPTION_VALUE_BYTES - 1);
}

/* ------------------------------------------------------------------ mistakes */

static void test_numbers_have_bounds(void **state)
{
    (void)state;
    struct outcome outcome = parse("--port=65536", NULL);
    assert_wrong(&outcome, "--port must be an integer from 0 to 65535; got \"65536\"");
    outcome = parse("-p", "-1", NULL);
    assert_wrong(&outcome, "--port must be an integer from 0 to 65535; got \"-1\"");
    outcome = parse("--workers=0", NULL);
    assert_wrong(&outcome, "--workers must be an integer from 1 to 1024; got \"0\"");
    outcome = parse("--max-queue=", NULL);
    assert_wrong(&outcome, "--max-queue must be an integer from 0 to 1000000; got \"\"");
    outcome = parse("--cluster=65", NULL);
    assert_wrong(&outcome, "--cluster must be an integer from 0 to 64; got \"65\"");
    assert_int_equal(parse("--cluster=64", NULL).options.cluster, 64);
    assert_int_equal(parse("--max-queue=0", NULL).options.max_queue, 0);
    assert_int_equal(parse("--max-queue=1000000", NULL).options.max_queue, 1000000);
}

static void test_names_have_choices(void **state)
{
    (void)state;
    char sentence[200];
    struct outcome outcome = parse("--offload=cloud", NULL);
    snprintf(sentence, sizeof sentence, "--offload must be one of %s; got \"cloud\"",
             strategy_names());
    assert_wrong(&outcome, sentence);
    outcome = parse("--cluster-sched=n", NULL);
    assert_wrong(&outcome, "--cluster-sched must be one of none, rr; got \"n\"");
    outcome = parse("--cluster-sched=none|rr", NULL);
    assert_wrong(&outcome, "--cluster-sched must be one of none, rr; got \"none|rr\"");
    outcome = parse("--cluster-sched=", NULL);
    assert_wrong(&outcome, "--cluster-sched must be one of none, rr; got \"\"");
    assert_string_equal(parse("--cluster-sched=none", NULL).options.cluster_sched, "none");
    assert_string_equal(parse("--cluster-sched", "rr", NULL).options.cluster_sched, "rr");
    outcome = parse("--slow-io=snail", NULL);
    assert_wrong(&outcome, "--slow-io must be one of sqlite, timer; got \"snail\"");
}

static void test_there_is_no_such_option(void **state)
{
    (void)state;
    struct outcome outcome = parse("--prot=1", NULL);
    assert_wrong(&outcome, "there is no option --prot=1");
    outcome = parse("-x", NULL);
    assert_wrong(&outcome, "there is no option -x");
    outcome = parse("-xyz", NULL);
    assert_wrong(&outcome, "there is no option -x");
    outcome = parse("--port=1", "-xh", NULL);
    assert_wrong(&outcome, "there is no option -x");
}

static void test_a_missing_argument(void **state)
{
    (void)state;
    struct outcome outcome = parse("--port", NULL);
    assert_wrong(&outcome, "--port needs an argument");
    outcome = parse("-p", NULL);
    assert_wrong(&outcome, "-p needs an argument");
}

static void test_an_argument_too_many(void **state)
{
    (void)state;
    struct outcome outcome = parse("--worker-per-request=yes", NULL);
    assert_wrong(&outcome, "--worker-per-request=yes: it takes no argument");
    outcome = parse("--help=me", NULL);
    assert_wrong(&outcome, "--help=me: it takes no argument");
    outcome = parse("serve", NULL);
    assert_wrong(&outcome, "serve is no option, and there are no other arguments");
    outcome = parse("--port=1", "--", "--port=2", NULL);
    assert_wrong(&outcome, "--port=2 is no option, and there are no other arguments");
}

/* ------------------------------------------------------------------ help */

static void test_help_and_version(void **state)
{
    (void)state;
    assert_int_equal(parse("--help", NULL).verdict, OPTIONS_HELP);
    assert_int_equal(parse("-h", NULL).verdict, OPTIONS_HELP);
    assert_int_equal(parse("--version", NULL).verdict, OPTIONS_VERSION);
    assert_int_equal(parse("-V", NULL).verdict, OPTIONS_VERSION);
}

static void test_the_help_names_what_there_is(void **state)
{
    static const char *const words[] = {
        "-p, --port=N",
        "(default: 8080) [PORT]",
        "--worker-per-request ",
        "--drain-timeout=MS",
        "none        on",
        "threadpool  on",
        "worker      on",
        "sqlite      a",
        "timer       a",
        "--cluster-sched=none|rr",
        "-h, --help",
        "-V, --version",
        "[UV_THREADPOOL_SIZE]",
    };
    (void)state;
    char *text = options_help();
    assert_non_null(text);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (strstr(text, words[i]) == NULL)
            fail_msg("there is no \"%s\" in the help", words[i]);
    }
    free(text);
}

#define CLEAN(test) cmocka_unit_test_setup_teardown(test, clear_environment, clear_environment)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CLEAN(test_defaults),
        CLEAN(test_every_way_to_give_a_value),
        CLEAN(test_the_environment_wins_over_the_default),
        CLEAN(test_the_command_line_wins_over_the_environment),
        CLEAN(test_a_wrong_environment_matters_only_where_it_is_used),
        CLEAN(test_the_observer_is_a_port_or_a_word),
        CLEAN(test_the_observer_is_nothing_else),
        CLEAN(test_every_kind_of_setting),
        CLEAN(test_all_settings_are_told),
        CLEAN(test_a_long_setting_is_cut),
        CLEAN(test_numbers_have_bounds),
        CLEAN(test_names_have_choices),
        CLEAN(test_there_is_no_such_option),
        CLEAN(test_a_missing_argument),
        CLEAN(test_an_argument_too_many),
        CLEAN(test_help_and_version),
        CLEAN(test_the_help_names_what_there_is),
    };
    return cmocka_run_group_tests_name("options", tests, NULL, NULL);
}
