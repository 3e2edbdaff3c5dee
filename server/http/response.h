/* response.h – what a handler answers, and how its head is written. */
#ifndef OFFLOOP_HTTP_RESPONSE_H
#define OFFLOOP_HTTP_RESPONSE_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <time.h>

/* The status codes that are sent, each with its reason phrase (RFC 9110, section 15; RFC 6585 for
 * 431). */
/* clang-format off */
#define HTTP_STATUSES(row)                      \
    row(200, "OK")                              \
    row(204, "No Content")                      \
    row(400, "Bad Request")                     \
    row(404, "Not Found")                       \
    row(405, "Method Not Allowed")              \
    row(408, "Request Timeout")                 \
    row(413, "Content Too Large")               \
    row(414, "URI Too Long")                    \
    row(417, "Expectation Failed")              \
    row(421, "Misdirected Request")             \
    row(431, "Request Header Fields Too Large") \
    row(500, "Internal Server Error")           \
    row(501, "Not Implemented")                 \
    row(502, "Bad Gateway")                     \
    row(503, "Service Unavailable")             \
    row(504, "Gateway Timeout")                 \
    row(505, "HTTP Version Not Supported")
/* clang-format on */

/* How a reader knows where the content ends (RFC 9112, section 6.3). */
enum http_framing {
    HTTP_FRAMED_BY_LENGTH, /* Content-Length */
    HTTP_FRAMED_BY_CHUNKS, /* Transfer-Encoding: chunked */
    HTTP_FRAMED_BY_CLOSE,  /* by the end of the connection */
};

/* Everything in it is the caller's and is copied before the answering call returns. */
struct http_response {
    int status;
    const char *content_type; /* NULL if there is no content */
    const char *fields;       /* further field lines, each ended by CRLF; or NULL */
    const void *body;
    size_t body_bytes;
    enum http_framing framing; /* of an answer that streams; http_exchange_stream sets it */
};

/* Field lines that all answers of a server have. */
struct http_fields {
    const char *lines; /* each ended by CRLF; NULL: none */
    size_t length;
};

#define HTTP_FIELDS(lines) ((struct http_fields){lines, sizeof(lines) - 1})

/* How the connection goes on, which the head must say (RFC 9112, section 9.3). */
enum http_persistence {
    HTTP_PERSISTS,            /* 1.1: nothing to say */
    HTTP_PERSISTS_EXPLICITLY, /* 1.0: "Connection: keep-alive" */
    HTTP_CLOSES,              /* "Connection: close" */
};

/* The Date field, formatted anew only when the second has changed. One per loop. */
struct http_date {
    time_t second;
    char line[40]; /* "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n" (RFC 9110, section 5.6.7) */
};

enum { HTTP_DATE_LINE_BYTES = 37, HTTP_PREPARED_BYTES = 1024 };

/* An answer that is always the same: formatted once, then copied, and only its Date is written
 * anew. For a connection that persists without having to say so, which is nearly all; else
 * `response` is sent. */
struct http_prepared {
    struct http_response response; /* the caller's memory */
    size_t date_at, length;        /* length 0: it does not fit, and `response` is sent */
    char bytes[HTTP_PREPARED_BYTES];
};

/* The response, and what it points to, must outlive the prepared answer. `common` are the fields of
 * the server that will send it. */
void http_prepare(struct http_prepared *prepared, const struct http_response *response,
                  const struct http_fields *common);

/* Copies the answer to `at`, which has room for prepared->length bytes. */
static inline void http_prepared_copy(char *at, const struct http_prepared *prepared,
                                      const char *date_line)
{
    memcpy(at, prepared->bytes, prepared->length);
    memcpy(at + prepared->date_at, date_line, HTTP_DATE_LINE_BYTES);
}

/* "OK" for 200; "Unknown" for a status that is not in the list. */
const char *http_reason(int status);

/* Brings the line up to date and returns it. */
const char *http_date_line(struct http_date *date, time_t now);

/* An upper bound for the head of this response, in bytes. */
size_t http_response_head_bound(const struct http_response *response,
                                const struct http_fields *common);

/* Writes the head, with the empty line behind it, to `head`, which has room for the bound. Returns
 * its length. Content-Length is left out where it is not allowed (1xx, 204). */
size_t http_response_head(char *head, const struct http_response *response,
                          enum http_persistence persistence, const char *date_line,
                          const struct http_fields *common);

#endif
