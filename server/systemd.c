/* systemd.c – see systemd.h. */
#include "server/systemd.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "kernel/bounded.h"

/* The number in an environment variable; 0 if there is none. */
static uint64_t number_in(const char *variable)
{
    char error[120];
    uint64_t number = 0;
    const char *text = getenv(variable);
    if (text != NULL)
        (void)bounded_integer(variable, 0, UINT64_MAX, text, &number, error, sizeof error);
    return number;
}

/* A variable that names another process was inherited, and is not for us. */
static int is_for_us(const char *pid_variable)
{
    return number_in(pid_variable) == (uint64_t)getpid();
}

static int option_of(int fd, int option)
{
    int value = -1;
    socklen_t length = sizeof value;
    return getsockopt(fd, SOL_SOCKET, option, &value, &length) == 0 ? value : -1;
}

/* NULL if it is a listening TCP socket, else what it is. */
static const char *whats_wrong_with(int fd)
{
    int domain = option_of(fd, SO_DOMAIN);
    if (fcntl(fd, F_GETFD) < 0)
        return "is not open";
    if (option_of(fd, SO_TYPE) != SOCK_STREAM || (domain != AF_INET && domain != AF_INET6))
        return "is no TCP socket";
    if (option_of(fd, SO_ACCEPTCONN) != 1)
        return "does not listen (is it Accept=yes?)";
    return NULL;
}

static int check_passed(unsigned count, char *error, size_t size)
{
    for (int fd = SYSTEMD_FIRST_FD; fd < SYSTEMD_FIRST_FD + (int)count; fd++) {
        const char *wrong = whats_wrong_with(fd);
        if (wrong != NULL) {
            snprintf(error, size, "LISTEN_FDS=%u: descriptor %d %s", count, fd, wrong);
            return -EINVAL;
        }
        (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
    }
    return (int)count;
}

int systemd_listen_fds(unsigned most, char *error, size_t size)
{
    uint64_t count = 0;
    const char *text = getenv("LISTEN_FDS");
    if (!is_for_us("LISTEN_PID") || text == NULL)
        return 0;
    if (bounded_integer("LISTEN_FDS", 0, INT_MAX, text, &count, error, size) != 0)
        return -EINVAL;
    if (count <= most)
        return check_passed((unsigned)count, error, size);
    snprintf(error, size, "LISTEN_FDS=%u: no more than %u can be served", (unsigned)count, most);
    return -EINVAL;
}

int systemd_notify(const char *state)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (path == NULL || *path == '\0')
        return 0;
    size_t length = strlen(path);
    if (length >= sizeof address.sun_path)
        return -ENAMETOOLONG;
    memcpy(address.sun_path, path, length);
    if (path[0] == '@') /* an abstract address */
        address.sun_path[0] = '\0';
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
    ssize_t sent = sendto(fd, state, strlen(state), MSG_NOSIGNAL | MSG_DONTWAIT,
                          (const struct sockaddr *)&address, size);
    int rc = sent < 0 ? -errno : 0;
    close(fd);
    return rc;
}

uint64_t systemd_watchdog_ms(void)
{
    uint64_t tolerated_us = number_in("WATCHDOG_USEC");
    if (tolerated_us == 0 || (getenv("WATCHDOG_PID") != NULL && !is_for_us("WATCHDOG_PID")))
        return 0;
    return tolerated_us < 2000 ? 1 : tolerated_us / 2000;
}
