/* signals_test.c – a server as a process: it says where it listens, drains on a signal, ends at
 * once on the second, and its exit status tells how it went.
 *
 * Each test forks before any thread exists, and runs app_run in the child. What the child does is
 * read from its log, line by line, so nothing is guessed. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "server/app.h"
#include "server/log.h"
#include "tests/support/harness.h"

enum { AT_ONCE = 99 };

struct child {
    pid_t pid;
    FILE *log;
    unsigned port;
};

static void end_at_once(int number)
{
    (void)number;
    _exit(AT_ONCE);
}

static void run_child(unsigned port, int log)
{
    struct options options;
    char text[16], error[300];
    char *arguments[] = {(char[]){"offloop"}, (char[]){"--port"}, text, (char[]){"--workers=1"},
                         NULL};
    snprintf(text, sizeof text, "%u", port);
    if (options_parse(&options, 4, arguments, error, sizeof error) != OPTIONS_RUN)
        _exit(2);
    dup2(log, STDERR_FILENO);
    int status = app_run(&options, end_at_once);
    log_flush();
    exit(status); /* not _exit: coverage is written there */
}

static struct child start(unsigned port)
{
    int ends[2];
    fflush(stdout);
    assert_int_equal(pipe(ends), 0);
    struct child child = {.pid = fork()};
    assert_true(child.pid >= 0);
    if (child.pid == 0) {
        close(ends[0]);
        run_child(port, ends[1]);
    }
    close(ends[1]);
    child.log = fdopen(ends[0], "r");
    assert_non_null(child.log);
    return child;
}

/* Reads the log up to the line of this event. Returns false if there is none. */
static bool await_event(struct child *child, const char *event)
{
    char line[1024], wanted[64];
    snprintf(wanted, sizeof wanted, "\"event\":\"%s\"", event);
    while (fgets(line, sizeof line, child->log) != NULL) {
        const char *port = strstr(line, "\"port\":");
        if (port != NULL)
            child->port = (unsigned)atoi(port + strlen("\"port\":"));
        if (strstr(line, wanted) != NULL)
            return true;
    }
    return false;
}

/* Returns how it ended: its exit status. */
static int await_end(struct child *child)
{
    int status = 0;
    assert_int_equal(waitpid(child->pid, &status, 0), child->pid);
    fclose(child->log);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

/* Sends a request on a new connection. */
static FILE *ask(unsigned port, const char *target)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    FILE *stream = fdopen(fd, "r+");
    assert_non_null(stream);
    assert_true(dprintf(fd, "GET %s HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n", target) >
                0);
    return stream;
}

/* Reads the whole answer and closes the connection. */
static bool answer_has(FILE *stream, const char *words)
{
    char text[4096];
    text[fread(text, 1, sizeof text - 1, stream)] = '\0';
    fclose(stream);
    return strstr(text, words) != NULL;
}

/* The server has the request once something that came later is answered. */
static FILE *ask_for_long(unsigned port, const char *target)
{
    FILE *stream = ask(port, target);
    while (!answer_has(ask(port, "/healthz"), "\"worker\":{\"submitted\":1"))
        continue;
    return stream;
}

static void check_drains_on(int number)
{
    struct child child = start(0);
    assert_true(await_event(&child, "listening"));
    FILE *stream = ask_for_long(child.port, "/heavy?kernel=sleep&n=100&offload=worker");
    kill(child.pid, number);
    assert_true(await_event(&child, "draining"));
    assert_true(answer_has(stream, "\"slept_ms\":100"));
    assert_true(await_event(&child, "stopped"));
    assert_int_equal(await_end(&child), 0);
}

static void test_a_signal_drains(void **state)
{
    (void)state;
    check_drains_on(SIGTERM);
    check_drains_on(SIGINT);
}

static void test_the_second_signal_ends_it_at_once(void **state)
{
    (void)state;
    struct child child = start(0);
    assert_true(await_event(&child, "listening"));
    FILE *stream = ask_for_long(child.port, "/heavy?kernel=sleep&n=60000&offload=worker");
    kill(child.pid, SIGTERM);
    assert_true(await_event(&child, "draining"));
    kill(child.pid, SIGINT);
    assert_int_equal(await_end(&child), AT_ONCE);
    assert_false(answer_has(stream, "slept_ms"));
}

static void test_the_port_is_taken(void **state)
{
    (void)state;
    struct child first = start(0);
    assert_true(await_event(&first, "listening"));
    struct child second = start(first.port);
    assert_true(await_event(&second, "listen_failed"));
    assert_int_equal(await_end(&second), 1);
    assert_true(answer_has(ask(first.port, "/fast"), "200 OK"));
    kill(first.pid, SIGTERM);
    assert_int_equal(await_end(&first), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_signal_drains),
        cmocka_unit_test(test_the_second_signal_ends_it_at_once),
        cmocka_unit_test(test_the_port_is_taken),
    };
    harness_prepare_process();
    return cmocka_run_group_tests_name("signals", tests, NULL, NULL);
}
