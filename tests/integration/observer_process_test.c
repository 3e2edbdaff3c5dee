/* observer_process_test.c – the observer of a server that is a program: what it logs, how it ends,
 * and the report that SIGUSR2 asks for, also while the loop is frozen. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/harness.h"
#include "tests/support/program.h"
#include "tests/support/temporary.h"
#include "tests/support/visitor.h"

static unsigned observer_port_of(struct program *program)
{
    static const char words[] = "\"url\":\"http://127.0.0.1:";
    assert_true(program_await(program, "observing"));
    const char *url = strstr(program->line, words);
    assert_non_null(url);
    return (unsigned)atoi(url + strlen(words));
}

/* Reads the next line that is not about a loop that was held: on a busy machine it may be. Returns
 * false at the end. */
static bool next_line(struct program *program)
{
    while (fgets(program->line, sizeof program->line, program->log) != NULL) {
        if (strstr(program->line, "\"event\":\"loop_") == NULL)
            return true;
    }
    return false;
}

static void test_it_says_where(void **state)
{
    struct program program = program_start(-1, "--observer=0", NULL);
    struct visitor visitor;
    (void)state;
    assert_true(program_await(&program, "listening"));
    unsigned port = observer_port_of(&program);
    assert_true(port != program.port);
    visitor_open(&visitor, port);
    assert_int_equal(visitor_ask(&visitor, "/healthz")->status, 200);
    visitor_close(&visitor);
    program_stop(&program);
}

static void test_a_port_that_is_taken_is_one_line_and_status_1(void **state)
{
    struct program one = program_start(-1, "--observer=0", NULL);
    char option[64];
    (void)state;
    snprintf(option, sizeof option, "--observer=%u", observer_port_of(&one));
    struct program two = program_start(-1, option, NULL);
    assert_true(next_line(&two));
    assert_non_null(strstr(two.line, "\"event\":\"observer_failed\""));
    assert_non_null(strstr(two.line, "address already in use"));
    assert_non_null(strstr(two.line, strchr(option, '=') + 1));
    assert_false(next_line(&two));
    assert_int_equal(program_end(&two), 1);
    program_stop(&one);
}

static void test_off_says_nothing(void **state)
{
    struct program program = program_start(-1, "--observer=off", NULL);
    (void)state;
    assert_true(program_await(&program, "listening"));
    signal_one(program.pid, SIGTERM);
    while (fgets(program.line, sizeof program.line, program.log) != NULL)
        assert_null(strstr(program.line, "observing"));
    assert_int_equal(program_end(&program), 0);
}

/* ------------------------------------------------------------------ SIGUSR2 */

/* Reads a file that somebody is about to write, as soon as it ends with a lane. */
static void await_report(const char *name, char *text, size_t size)
{
    size_t length = 0;
    text[0] = '\0';
    while (strstr(text, "; now: ") == NULL) {
        FILE *file = fopen(name, "re");
        if (file == NULL)
            continue;
        length = fread(text, 1, size - 1, file);
        text[length] = '\0';
        fclose(file);
    }
}

static void report_name(char *name, size_t size, const struct program *program, unsigned number)
{
    snprintf(name, size, "offloop-report-%d-%u.txt", (int)program->pid, number);
}

static void await_block(unsigned port)
{
    struct visitor visitor;
    visitor_open(&visitor, port);
    while (visitor_ask(&visitor, "/healthz")->status != 503)
        continue;
    visitor_close(&visitor);
}

/* The loop sleeps in a kernel, longer than this test lasts. */
static void check_reports(struct program *program)
{
    char name[64], text[16384];
    struct visitor visitor;
    assert_true(program_await(program, "listening"));
    unsigned observer_port = observer_port_of(program);
    report_name(name, sizeof name, program, 1);
    FILE *other = fopen(name, "we"); /* of a server before, with the same pid */
    assert_non_null(other);
    fputs("keep me", other);
    fclose(other);
    visitor_open(&visitor, program->port);
    visitor_get(&visitor, "/heavy?kernel=sleep&n=60000&offload=none", "");
    await_block(observer_port);
    signal_one(program->pid, SIGUSR2);
    report_name(name, sizeof name, program, 2);
    await_report(name, text, sizeof text);
    assert_non_null(strstr(text, "BLOCKED for "));
    assert_non_null(strstr(text, "by GET /heavy (sleep n=60000)"));
    assert_non_null(strstr(text, "is blocked"));
    assert_true(program_await(program, "reported"));
    assert_non_null(strstr(program->line, "\"message\":\"SIGUSR2: a report is in /"));
    assert_non_null(strstr(program->line, name));
    visitor_close(&visitor);
    report_name(name, sizeof name, program, 1);
    other = fopen(name, "re");
    assert_non_null(fgets(text, sizeof text, other));
    assert_string_equal(text, "keep me");
    fclose(other);
}

static void test_a_report_while_the_loop_is_frozen(void **state)
{
    char folder[200], before[4096];
    (void)state;
    temporary_folder(folder, sizeof folder);
    assert_non_null(getcwd(before, sizeof before));
    assert_int_equal(chdir(folder), 0);
    struct program program =
        program_start(-1, "--observer=0", "--offload=none", "--blocked-after=300", NULL);
    check_reports(&program);
    signal_one(program.pid, SIGKILL); /* its loop would hear of nothing else */
    assert_int_equal(program_end(&program), 128 + SIGKILL);
    assert_int_equal(chdir(before), 0);
    temporary_folder_remove(folder);
}

/* A folder that cannot be written to: it is said, and the server goes on. */
static void test_a_report_that_cannot_be_written(void **state)
{
    char before[4096];
    (void)state;
    assert_non_null(getcwd(before, sizeof before));
    assert_int_equal(chdir("/proc"), 0);
    struct program program = program_start(-1, "--observer=0", NULL);
    (void)observer_port_of(&program);
    signal_one(program.pid, SIGUSR2);
    assert_true(program_await(&program, "report_failed"));
    assert_non_null(strstr(program.line, "\"message\":\"cannot write offloop-report-"));
    program_stop(&program);
    assert_int_equal(chdir(before), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_it_says_where),
        cmocka_unit_test(test_a_port_that_is_taken_is_one_line_and_status_1),
        cmocka_unit_test(test_off_says_nothing),
        cmocka_unit_test(test_a_report_while_the_loop_is_frozen),
        cmocka_unit_test(test_a_report_that_cannot_be_written),
    };
    harness_prepare_process();
    return cmocka_run_group_tests_name("observer_process", tests, NULL, NULL);
}
