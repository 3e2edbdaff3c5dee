/* socket.c – see socket.h. A descriptor that is none is silent, and has sent everything: then a
 * time-out comes as if nobody had asked. */
#include "server/http/socket.h"

#include <errno.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

bool http_socket_is_readable(int fd)
{
    char byte;
    return fd >= 0 && (recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0 || errno != EAGAIN);
}

uint64_t http_socket_unsent_bytes(int fd)
{
    int bytes = 0;
    return fd >= 0 && ioctl(fd, SIOCOUTQ, &bytes) == 0 && bytes > 0 ? (uint64_t)bytes : 0;
}
