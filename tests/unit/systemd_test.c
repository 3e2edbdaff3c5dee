/* systemd_test.c – the service manager's side is played by the test: its environment and its
 * socket. */
#include "server/systemd.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/temporary.h"

enum { MOST = 3 };

static int clear_environment(void **state)
{
    static const char *const names[] = {"LISTEN_PID", "LISTEN_FDS", "NOTIFY_SOCKET", "WATCHDOG_PID",
                                        "WATCHDOG_USEC"};
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        unsetenv(names[i]);
    return 0;
}

static void set_number(const char *name, long long number)
{
    char text[32];
    snprintf(text, sizeof text, "%lld", number);
    setenv(name, text, 1);
}

static int passed(void)
{
    char error[160] = "";
    int count = systemd_listen_fds(MOST, error, sizeof error);
    assert_int_equal(count < 0, error[0] != '\0');
    return count;
}

static void expect_refusal(const char *words)
{
    char error[160] = "";
    assert_int_equal(systemd_listen_fds(MOST, error, sizeof error), -EINVAL);
    if (strstr(error, words) == NULL)
        fail_msg("not \"%s\" but \"%s\"", words, error);
}

static void test_without_a_manager_nothing_happens(void **state)
{
    (void)state;
    assert_int_equal(passed(), 0);
    assert_int_equal(systemd_notify("READY=1"), 0);
    assert_int_equal(systemd_watchdog_ms(), 0);
}

/* ------------------------------------------------------------------ sockets */

static int listening_socket(void)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(fd >= 0);
    assert_int_equal(listen(fd, 1), 0);
    return fd;
}

/* What the test itself has there is put aside, and comes back in take_back. */
struct passed {
    int saved[MOST];
};

static struct passed pass(const int *fds, int count)
{
    struct passed passed;
    for (int i = 0; i < MOST; i++) {
        passed.saved[i] = fcntl(SYSTEMD_FIRST_FD + i, F_DUPFD_CLOEXEC, 100);
        close(SYSTEMD_FIRST_FD + i);
    }
    for (int i = 0; i < count; i++)
        assert_int_equal(dup2(fds[i], SYSTEMD_FIRST_FD + i), SYSTEMD_FIRST_FD + i);
    set_number("LISTEN_PID", getpid());
    set_number("LISTEN_FDS", count);
    return passed;
}

static void take_back(const struct passed *passed)
{
    for (int i = 0; i < MOST; i++) {
        close(SYSTEMD_FIRST_FD + i);
        if (passed->saved[i] < 0)
            continue;
        dup2(passed->saved[i], SYSTEMD_FIRST_FD + i);
        close(passed->saved[i]);
    }
}

static int high(int fd)
{
    int moved = fcntl(fd, F_DUPFD_CLOEXEC, 100);
    assert_true(moved >= 100);
    close(fd);
    return moved;
}

static void test_passed_sockets_begin_with_the_third_descriptor(void **state)
{
    int fds[MOST];
    (void)state;
    for (int i = 0; i < MOST; i++)
        fds[i] = high(listening_socket());
    struct passed before = pass(fds, MOST);
    int count = passed(), flags[MOST];
    for (int i = 0; i < MOST; i++)
        flags[i] = fcntl(SYSTEMD_FIRST_FD + i, F_GETFD);
    set_number("LISTEN_FDS", 0);
    int none = passed();
    take_back(&before);
    assert_int_equal(count, MOST);
    assert_int_equal(none, 0);
    for (int i = 0; i < MOST; i++) {
        assert_int_equal(flags[i], FD_CLOEXEC);
        close(fds[i]);
    }
}

/* With a good one before it: whatever is wrong is seen, not only with the first. */
static void expect_refusal_of(int fd, const char *words)
{
    int fds[] = {high(listening_socket()), high(fd)};
    char error[160] = "";
    struct passed before = pass(fds, 2);
    int rc = systemd_listen_fds(MOST, error, sizeof error);
    take_back(&before);
    assert_int_equal(rc, -EINVAL);
    if (strstr(error, words) == NULL)
        fail_msg("not \"%s\" but \"%s\"", words, error);
    close(fds[0]);
    close(fds[1]);
}

static int connected_socket(void)
{
    struct sockaddr_in address;
    socklen_t length = sizeof address;
    int listener = listening_socket(), fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &length), 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, length), 0);
    close(listener);
    return fd;
}

static void test_what_is_no_listening_tcp_socket_is_refused(void **state)
{
    (void)state;
    expect_refusal_of(open("/dev/null", O_RDONLY), "descriptor 4 is no TCP socket");
    expect_refusal_of(socket(AF_INET, SOCK_DGRAM, 0), "descriptor 4 is no TCP socket");
    expect_refusal_of(socket(AF_UNIX, SOCK_STREAM, 0), "descriptor 4 is no TCP socket");
    expect_refusal_of(socket(AF_INET, SOCK_STREAM, 0), "descriptor 4 does not listen");
    expect_refusal_of(connected_socket(), "descriptor 4 does not listen");
}

static void test_what_was_not_passed_is_refused(void **state)
{
    (void)state;
    set_number("LISTEN_PID", getpid());
    set_number("LISTEN_FDS", MOST + 1);
    expect_refusal("LISTEN_FDS=4: no more than 3 can be served");
    setenv("LISTEN_FDS", "two", 1);
    expect_refusal("LISTEN_FDS must be");
    int none = -1;
    struct passed before = pass(&none, 0);
    char error[160] = "";
    set_number("LISTEN_FDS", 1);
    int rc = systemd_listen_fds(MOST, error, sizeof error);
    take_back(&before);
    assert_int_equal(rc, -EINVAL);
    assert_string_equal(error, "LISTEN_FDS=1: descriptor 3 is not open");
}

static void test_what_was_meant_for_another_process_is_left_alone(void **state)
{
    (void)state;
    set_number("LISTEN_PID", getppid());
    set_number("LISTEN_FDS", 1);
    set_number("WATCHDOG_PID", getppid());
    set_number("WATCHDOG_USEC", 1000000);
    assert_int_equal(passed(), 0);
    assert_int_equal(systemd_watchdog_ms(), 0);
    setenv("LISTEN_PID", "nonsense", 1);
    assert_int_equal(passed(), 0);
}

/* ------------------------------------------------------------------ notifications */

static void test_the_watchdog_is_fed_twice_in_its_time(void **state)
{
    (void)state;
    set_number("WATCHDOG_USEC", 3000000);
    assert_int_equal(systemd_watchdog_ms(), 1500);
    set_number("WATCHDOG_PID", getpid());
    assert_int_equal(systemd_watchdog_ms(), 1500);
    set_number("WATCHDOG_USEC", 1);
    assert_int_equal(systemd_watchdog_ms(), 1);
}

/* Binds the manager's socket; a path that begins with '@' is abstract. */
static int manager_socket(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
    size_t length = strlen(path);
    assert_true(fd >= 0 && length < sizeof address.sun_path);
    memcpy(address.sun_path, path, length);
    if (*path == '@')
        address.sun_path[0] = '\0';
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
    return fd;
}

static void expect_notification(const char *path)
{
    char text[32] = "";
    int fd = manager_socket(path);
    setenv("NOTIFY_SOCKET", path, 1);
    assert_int_equal(systemd_notify("READY=1"), 0);
    assert_int_equal(recv(fd, text, sizeof text - 1, MSG_DONTWAIT), 7);
    assert_string_equal(text, "READY=1");
    close(fd);
}

static void test_notifications_arrive(void **state)
{
    char folder[128], path[160];
    (void)state;
    temporary_folder(folder, sizeof folder);
    snprintf(path, sizeof path, "%s/notify", folder);
    expect_notification(path);
    assert_int_equal(systemd_notify("READY=1"), -ECONNREFUSED);
    temporary_folder_remove(folder);
    snprintf(path, sizeof path, "@offloop-test-%d", (int)getpid());
    expect_notification(path);
}

static void test_an_address_that_is_too_long_is_an_error(void **state)
{
    char path[200];
    (void)state;
    memset(path, 'a', sizeof path - 1);
    path[sizeof path - 1] = '\0';
    setenv("NOTIFY_SOCKET", path, 1);
    assert_int_equal(systemd_notify("READY=1"), -ENAMETOOLONG);
}

#define SYSTEMD_TEST(test) cmocka_unit_test_setup(test, clear_environment)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SYSTEMD_TEST(test_without_a_manager_nothing_happens),
        SYSTEMD_TEST(test_passed_sockets_begin_with_the_third_descriptor),
        SYSTEMD_TEST(test_what_is_no_listening_tcp_socket_is_refused),
        SYSTEMD_TEST(test_what_was_not_passed_is_refused),
        SYSTEMD_TEST(test_what_was_meant_for_another_process_is_left_alone),
        SYSTEMD_TEST(test_the_watchdog_is_fed_twice_in_its_time),
        SYSTEMD_TEST(test_notifications_arrive),
        SYSTEMD_TEST(test_an_address_that_is_too_long_is_an_error),
    };
    return cmocka_run_group_tests_name("systemd", tests, NULL, NULL);
}
