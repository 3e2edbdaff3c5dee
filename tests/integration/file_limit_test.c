/* file_limit_test.c – under a limit of file size (ulimit -f) a write that is too long is an error
 * with a word, and not SIGXFSZ.
 *
 * The limit counts files in memory, too: that of the recordings, which a cluster shares. */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/harness.h"
#include "tests/support/program.h"
#include "tests/support/temporary.h"

/* In the process that becomes the program, which begins with what a shell would leave it, in a
 * folder of its own: a report that cannot be written is an empty file. */
static void allow_no_file(void *folder)
{
    const struct rlimit none = {0, 0};
    if (chdir(folder) != 0)
        _exit(125);
    signal(SIGXFSZ, SIG_DFL);
    if (setrlimit(RLIMIT_FSIZE, &none) != 0)
        _exit(126);
}

#define START(folder, ...) program_start_prepared(allow_no_file, folder, -1, __VA_ARGS__, NULL)

static unsigned await_observer(struct program *program)
{
    assert_true(program_await(program, "observing"));
    const char *url = strstr(program->line, "\"url\":\"http://");
    assert_non_null(url);
    return (unsigned)strtoul(strchr(url + 14, ':') + 1, NULL, 10);
}

/* By an address, because the observer does not answer for a name that it does not know. */
static void check_served(unsigned port, const char *target)
{
    int peer = peer_connect(port);
    assert_true(dprintf(peer, "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", target) > 0);
    const char *answer = peer_answer(peer);
    assert_non_null(answer);
    assert_memory_equal(answer, "HTTP/1.1 200", 12);
    close(peer);
}

/* Its memory is nobody else's, so it need not be a file: it is observed as ever. */
static void test_a_server_alone_misses_nothing(void **state)
{
    struct program program = START(*state, "--processes=1", "--workers=1");
    assert_true(program_await(&program, "listening"));
    unsigned observer = await_observer(&program);
    check_served(program.port, "/fast");
    check_served(program.port, "/heavy?ms=1&offload=process");
    check_served(observer, "/healthz");
    signal_one(program.pid, SIGUSR2);
    assert_true(program_await(&program, "report_failed"));
    assert_non_null(strstr(program.line, "File too large"));
    check_served(program.port, "/fast");
    program_stop(&program);
}

static void check_cluster(struct program program)
{
    assert_true(program_await(&program, "unobserved"));
    assert_non_null(strstr(program.line, "(ulimit -f)"));
    assert_true(program_await(&program, "listening"));
    for (int i = 0; i < 4; i++)
        check_served(program.port, "/fast");
    check_served(program.port, "/heavy?ms=1&offload=process");
    signal_one(program.pid, SIGHUP); /* new members are told the same */
    assert_true(program_await(&program, "restarted"));
    check_served(program.port, "/fast");
    program_stop(&program);
}

static void test_a_cluster_serves_unobserved(void **state)
{
    check_cluster(START(*state, "--cluster=2", "--cluster-sched=rr", "--processes=1"));
    check_cluster(
        START(*state, "--cluster=2", "--cluster-sched=none", "--processes=1", "--shed-lag=60000"));
}

/* ------------------------------------------------------------------ what is printed to a file */

static int run_into(char *folder, const char *path, const char *name)
{
    int status;
    fflush(stdout);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        allow_no_file(folder);
        dup2(open("out", O_WRONLY | O_CREAT | O_TRUNC, 0600), STDOUT_FILENO);
        execl(path, name, "--help", NULL);
        _exit(127);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void test_programs_end_with_an_error(void **state)
{
    static const char *const names[] = {"offloop", "offloop-kernel", "offloop-probe"};
    char path[4096 + 32];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        program_path(path, sizeof path - 32);
        snprintf(strrchr(path, '/') + 1, 32, "%s", names[i]);
        assert_int_equal(run_into(*state, path, names[i]), 1);
    }
}

static int open_folder(void **state)
{
    static char folder[128];
    temporary_folder(folder, sizeof folder);
    *state = folder;
    return 0;
}

static int remove_folder(void **state)
{
    temporary_folder_remove(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_server_alone_misses_nothing),
        cmocka_unit_test(test_a_cluster_serves_unobserved),
        cmocka_unit_test(test_programs_end_with_an_error),
    };
    harness_prepare_process();
    return cmocka_run_group_tests_name("file_limit", tests, open_folder, remove_folder);
}
