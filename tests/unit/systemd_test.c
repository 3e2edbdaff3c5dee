/* systemd_test.c – the service manager's side is played by the test: its environment and its
 * socket. */
#include "server/systemd.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/temporary.h"

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

static void test_without_a_manager_nothing_happens(void **state)
{
    (void)state;
    assert_int_equal(systemd_listen_fd(), -1);
    assert_int_equal(systemd_notify("READY=1"), 0);
    assert_int_equal(systemd_watchdog_ms(), 0);
}

static void test_a_passed_socket_is_the_third_descriptor(void **state)
{
    (void)state;
    set_number("LISTEN_PID", getpid());
    set_number("LISTEN_FDS", 1);
    assert_int_equal(systemd_listen_fd(), 3);
    set_number("LISTEN_FDS", 0);
    assert_int_equal(systemd_listen_fd(), -1);
}

static void test_what_was_meant_for_another_process_is_left_alone(void **state)
{
    (void)state;
    set_number("LISTEN_PID", getppid());
    set_number("LISTEN_FDS", 1);
    set_number("WATCHDOG_PID", getppid());
    set_number("WATCHDOG_USEC", 1000000);
    assert_int_equal(systemd_listen_fd(), -1);
    assert_int_equal(systemd_watchdog_ms(), 0);
    setenv("LISTEN_PID", "nonsense", 1);
    assert_int_equal(systemd_listen_fd(), -1);
}

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
        SYSTEMD_TEST(test_a_passed_socket_is_the_third_descriptor),
        SYSTEMD_TEST(test_what_was_meant_for_another_process_is_left_alone),
        SYSTEMD_TEST(test_the_watchdog_is_fed_twice_in_its_time),
        SYSTEMD_TEST(test_notifications_arrive),
        SYSTEMD_TEST(test_an_address_that_is_too_long_is_an_error),
    };
    return cmocka_run_group_tests_name("systemd", tests, NULL, NULL);
}
