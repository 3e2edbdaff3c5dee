/* warm_up_test.c – what a server begins before it says that it is ready, and what it leaves to the
 * first request. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/harness.h"
#include "tests/support/program.h"

static unsigned count_children(pid_t pid)
{
    char path[64];
    unsigned count = 0;
    int child;
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)pid, (int)pid);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    while (fscanf(file, "%d", &child) == 1)
        count++;
    fclose(file);
    return count;
}

static void test_its_own_lanes_are_there_when_it_listens(void **state)
{
    (void)state;
    struct program program = program_start(-1, "--offload=process", "--processes=3", NULL);
    assert_true(program_await(&program, "listening"));
    assert_int_equal(count_children(program.pid), 3);
    program_stop(&program);
}

static void test_others_begin_with_their_first_job(void **state)
{
    (void)state;
    struct program program = program_start(-1, "--offload=worker", "--processes=3", NULL);
    assert_true(program_await(&program, "listening"));
    assert_int_equal(count_children(program.pid), 0);
    peer_ask_once(program.port, "/heavy?n=1&offload=process");
    assert_int_equal(count_children(program.pid), 3);
    program_stop(&program);
}

/* It serves what does not need them, and tries again when somebody does. */
static void test_lanes_that_cannot_begin(void **state)
{
    (void)state;
    struct program program =
        program_start(-1, "--offload=process", "--kernel-program=/nonexistent/kernel", NULL);
    assert_true(program_await(&program, "no_lanes"));
    assert_non_null(
        strstr(program.line, "cannot run anything yet: /nonexistent/kernel: no such file"));
    assert_true(program_await(&program, "listening"));
    assert_non_null(strstr(peer_ask_once(program.port, "/fast"), " 200 OK\r\n"));
    int peer = peer_connect(program.port);
    peer_get(peer, "/heavy?n=1");
    const char *answer = peer_answer(peer);
    assert_non_null(answer);
    assert_non_null(strstr(answer, "No such file or directory"));
    close(peer);
    program_stop(&program);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_its_own_lanes_are_there_when_it_listens),
        cmocka_unit_test(test_others_begin_with_their_first_job),
        cmocka_unit_test(test_lanes_that_cannot_begin),
    };
    harness_prepare_process();
    return cmocka_run_group_tests_name("warm-up", tests, NULL, NULL);
}
