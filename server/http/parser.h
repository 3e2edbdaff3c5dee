/* parser.h – bytes in, requests out: the glue around llhttp, and the strictness that llhttp leaves
 * out.
 *
 * Only this pair of files, head.c, content.c and malformed.c know llhttp. What the parser library
 * lets through although RFC 9112 and RFC 9110 forbid it (see docs/http.md) is refused with the
 * status that the answer must carry: what a head says in head.c, how it is written here. What it
 * refuses itself gets its sentence in malformed.c.
 *
 * A client that polls, and a load generator, sends the same bytes again and again. A message that
 * is byte for byte the one before on this loop is not parsed a second time: the same bytes mean the
 * same.
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

/* What is known of the message that is being read; all zero at its beginning. */
struct http_message {
    struct http_request request; /* valid after HTTP_PARSER_MESSAGE, until http_parser_next */
    struct http_refusal refusal;
    size_t text_length;
    size_t path_at, query_at, fields_at;
    size_t field_at, value_at;     /* of the field line that is being read */
    size_t head_bytes, body_bytes; /* of the message so far, as they came */
    size_t extension_bytes;        /* of all chunks */
    size_t extension_piece;        /* of the name or value that is being read */
    char before[4];             /* the bytes in front of `input`, if they belong to the message */
    unsigned before_line_feeds; /* in the white space in front of it */
    bool half_line : 1;         /* the CR of an empty line in front of a message */
    bool begun : 1;             /* the first byte of a message has been seen */
    bool versioned : 1;         /* its request line names a version */
    bool http2 : 1;             /* it is the preface of HTTP/2 */
    bool lone_lf : 1;           /* a line ended by LF without CR */
    bool in_body : 1;           /* its head is complete */
    bool complete : 1;          /* its last byte has been seen */
    bool expects : 1;           /* Expect: 100-continue */
    bool said_close : 1, said_keep_alive : 1;
    bool extension_quoted : 1;
    bool has_host : 1, has_length : 1;
    /* Transfer-Encoding is there, chunked is in it, is the last of it, others are in it */
    bool coded : 1, chunked : 1, chunked_last : 1, coded_otherwise : 1;
};

enum { HTTP_MEMO_BYTES = 1024 };

/* Shared by the parsers of one loop. */
struct http_parser_shared {
    char *scratch;           /* room for max_header_bytes */
    size_t max_header_bytes; /* bounds target and field lines together */
    size_t max_body_bytes;
    llhttp_t fresh; /* an llhttp that has seen nothing: to copy is quicker than to initialise */

    const char *const *allowed_hosts; /* see http_server_allow_hosts; NULL: any host */

    char good_host[64]; /* the last Host that was found to be one: clients repeat it */

    /* The last message, while its text is still in the scratch; memo_length 0: there is none. */
    size_t memo_length;
    struct http_message memo;
    char memo_bytes[HTTP_MEMO_BYTES];
};

/* The scratch is the caller's. */
void http_parser_shared_init(struct http_parser_shared *shared, char *scratch,
                             size_t max_header_bytes, size_t max_body_bytes);

struct http_parser {
    llhttp_t llhttp;
    struct http_parser_shared *shared;
    char *text; /* in the scratch, or owned; offsets into it, because it may move */
    size_t text_capacity;
    unsigned char *body; /* memory for content that cannot stay where it landed */
    size_t body_capacity;
    bool text_owned;
    bool used;                 /* llhttp is not fresh */
    const char *input;         /* the bytes that are being fed */
    const char *extension_end; /* in them */

    struct http_message message;
};

/* `shared` must outlive the parser. Allocates nothing. */
void http_parser_init(struct http_parser *parser, struct http_parser_shared *shared);
void http_parser_close(struct http_parser *parser);

/* Feeds bytes; returns how many were consumed, which is all of them unless *event says that
 * something must be done first. After HTTP_PARSER_MESSAGE call http_parser_next before feeding
 * again. */
size_t http_parser_feed(struct http_parser *parser, const char *bytes, size_t length,
                        enum http_parser_event *event);

/* Lets go of the message and its memory and makes ready for the next one. */
void http_parser_next(struct http_parser *parser);

/* Looking back from `at`, a place in the bytes that are being fed; for malformed.c. What is in
 * front of them may have come with an earlier read. */

/* The byte `back` places in front of `at`; back <= 4. NUL if the message begins behind it. */
char http_parser_byte_before(const struct http_parser *parser, const char *at, size_t back);

/* The line feeds in the white space in front of `at`. */
unsigned http_parser_line_feeds_before(const struct http_parser *parser, const char *at);

/* The parser of this llhttp, for its callbacks. */
static inline struct http_parser *http_parser_of(const llhttp_t *llhttp)
{
    return llhttp->data;
}

/* True once the first byte of a message has come, until http_parser_next. */
static inline bool http_parser_in_message(const struct http_parser *parser)
{
    return parser->message.begun;
}

/* True if the message that is being read is known to be a HEAD, also before its head is complete,
 * and when it is refused. */
static inline bool http_parser_knows_head(const struct http_parser *parser)
{
    return parser->message.begun && parser->llhttp.method == HTTP_HEAD &&
           llhttp_get_errno(&parser->llhttp) != HPE_INVALID_METHOD; /* "HEADS" */
}

/* True while the head of a message is incomplete. */
static inline bool http_parser_in_head(const struct http_parser *parser)
{
    return parser->message.begun && !parser->message.in_body;
}

#endif
