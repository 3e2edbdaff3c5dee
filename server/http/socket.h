/* socket.h – what the kernel knows of a connection and libuv has not told yet.
 *
 * libuv runs timers before it looks at sockets. So a timer that rings after the loop was blocked
 * sees the connections as they were before: what the peer has sent meanwhile lies unread, and what
 * it has taken is not counted. Whoever is about to take silence for an answer asks here first: that
 * is one system call, and a rare one. Any thread. */
#ifndef OFFLOOP_HTTP_SOCKET_H
#define OFFLOOP_HTTP_SOCKET_H

#include <stdbool.h>
#include <stdint.h>

/* Does something lie unread: bytes, the end of the input, or an error? */
bool http_socket_is_readable(int fd);

/* So many bytes were given to the socket and have not arrived at the peer. */
uint64_t http_socket_unsent_bytes(int fd);

#endif
