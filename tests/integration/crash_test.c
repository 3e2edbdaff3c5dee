/* crash_test.c – what a bad pointer takes with it: the whole server, or one job of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "server/offload/offload.h"
#include "tests/support/harness.h"
#include "tests/support/program.h"

enum { DIED_OF_SIGSEGV = 128 + 11 };

#define LOST "the job was lost: the child process died of signal 11 (Segmentation fault)"

static struct program start(const char *option)
{
    struct program program =
        program_start(-1, "--allow-crash", "--processes=1", "--workers=1", option, NULL);
    assert_true(program_await(&program, "listening"));
    return program;
}

static void check_death(const char *strategy, const char *option)
{
    struct program program = start(option);
    char target[100];
    snprintf(target, sizeof target, "/heavy?kernel=crash&offload=%s", strategy);
    int peer = peer_connect(program.port);
    peer_get(peer, target);
    assert_null(peer_answer(peer));
    close(peer);
    assert_int_equal(program_end(&program), DIED_OF_SIGSEGV);
}

static void test_on_a_thread_it_takes_the_server_down(void **state)
{
    (void)state;
    for (size_t i = 0; strategy_at(i) != NULL; i++) {
        if (strcmp(strategy_name(strategy_at(i)), "process") != 0)
            check_death(strategy_name(strategy_at(i)), NULL);
    }
    check_death("worker", "--worker-per-request");
}

/* However it is asked for: alone, with a size, or with a time, of which a crash takes none. */
static void test_in_a_child_it_costs_one_job(void **state)
{
    static const char *const targets[] = {"/heavy?kernel=crash", "/heavy?kernel=crash&n=1",
                                          "/heavy?kernel=crash&ms=100"};
    struct harness harness;
    char program[500];
    (void)state;
    harness_kernel_program(program, sizeof program);
    struct app *app = harness_with(&harness, "--allow-crash", "--offload=process", "--processes=1",
                                   "--kernel-program", program, NULL);
    struct client *behind[3];
    for (int i = 0; i < 3; i++) {
        struct client *crash = harness_client(&harness, app);
        client_get(crash, targets[i]);
        client_get(behind[i] = harness_client(&harness, app), "/heavy?kernel=primes&n=1000");
        const struct answer *answer = client_await(crash, 1);
        assert_problem(answer, 502, LOST, NULL);
        assert_string_equal(answer_field(answer, "Cache-Control"), "no-store");
    }
    for (int i = 0; i < 3; i++)
        assert_int_equal(client_await(behind[i], 1)->status, 200);
    assert_int_equal((int)harness_health(&harness, app, "jobs/process/lost"), 3);
    assert_int_equal((int)harness_health(&harness, app, "jobs/process/succeeded"), 3);
    harness_close(&harness);
}

/* Which of two would run? Neither, and least of all the one that takes the server down. */
static void test_a_crash_that_is_named_beside_another(void **state)
{
    struct harness harness;
    (void)state;
    struct app *app = harness_with(&harness, "--allow-crash", "--offload=worker", NULL);
    const char *targets[] = {"/heavy?kernel=crash&kernel=primes",
                             "/heavy?kernel=primes&kernel=crash"};
    for (int i = 0; i < 2; i++)
        assert_problem(harness_get(&harness, app, targets[i]), 400,
                       "kernel is given more than once", NULL);
    assert_int_equal(harness_get(&harness, app, "/heavy?n=100")->status, 200);
    harness_close(&harness);
}

static void test_nobody_meets_it_who_did_not_ask_for_it(void **state)
{
    struct harness harness;
    (void)state;
    struct app *app = harness_with(&harness, NULL);
    const struct answer *answer = harness_get(&harness, app, "/heavy?kernel=crash");
    assert_problem(answer, 400, "kernel must be one of primes, ", NULL);
    assert_null(strstr(answer->body, "sleep, crash"));
    harness_close(&harness);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_on_a_thread_it_takes_the_server_down),
        cmocka_unit_test(test_in_a_child_it_costs_one_job),
        cmocka_unit_test(test_a_crash_that_is_named_beside_another),
        cmocka_unit_test(test_nobody_meets_it_who_did_not_ask_for_it),
    };
    harness_prepare_process();
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0}); /* for the programs that this one starts */
    return cmocka_run_group_tests_name("crash", tests, NULL, NULL);
}
