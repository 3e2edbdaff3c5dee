/* signals_for_all_test.c – signals that are sent to all processes of a service: who knows one acts
 * on it, and nobody else dies of it, at any moment of its life. And what SIGHUP means if it comes
 * from a terminal. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/harness.h"
#include "tests/support/program.h"
#include "tests/support/temporary.h"

enum { PIDS_MAX = 64, REQUESTS = 4 };

static const int for_all[] = {SIGHUP, SIGUSR1, SIGUSR2};
enum { FOR_ALL = sizeof for_all / sizeof *for_all };

/* One that has ended meanwhile is none of ours any more, but its number is not given anew so soon.
 */
static void signal_descendants(pid_t pid, int number)
{
    pid_t pids[PIDS_MAX];
    unsigned count = program_descendants(pid, pids, PIDS_MAX);
    for (unsigned i = 0; i < count; i++)
        assert_true(kill(pids[i], number) == 0 || errno == ESRCH);
}

/* ------------------------------------------------------------------ while it serves */

static void begin_requests(const struct program *program, int *peers)
{
    for (int i = 0; i < REQUESTS; i++) {
        peers[i] = peer_connect(program->port);
        peer_get(peers[i], "/heavy?kernel=sleep&n=300&offload=process");
    }
}

static void await_requests(int *peers)
{
    for (int i = 0; i < REQUESTS; i++) {
        const char *answer = peer_answer(peers[i]);
        assert_non_null(answer);
        assert_non_null(strstr(answer, "\"slept_ms\":300"));
        close(peers[i]);
    }
}

/* With 2 children each, the requests run in two rounds: the signals meet jobs that run, and jobs
 * that wait. */
static void check_survives(struct program program, unsigned expected)
{
    pid_t pids[PIDS_MAX];
    assert_true(program_await(&program, "listening"));
    for (int i = 0; i < FOR_ALL; i++) {
        int peers[REQUESTS];
        begin_requests(&program, peers);
        assert_true(program_descendants(program.pid, pids, PIDS_MAX) >= expected);
        signal_descendants(program.pid, for_all[i]);
        signal_one(program.pid, for_all[i]);
        await_requests(peers);
    }
    program_stop(&program);
}

static void test_a_server_without_an_observer(void **state)
{
    (void)state;
    check_survives(program_start(-1, "--offload=process", "--processes=2", "--observer=off", NULL),
                   2);
}

/* The reports that it writes go into a folder of their own. */
static void in_folder(void *folder)
{
    if (chdir(folder) != 0)
        _exit(127);
}

static void test_a_server_with_an_observer(void **state)
{
    char folder[200];
    (void)state;
    temporary_folder(folder, sizeof folder);
    check_survives(program_start_prepared(in_folder, folder, -1, "--offload=process",
                                          "--processes=2", "--observer=0", NULL),
                   2);
    temporary_folder_remove(folder);
}

static void test_a_cluster(void **state)
{
    char folder[200];
    (void)state;
    temporary_folder(folder, sizeof folder);
    check_survives(program_start_prepared(in_folder, folder, -1, "--cluster=2", "--offload=process",
                                          "--processes=2", "--observer=0", NULL),
                   6);
    temporary_folder_remove(folder);
}

/* ------------------------------------------------------------------ while it begins and ends */

/* Signals rain on whatever a cluster has started, from before the first member's main to the last
 * one's end. */
static void rain_on(pid_t target)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* it does not go on without its test */
    for (int i = 0;; i = (i + 1) % FOR_ALL)
        signal_descendants(target, for_all[i]);
}

static pid_t start_rain(pid_t target)
{
    pid_t rain = fork();
    assert_true(rain >= 0);
    if (rain == 0)
        rain_on(target);
    return rain;
}

static void stop_rain(pid_t rain)
{
    signal_one(rain, SIGKILL);
    assert_int_equal(waitpid(rain, NULL, 0), rain);
}

static void test_at_any_moment(void **state)
{
    (void)state;
    for (int round = 0; round < 3; round++) {
        struct program program =
            program_start(-1, "--cluster=3", "--offload=process", "--processes=2", "--observer=off",
                          "--slow-io=timer", NULL);
        pid_t rain = start_rain(program.pid);
        assert_true(program_await(&program, "listening"));
        for (int i = 0; i < 10; i++)
            (void)peer_ask_once(program.port, "/heavy?kernel=sleep&n=1");
        signal_one(program.pid, SIGTERM);
        assert_true(program_await(&program, "draining"));
        assert_int_equal(program_await_silence(&program), 1);
        assert_non_null(strstr(program.line, "\"event\":\"stopped\""));
        stop_rain(rain);
        assert_int_equal(program_end(&program), 0);
    }
}

/* ------------------------------------------------------------------ a terminal */

struct terminal {
    int master;
    bool nohup;
};

/* Leads a session that has this terminal. */
static void at_terminal(void *data)
{
    const struct terminal *terminal = data;
    int fd = open(ptsname(terminal->master), O_RDWR | O_NOCTTY);
    close(terminal->master);
    if (setsid() < 0 || ioctl(fd, TIOCSCTTY, 0) != 0)
        _exit(127);
    if (terminal->nohup)
        signal(SIGHUP, SIG_IGN);
}

static struct terminal terminal_open(void)
{
    struct terminal terminal = {.master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC)};
    if (terminal.master < 0 || grantpt(terminal.master) != 0 || unlockpt(terminal.master) != 0 ||
        access(ptsname(terminal.master), R_OK) != 0) {
        print_message("SKIPPED: no pseudo-terminal can be opened here\n");
        skip();
    }
    return terminal;
}

static void check_closed_terminal(char *cluster, const char *heard)
{
    struct terminal terminal = terminal_open();
    struct program program =
        program_start_prepared(at_terminal, &terminal, -1, "--observer=off", cluster, NULL);
    assert_true(program_await(&program, "listening"));
    signal_one(program.pid, SIGHUP); /* from somebody: the terminal is there */
    assert_true(program_await(&program, heard));
    (void)peer_ask_once(program.port, "/fast");
    close(terminal.master);
    assert_true(program_await(&program, "stopped"));
    assert_int_equal(program_end(&program), 0);
}

static void test_a_terminal_that_is_closed(void **state)
{
    (void)state;
    check_closed_terminal(NULL, "hangup");
}

static void test_a_terminal_that_is_closed_and_a_cluster(void **state)
{
    (void)state;
    check_closed_terminal((char[]){"--cluster=1"}, "restarted");
}

static void test_nohup(void **state)
{
    struct terminal terminal = terminal_open();
    (void)state;
    terminal.nohup = true;
    struct program program =
        program_start_prepared(at_terminal, &terminal, -1, "--observer=off", NULL);
    assert_true(program_await(&program, "listening"));
    close(terminal.master);
    assert_true(program_await(&program, "hangup"));
    (void)peer_ask_once(program.port, "/fast");
    program_stop(&program);
}

/* Returns when it is the program. Signals that come before its main has begun wait for that. */
static pid_t start_tool(char **arguments)
{
    int ends[2];
    char nothing;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    pid_t pid = fork();
    if (pid == 0) {
        sigset_t set;
        sigfillset(&set);
        sigprocmask(SIG_SETMASK, &set, NULL);
        execv(arguments[0], arguments);
        _exit(127);
    }
    close(ends[1]);
    assert_int_equal(read(ends[0], &nothing, 1), 0);
    close(ends[0]);
    return pid;
}

/* A tool at a terminal dies with it, and of nothing else. */
static void test_a_tool(void **state)
{
    char path[4096];
    char *arguments[] = {path, (char[]){"sleep"}, (char[]){"--n=100"}, NULL};
    (void)state;
    harness_kernel_program(path, sizeof path);
    for (int i = 0; i < FOR_ALL; i++) {
        int status;
        pid_t pid = start_tool(arguments);
        signal_one(pid, for_all[i]);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        if (for_all[i] == SIGHUP)
            assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGHUP);
        else
            assert_int_equal(status, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_server_without_an_observer),
        cmocka_unit_test(test_a_server_with_an_observer),
        cmocka_unit_test(test_a_cluster),
        cmocka_unit_test(test_at_any_moment),
        cmocka_unit_test(test_a_terminal_that_is_closed),
        cmocka_unit_test(test_a_terminal_that_is_closed_and_a_cluster),
        cmocka_unit_test(test_nohup),
        cmocka_unit_test(test_a_tool),
    };
    harness_prepare_process();
    return cmocka_run_group_tests_name("signals for all", tests, NULL, NULL);
}
