/* activation_test.c – sockets that a service manager passes: all of them serve, or a line says why
 * not. */
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
#include <unistd.h>

#include <cmocka.h>

#include "server/http/listener.h"
#include "tests/support/harness.h"
#include "tests/support/program.h"

enum { FIRST_FD = 3, MANY = 8, FAR = 100 };

/* What is passed: descriptors of this process. */
struct sockets {
    int fds[MANY + 1];
    int count;
};

static int stream_socket(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(fd, 100), 0);
    return fd;
}

static struct sockets sockets_open(int count)
{
    struct sockets sockets = {.count = count};
    for (int i = 0; i < count; i++)
        sockets.fds[i] = stream_socket();
    return sockets;
}

static void sockets_close(const struct sockets *sockets)
{
    for (int i = 0; i < sockets->count; i++)
        close(sockets->fds[i]);
}

/* In the process that becomes the program. First out of the way, then to where they belong. */
static void pass(void *data)
{
    struct sockets *sockets = data;
    char pid[16], count[16];
    for (int i = 0; i < sockets->count; i++)
        sockets->fds[i] = dup2(sockets->fds[i], FAR + i);
    for (int i = 0; i < sockets->count; i++)
        dup2(sockets->fds[i], FIRST_FD + i);
    for (int i = 0; i < sockets->count; i++)
        close(sockets->fds[i]);
    snprintf(pid, sizeof pid, "%d", (int)getpid());
    snprintf(count, sizeof count, "%d", sockets->count);
    setenv("LISTEN_PID", pid, 1);
    setenv("LISTEN_FDS", count, 1);
}

#define START(sockets, ...) program_start_prepared(pass, &(sockets), -1, __VA_ARGS__, NULL)

static void test_all_of_them_serve(void **state)
{
    (void)state;
    struct sockets sockets = sockets_open(MANY);
    struct program program = START(sockets, "--observer=off");
    assert_true(program_await(&program, "listening"));
    assert_int_equal(program.port, http_listener_port(sockets.fds[0]));
    for (int i = 1; i < MANY; i++) {
        char url[64];
        snprintf(url, sizeof url, "http://127.0.0.1:%u\"", http_listener_port(sockets.fds[i]));
        assert_true(program_await(&program, "listening_too"));
        assert_non_null(strstr(program.line, url));
    }
    for (int i = MANY - 1; i >= 0; i--)
        (void)peer_ask_once(http_listener_port(sockets.fds[i]), "/fast");
    program_stop(&program);
    sockets_close(&sockets);
}

/* Who was let in by the kernel when the server ends is answered, whichever socket it was. */
static void test_all_of_them_drain(void **state)
{
    int peers[2];
    (void)state;
    struct sockets sockets = sockets_open(2);
    struct program program = START(sockets, "--observer=off");
    assert_true(program_await(&program, "listening"));
    freeze_one(program.pid);
    for (int i = 0; i < 2; i++) {
        peers[i] = peer_connect(http_listener_port(sockets.fds[i]));
        peer_get(peers[i], "/fast");
    }
    signal_one(program.pid, SIGTERM);
    signal_one(program.pid, SIGCONT);
    for (int i = 0; i < 2; i++) {
        assert_non_null(peer_answer(peers[i]));
        close(peers[i]);
    }
    assert_true(program_await(&program, "stopped"));
    assert_int_equal(program_end(&program), 0);
    sockets_close(&sockets);
}

/* One line, and nothing else. */
static void expect_refusal(struct program program, const char *words)
{
    assert_true(program_await(&program, "listen_failed"));
    if (strstr(program.line, words) == NULL)
        fail_msg("not \"%s\": %s", words, program.line);
    assert_int_equal(program_await_silence(&program), 0);
    assert_int_equal(program_end(&program), 1);
}

static void test_too_many_are_refused(void **state)
{
    (void)state;
    struct sockets sockets = sockets_open(MANY + 1);
    expect_refusal(START(sockets, "--observer=off"),
                   "cannot listen: LISTEN_FDS=9: no more than 8 can be served");
    sockets_close(&sockets);
}

static void test_what_does_not_listen_is_refused(void **state)
{
    (void)state;
    struct sockets sockets = sockets_open(1);
    sockets.fds[sockets.count++] = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    expect_refusal(START(sockets, "--observer=off"),
                   "cannot listen: LISTEN_FDS=2: descriptor 4 is no TCP socket");
    sockets_close(&sockets);
}

static void test_a_cluster_takes_one(void **state)
{
    static const char *const scheds[] = {"--cluster-sched=rr", "--cluster-sched=none"};
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct sockets sockets = sockets_open(2);
        expect_refusal(START(sockets, "--cluster=2", scheds[i]),
                       "cannot listen with --cluster: LISTEN_FDS=2: no more than 1 can be served");
        sockets_close(&sockets);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_of_them_serve),
        cmocka_unit_test(test_all_of_them_drain),
        cmocka_unit_test(test_too_many_are_refused),
        cmocka_unit_test(test_what_does_not_listen_is_refused),
        cmocka_unit_test(test_a_cluster_takes_one),
    };
    harness_prepare_process();
    return cmocka_run_group_tests_name("activation", tests, NULL, NULL);
}
