/* inherited_test.c – what a starter may do to a program before it begins: close its standard
 * streams, block signals, ignore them. Nothing of that may be noticed. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/harness.h"
#include "tests/support/program.h"

enum { STREAMS = 8, PIDS_MAX = 64 };

#define A_JOB_FOR_A_CHILD "/heavy?kernel=sleep&n=1&offload=process"

/* A program with a closed stderr says nowhere which port it has; so it is given one. */
static int listen_anywhere(unsigned *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t length = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(listener, 100), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &length), 0);
    *port = ntohs(address.sin_port);
    return listener;
}

/* ------------------------------------------------------------------ closed streams */

static void close_streams(void *data)
{
    const unsigned *set = data;
    for (int fd = 0; fd < 3; fd++) {
        if ((*set >> fd & 1) != 0)
            close(fd);
    }
}

static void check_closed(unsigned set, char *cluster)
{
    unsigned port;
    int listener = listen_anywhere(&port);
    struct program program = program_start_prepared(close_streams, &set, listener, "--processes=1",
                                                    "--workers=1", "--observer=0", cluster, NULL);
    close(listener);
    assert_non_null(strstr(peer_ask_once(port, A_JOB_FOR_A_CHILD), "slept_ms"));
    signal_one(program.pid, SIGTERM);
    assert_int_equal(program_end(&program), 0);
}

static void test_closed_streams(void **state)
{
    (void)state;
    for (unsigned set = 1; set < STREAMS; set++)
        check_closed(set, NULL);
}

static void test_closed_streams_of_a_cluster(void **state)
{
    (void)state;
    for (unsigned set = 1; set < STREAMS; set++)
        check_closed(set, (char[]){"--cluster=2"});
}

/* ------------------------------------------------------------------ signals */

static void block_and_ignore_all(void *data)
{
    sigset_t all;
    (void)data;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    for (int number = 1; number < 32; number++) {
        if (number != SIGKILL && number != SIGSTOP)
            signal(number, SIG_IGN);
    }
}

static void kill_leaves(pid_t pid, unsigned expected)
{
    pid_t pids[PIDS_MAX];
    unsigned count = program_descendants(pid, pids, PIDS_MAX);
    assert_int_equal(count, expected);
    signal_one(pids[count - 1], SIGKILL);
}

/* A job that was given to a child in the moment of its death is lost, and is answered. */
static void ask_until_it_works(const struct program *program)
{
    const char *answer;
    do {
        int peer = peer_connect(program->port);
        peer_get(peer, A_JOB_FOR_A_CHILD);
        answer = peer_answer(peer);
        assert_non_null(answer);
        close(peer);
    } while (strstr(answer, "slept_ms") == NULL);
}

/* A child that has died is noticed, if SIGCHLD is heard; the end comes, if SIGTERM is. */
static void check_deaf_starter(char *cluster, unsigned processes)
{
    struct program program =
        program_start_prepared(block_and_ignore_all, NULL, -1, "--offload=process", "--processes=1",
                               "--observer=off", cluster, NULL);
    assert_true(program_await(&program, "listening"));
    (void)peer_ask_once(program.port, A_JOB_FOR_A_CHILD);
    kill_leaves(program.pid, processes);
    ask_until_it_works(&program);
    program_stop(&program);
}

static void test_blocked_and_ignored_signals(void **state)
{
    (void)state;
    check_deaf_starter(NULL, 1);
}

static void test_blocked_and_ignored_signals_of_a_cluster(void **state)
{
    (void)state;
    check_deaf_starter((char[]){"--cluster=1"}, 2);
}

static pid_t start_deaf(const char *path, char **arguments)
{
    int ends[2];
    char nothing;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    pid_t pid = fork();
    if (pid == 0) {
        block_and_ignore_all(NULL);
        execv(path, arguments);
        _exit(127);
    }
    close(ends[1]);
    assert_int_equal(read(ends[0], &nothing, 1), 0); /* it has become the program */
    close(ends[0]);
    return pid;
}

/* SIGTERM ends it, also if that comes before its main does. */
static void test_a_tool_hears_what_ends_it(void **state)
{
    char path[4096];
    char *arguments[] = {path, (char[]){"sleep"}, (char[]){"--n=60000"}, NULL};
    int status;
    (void)state;
    harness_kernel_program(path, sizeof path);
    pid_t pid = start_deaf(path, arguments);
    signal_one(pid, SIGTERM);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_closed_streams),
        cmocka_unit_test(test_closed_streams_of_a_cluster),
        cmocka_unit_test(test_blocked_and_ignored_signals),
        cmocka_unit_test(test_blocked_and_ignored_signals_of_a_cluster),
        cmocka_unit_test(test_a_tool_hears_what_ends_it),
    };
    harness_prepare_process();
    return cmocka_run_group_tests_name("inherited", tests, NULL, NULL);
}
