/* parser.h – bytes in, requests out: the glue around llhttp, and the strictness that llhttp leaves
 * out.
 *
 * Only this pair of files and head.c know llhttp. What the parser library lets through although RFC
 * 9112 and RFC 9110 forbid it (see docs/http.md) is refused with the status that the answer must
 * carry: what a head says in head.c, how it is written here.
 *
 * Memory: the text of a message (target and field lines) is gathered in a scratch area that all the
 * connections of a loop share. It moves to memory of its own only if a read ends in mid-message, so
 * a request that comes in one piece costs no allocation and an idle connection holds none. */
#ifndef OFFLOOP_HTTP_PARSER_H
#define OFFLOOP_HTTP_PARSER_H

#include <llhttp.h>
#include <stdbool.h>
#include <stddef.h>

#include "server/http/request.h"

/* Shared by the parsers of one loop; `bytes` has room for `limit` bytes. */
struct http_parser_shared {
    char *scratch;
    size_t max_header_bytes; /* bounds target and field lines together, and the scratch */
    size_t max_body_bytes;
};

enum http_parser_event {
    HTTP_PARSER_MORE,    /* all was consumed; more bytes are needed */
    HTTP_PARSER_EXPECTS, /* the same; the client waits for "100 Continue" to send the content */
    HTTP_PARSER_MESSAGE, /* parser->request is complete */
    HTTP_PARSER_REFUSED, /* parser->refusal says why; nothing more can be read */
};

/* Why a message was refused. */
struct http_refusal {
    int status; /* 0: not refused */
    const char *detail;
};

struct http_parser {
    llhttp_t llhttp;
    const struct http_parser_shared *shared;
    struct http_request request; /* valid after HTTP_PARSER_MESSAGE, until http_parser_next */
    struct http_refusal refusal;

    char *text; /* in the scratch, or owned; offsets, because it may move */
    size_t text_length, text_capacity;
    size_t path_at, query_at, fields_at;
    size_t field_at, value_at;     /* of the field line that is being read */
    size_t head_bytes, body_bytes; /* of the message so far, as they came */
    unsigned char *body;           /* memory for content that cannot stay where it landed */
    size_t body_capacity;
    size_t extension_bytes; /* of all chunks */
    size_t extension_piece; /* of the name or value that is being read */
    const char *extension_end;

    const char *input;          /* the bytes that are being fed */
    char before[4];             /* the bytes in front of them, if they belong to the same message */
    unsigned before_line_feeds; /* in the white space in front of them */
    bool text_owned : 1;
    bool half_line : 1; /* the CR of an empty line in front of a message */
    bool begun : 1;     /* the first byte of a message has been seen */
    bool versioned : 1; /* its request line names a version */
    bool lone_lf : 1;   /* a line ended by LF without CR */
    bool in_body : 1;   /* its head is complete */
    bool complete : 1;  /* its last byte has been seen */
    bool expects : 1;   /* Expect: 100-continue */
    bool said_close : 1, said_keep_alive : 1;
    bool extension_quoted : 1;
    bool has_host : 1, has_length : 1;
    /* Transfer-Encoding is there, chunked is in it, is the last of it, others are in it */
    bool coded : 1, chunked : 1, chunked_last : 1, coded_otherwise : 1;
};

/* `shared` must outlive the parser. Allocates nothing. */
void http_parser_init(struct http_parser *parser, const struct http_parser_shared *shared);
void http_parser_close(struct http_parser *parser);

/* Feeds bytes; returns how many were consumed, which is all of them unless *event says that
 * something must be done first. After HTTP_PARSER_MESSAGE call http_parser_next before feeding
 * again. */
size_t http_parser_feed(struct http_parser *parser, const char *bytes, size_t length,
                        enum http_parser_event *event);

/* Lets go of the message and its memory and makes ready for the next one. */
void http_parser_next(struct http_parser *parser);

/* True once the first byte of a message has come, until http_parser_next. */
static inline bool http_parser_in_message(const struct http_parser *parser)
{
    return parser->begun;
}

/* True while the head of a message is incomplete. */
static inline bool http_parser_in_head(const struct http_parser *parser)
{
    return parser->begun && !parser->in_body;
}

#endif
