/* listener.h – a bound socket: made, named, and multiplied for several processes on one port.
 *
 * What can be done with a descriptor before a server, or a process, owns it. Blocking calls, all of
 * them short but the resolving of a name: before a loop runs. */
#ifndef OFFLOOP_HTTP_LISTENER_H
#define OFFLOOP_HTTP_LISTENER_H

#include <stdbool.h>
#include <stddef.h>

struct uv_loop_s;

enum { HTTP_BACKLOG = 4096 };

/* Makes a socket bound to a host name or address and a port (0: any free one), which does not
 * listen yet, and puts it into *fd; the caller closes it. With reuse_port other sockets may be
 * bound there, too (SO_REUSEPORT). Returns 0 or a negative UV_E… code. Resolves on `loop`. */
int http_listener_open(struct uv_loop_s *loop, const char *host, unsigned port, bool reuse_port,
                       int *fd);

/* Makes another socket at the address of `fd`; both have SO_REUSEPORT from then on, and the kernel
 * spreads connections over those that listen. So a port that was taken at http_listener_open is
 * still refused. Returns 0 or a negative UV_E… code. */
int http_listener_sibling(int fd, int *sibling);

/* Listens, without blocking in accept, with TCP_NODELAY for every connection. Returns 0 or a
 * negative UV_E… code. */
int http_listener_start(int fd);

/* The port in host order; 0 if there is none. And where it is, as it stands in a URL:
 * "127.0.0.1:8080", "[::1]:8080". */
unsigned http_listener_port(int fd);
void http_listener_authority(int fd, char *text, size_t size);

#endif
