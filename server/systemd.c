/* systemd.c – see systemd.h. */
#include "server/systemd.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "kernel/bounded.h"

enum { FIRST_PASSED_FD = 3 };

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

int systemd_listen_fd(void)
{
    if (!is_for_us("LISTEN_PID") || number_in("LISTEN_FDS") == 0)
        return -1;
    (void)fcntl(FIRST_PASSED_FD, F_SETFD, FD_CLOEXEC); /* not for the processes that we start */
    return FIRST_PASSED_FD;
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
