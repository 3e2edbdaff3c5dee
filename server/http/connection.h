/* connection.h – one socket's life, for server.c. */
#ifndef OFFLOOP_HTTP_CONNECTION_H
#define OFFLOOP_HTTP_CONNECTION_H

#include "server/http/server.h"

/* Takes a connected socket over. Returns 0, or a negative UV_E… code: then the socket is the
 * caller's. */
int http_connection_adopt(struct http_server *server, int fd);

/* The server drains: this connection ends as soon as it owes nothing. */
void http_connection_drain(struct http_connection *connection);

/* Ends it now, whatever it is doing. May be called more than once. */
void http_connection_close(struct http_connection *connection);

/* One tick of the server's clock: closes it if it has waited too long. */
void http_connection_tick(struct http_connection *connection);

/* So many bytes wait for its peer to take them. */
size_t http_connection_unread_bytes(const struct http_connection *connection);

/* The next in the server's list. Get it before calling anything that may close this one. */
struct http_connection *http_connection_next(const struct http_connection *connection);

#endif
