/* listener_test.c – sockets bound to one port: which may be there together, and which gets what. */
#include "server/http/listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include <cmocka.h>

static int open_at(unsigned port, bool reuse_port, int *fd)
{
    uv_loop_t loop;
    assert_int_equal(uv_loop_init(&loop), 0);
    int rc = http_listener_open(&loop, "127.0.0.1", port, reuse_port, fd);
    assert_int_equal(uv_loop_close(&loop), 0);
    return rc;
}

static int must_open(unsigned port, bool reuse_port)
{
    int fd = -1;
    assert_int_equal(open_at(port, reuse_port, &fd), 0);
    return fd;
}

/* Returns the connected socket, or a negative errno. */
static int connect_to(unsigned port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    int rc = -errno;
    close(fd);
    return rc;
}

static void test_it_has_a_name(void **state)
{
    char authority[80], expected[80];
    (void)state;
    int fd = must_open(0, false);
    unsigned port = http_listener_port(fd);
    assert_true(port > 0);
    http_listener_authority(fd, authority, sizeof authority);
    snprintf(expected, sizeof expected, "127.0.0.1:%u", port);
    assert_string_equal(authority, expected);
    close(fd);
    assert_int_equal(http_listener_port(-1), 0);
}

static void test_a_port_that_is_taken(void **state)
{
    int other = -1;
    (void)state;
    int fd = must_open(0, false);
    assert_int_equal(http_listener_start(fd), 0);
    assert_int_equal(open_at(http_listener_port(fd), false, &other), UV_EADDRINUSE);
    assert_int_equal(open_at(http_listener_port(fd), true, &other), UV_EADDRINUSE);
    assert_int_equal(other, -1);
    close(fd);
}

/* Siblings may come, and those who want to share; who does not is still refused. */
static void test_siblings_share_a_port(void **state)
{
    int sibling = -1, other = -1;
    (void)state;
    int fd = must_open(0, false);
    assert_int_equal(http_listener_sibling(fd, &sibling), 0);
    assert_int_equal(http_listener_port(sibling), http_listener_port(fd));
    assert_int_equal(http_listener_start(fd), 0);
    assert_int_equal(http_listener_start(sibling), 0);
    assert_int_equal(open_at(http_listener_port(fd), false, &other), UV_EADDRINUSE);
    close(sibling);
    close(fd);
}

/* A slot whose member has not started yet takes no connection to its grave. */
static void test_a_sibling_that_does_not_listen_gets_nothing(void **state)
{
    int sibling = -1;
    (void)state;
    int fd = must_open(0, false);
    unsigned port = http_listener_port(fd);
    assert_int_equal(http_listener_sibling(fd, &sibling), 0);
    assert_int_equal(connect_to(port), -ECONNREFUSED);
    assert_int_equal(http_listener_start(sibling), 0);
    for (int i = 0; i < 50; i++) {
        int client = connect_to(port);
        int accepted = accept(sibling, NULL, NULL);
        assert_true(client >= 0 && accepted >= 0);
        close(client);
        close(accepted);
    }
    close(sibling);
    close(fd);
}

static void test_a_listener_does_not_block(void **state)
{
    (void)state;
    int fd = must_open(0, false);
    assert_int_equal(http_listener_start(fd), 0);
    assert_int_equal(accept(fd, NULL, NULL), -1);
    assert_int_equal(errno, EAGAIN);
    close(fd);
    assert_int_equal(http_listener_start(fd), UV_EBADF);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_it_has_a_name),
        cmocka_unit_test(test_a_port_that_is_taken),
        cmocka_unit_test(test_siblings_share_a_port),
        cmocka_unit_test(test_a_sibling_that_does_not_listen_gets_nothing),
        cmocka_unit_test(test_a_listener_does_not_block),
    };
    return cmocka_run_group_tests_name("listener", tests, NULL, NULL);
}
