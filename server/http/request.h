/* request.h – one parsed request, as a handler sees it.
 *
 * All text is NUL-terminated and belongs to the connection: it is valid until the handler returns,
 * and not a moment longer. A handler that answers later copies what it will need. */
#ifndef OFFLOOP_HTTP_REQUEST_H
#define OFFLOOP_HTTP_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The methods that a route can ask for, as bits, so that a route's methods are a set. */
enum http_method {
    HTTP_METHOD_GET = 1 << 0,
    HTTP_METHOD_HEAD = 1 << 1,
    HTTP_METHOD_POST = 1 << 2,
    HTTP_METHOD_PUT = 1 << 3,
    HTTP_METHOD_DELETE = 1 << 4,
    HTTP_METHOD_OPTIONS = 1 << 5,
    HTTP_METHOD_PATCH = 1 << 6,
    HTTP_METHOD_TRACE = 1 << 7,
    HTTP_METHOD_OTHER = 1 << 8, /* known to the parser, asked for by no route */
};

struct http_request {
    enum http_method method;
    unsigned version_minor; /* of HTTP/1.x */
    bool keep_alive;        /* what the client asks for (RFC 9112, section 9.3) */
    bool asterisk;          /* the target is "*" (RFC 9112, section 3.2.4) */
    const char *path;       /* percent-decoded, begins with '/' */
    const char *query;      /* as it came, without '?'; "" if there was none */
    const char *fields;     /* name NUL value NUL name NUL value NUL … NUL */
    const unsigned char *body;
    size_t body_bytes;
};

/* The value of the first field line of this name (any case), or NULL. */
const char *http_request_field(const struct http_request *request, const char *name);

/* The value of the next field line of this name behind one whose value this is; or NULL. */
const char *http_request_next_field(const char *value, const char *name);

/* Would the client rather have this media type than that one (RFC 9110, section 12.5.1)? All Accept
 * lines, weights and exactness count; parameters of the types ("text/plain; version=0.0.4") must be
 * as the client says, if it says them. Of two that it likes equally it prefers the one that it
 * names more exactly: "image/ *" rather than "* / *". False if it does not care, or takes neither.
 */
bool http_request_prefers(const struct http_request *request, const char *media_type,
                          const char *to);

/* How many seconds the client will wait for this answer: "Prefer: wait=N" (RFC 7240, section 4.3).
 * N is at most 2^31, and taken for that above it. Returns false if the client does not say so, or
 * not properly: then that preference is to be ignored (section 2). */
bool http_request_wait(const struct http_request *request, uint64_t *seconds);

/* Takes the next "name=value" from *cursor (at first: request->query), percent-decoded with '+' as
 * a space. Returns 1 and moves on; 0 at the end; -EINVAL for a bad escape or a NUL byte;
 * -ENAMETOOLONG when either does not fit its buffer. */
int http_query_next(const char **cursor, char *name, size_t name_size, char *value,
                    size_t value_size);

/* Decodes %XX in [from, from + length) into `to` (which may be `from`) and ends it by NUL; '+'
 * becomes a space if `plus` is set. Returns the decoded length, -EINVAL for a bad escape or a NUL
 * byte, -ENAMETOOLONG if to_size is too small. */
int http_percent_decode(const char *from, size_t length, bool plus, char *to, size_t to_size);

#endif
