/* listener.c – see listener.h. Not uv_tcp_bind: libuv 1.44 cannot set SO_REUSEPORT. */
#include "server/http/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

static socklen_t length_of(const struct sockaddr_storage *address)
{
    return address->ss_family == AF_INET6 ? sizeof(struct sockaddr_in6)
                                          : sizeof(struct sockaddr_in);
}

static int resolve(uv_loop_t *loop, const char *host, unsigned port,
                   struct sockaddr_storage *address)
{
    uv_getaddrinfo_t request;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    int rc = uv_getaddrinfo(loop, &request, NULL, host, NULL, &hints);
    if (rc != 0)
        return rc;
    memcpy(address, request.addrinfo->ai_addr, request.addrinfo->ai_addrlen);
    uv_freeaddrinfo(request.addrinfo);
    if (address->ss_family == AF_INET6)
        ((struct sockaddr_in6 *)address)->sin6_port = htons((uint16_t)port);
    else
        ((struct sockaddr_in *)address)->sin_port = htons((uint16_t)port);
    return 0;
}

static int set(int fd, int level, int option, int value)
{
    return setsockopt(fd, level, option, &value, sizeof value) == 0 ? 0 : -errno;
}

/* SO_REUSEADDR: connections of the last server that linger in TIME_WAIT do not hold the port. */
static int configure(int fd, int family, bool reuse_port)
{
    int rc = set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (rc == 0 && reuse_port)
        rc = set(fd, SOL_SOCKET, SO_REUSEPORT, 1);
    if (rc == 0 && family == AF_INET6)
        rc = set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0);
    return rc;
}

static int open_at(const struct sockaddr_storage *address, bool reuse_port, int *fd)
{
    int made = socket(address->ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (made < 0)
        return -errno;
    int rc = configure(made, address->ss_family, reuse_port);
    if (rc == 0 && bind(made, (const struct sockaddr *)address, length_of(address)) != 0)
        rc = -errno;
    if (rc != 0)
        close(made);
    else
        *fd = made;
    return rc;
}

int http_listener_open(uv_loop_t *loop, const char *host, unsigned port, bool reuse_port, int *fd)
{
    struct sockaddr_storage address;
    int rc = resolve(loop, host, port, &address);
    return rc == 0 ? open_at(&address, reuse_port, fd) : rc;
}

static int bound_address(int fd, struct sockaddr_storage *address)
{
    socklen_t length = sizeof *address;
    return getsockname(fd, (struct sockaddr *)address, &length) == 0 ? 0 : -errno;
}

int http_listener_sibling(int fd, int *sibling)
{
    struct sockaddr_storage address;
    int rc = bound_address(fd, &address);
    if (rc == 0)
        rc = set(fd, SOL_SOCKET, SO_REUSEPORT, 1);
    return rc == 0 ? open_at(&address, true, sibling) : rc;
}

int http_listener_start(int fd)
{
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0)
        return -errno;
    int rc = set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    return rc == 0 && listen(fd, HTTP_BACKLOG) != 0 ? -errno : rc;
}

static unsigned port_of(const struct sockaddr_storage *address)
{
    if (address->ss_family == AF_INET6)
        return ntohs(((const struct sockaddr_in6 *)address)->sin6_port);
    return ntohs(((const struct sockaddr_in *)address)->sin_port);
}

unsigned http_listener_port(int fd)
{
    struct sockaddr_storage address;
    return bound_address(fd, &address) == 0 ? port_of(&address) : 0;
}

void http_listener_authority(int fd, char *text, size_t size)
{
    struct sockaddr_storage address;
    char name[INET6_ADDRSTRLEN] = "";
    if (bound_address(fd, &address) == 0)
        (void)uv_ip_name((const struct sockaddr *)&address, name, sizeof name);
    bool brackets = strchr(name, ':') != NULL;
    snprintf(text, size, "%s%s%s:%u", brackets ? "[" : "", name, brackets ? "]" : "",
             http_listener_port(fd));
}
