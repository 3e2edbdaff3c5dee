/* outputs_test.c – what is printed gets through or is told; and nobody waits for whoever should
 * read standard error and does not. */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/harness.h"
#include "tests/support/program.h"

/* ------------------------------------------------------------------ what is printed */

enum output { FULL, CLOSED, BROKEN, OUTPUTS };

static void set_output(enum output output)
{
    int ends[2];
    signal(SIGPIPE, SIG_DFL); /* as a shell starts it */
    close(STDOUT_FILENO);
    if (output == FULL && open("/dev/full", O_WRONLY) != STDOUT_FILENO)
        _exit(127);
    if (output == BROKEN && (pipe(ends) != 0 || dup2(ends[1], STDOUT_FILENO) < 0 ||
                             close(ends[0]) != 0 || (ends[1] != 1 && close(ends[1]) != 0)))
        _exit(127);
}

/* A word on standard error, and status 1. */
static void check_loss(char **arguments, enum output output)
{
    int ends[2], status;
    char said[1000];
    fflush(stdout);
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    pid_t pid = fork();
    if (pid == 0) {
        dup2(ends[1], STDERR_FILENO);
        set_output(output);
        execv(arguments[0], arguments);
        _exit(127);
    }
    close(ends[1]);
    FILE *errors = fdopen(ends[0], "r");
    said[fread(said, 1, sizeof said - 1, errors)] = '\0';
    fclose(errors);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 1 || strstr(said, "standard output") == NULL)
        fail_msg("%s %s with output %d: status %#x, '%s'", arguments[0], arguments[1], output,
                 (unsigned)status, said);
}

static void check_losses(const char *name, const char *first, const char *second)
{
    char path[4096], copies[2][40];
    char *arguments[] = {path, copies[0], second != NULL ? copies[1] : NULL, NULL};
    program_path(path, sizeof path);
    snprintf(strrchr(path, '/'), 32, "/%s", name);
    snprintf(copies[0], sizeof copies[0], "%s", first);
    snprintf(copies[1], sizeof copies[1], "%s", second != NULL ? second : "");
    for (int output = 0; output < OUTPUTS; output++)
        check_loss(arguments, (enum output)output);
}

static void test_what_is_printed_and_lost(void **state)
{
    static const char *const names[] = {"offloop", "offloop-kernel", "offloop-probe"};
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        check_losses(names[i], "--version", NULL);
        check_losses(names[i], "--help", NULL);
    }
    check_losses("offloop-kernel", "--list", NULL);
    check_losses("offloop-kernel", "primes", "--help");
    check_losses("offloop-kernel", "sleep", "--n=1");
    check_losses("offloop-kernel", "mandelbrot", "--image=-");
}

/* ------------------------------------------------------------------ nobody reads */

/* A pipe that nobody reads any more: whatever the test has read of it so far. */
static void fill(const struct program *program)
{
    char path[40], dots[4096];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fileno(program->log));
    int fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    assert_true(fd >= 0);
    memset(dots, '.', sizeof dots);
    for (size_t piece = sizeof dots; piece > 0; piece /= 2) {
        while (write(fd, dots, piece) > 0)
            continue;
    }
    close(fd);
}

static void end_unread(struct program *program)
{
    signal_one(program->pid, SIGTERM);
    assert_int_equal(program_end(program), 0);
}

/* The watchdog has something to say about each of them; the observer asks it for the truth. */
static void test_a_server_whose_log_is_not_read(void **state)
{
    (void)state;
    struct program program = program_start(-1, "--observer=0", NULL);
    assert_true(program_await(&program, "listening"));
    unsigned port = program.port;
    assert_true(program_await(&program, "observing"));
    unsigned observer = (unsigned)atoi(strrchr(strstr(program.line, "http://127"), ':') + 1);
    fill(&program);
    for (int i = 0; i < 3; i++)
        (void)peer_ask_once(port, "/heavy?kernel=sleep&n=600&offload=none");
    const char *health;
    do {
        int peer = peer_connect(observer);
        assert_true(dprintf(peer, "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n") > 0);
        health = peer_answer(peer);
        assert_non_null(health);
        close(peer);
    } while (strncmp(health, "HTTP/1.1 200", 12) != 0);
    (void)peer_ask_once(port, "/fast");
    end_unread(&program);
}

/* Its parent has something to say about each death. */
static void test_a_cluster_whose_log_is_not_read(void **state)
{
    (void)state;
    struct program program = program_start(-1, "--cluster=1", "--observer=off", NULL);
    assert_true(program_await(&program, "listening"));
    fill(&program);
    for (int i = 0; i < 3; i++) {
        pid_t member = 0;
        (void)peer_ask_once(program.port, "/fast");
        assert_int_equal(program_descendants(program.pid, &member, 1), 1);
        signal_one(member, SIGKILL);
    }
    (void)peer_ask_once(program.port, "/fast");
    end_unread(&program);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_printed_and_lost),
        cmocka_unit_test(test_a_server_whose_log_is_not_read),
        cmocka_unit_test(test_a_cluster_whose_log_is_not_read),
    };
    harness_prepare_process();
    return cmocka_run_group_tests_name("outputs", tests, NULL, NULL);
}
