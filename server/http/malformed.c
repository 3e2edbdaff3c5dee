/* malformed.c – see malformed.h.
 *
 * llhttp says where it stopped: at the byte that it could not read, or behind it. The byte at that
 * place may therefore be one that it has not looked at, and that comes with another read as well as
 * with this one. What is said must not depend on that: only a line feed and a blank are looked for
 * there, with errors that have no such places. */
#include "server/http/malformed.h"

#include "server/http/head.h"
#include "server/http/syntax.h"

/* ------------------------------------------------------------------ where it stopped */

/* At, or behind, an LF without a CR in front of it? */
static bool is_at_lone_lf(const struct http_parser *parser, const char *at, const char *end)
{
    char before = http_parser_byte_before(parser, at, 1);
    return (at < end && *at == '\n' && before != '\r') ||
           (before == '\n' && http_parser_byte_before(parser, at, 2) != '\r');
}

/* At, or behind, white space that begins a line? */
static bool is_at_fold(const struct http_parser *parser, const char *at, const char *end)
{
    char before = http_parser_byte_before(parser, at, 1);
    return (at < end && http_is_blank(*at) && before == '\n') ||
           (http_is_blank(before) && http_parser_line_feeds_before(parser, at) > 0);
}

/* ------------------------------------------------------------------ the request line */

/* Is the method that llhttp stumbled over at `at` a token, or is it noise? */
static bool is_unknown_method(const struct http_parser *parser, const char *at)
{
    bool first = at == parser->input && parser->message.head_bytes == 0;
    if (*at == ' ' && !first)
        return http_is_token_char((unsigned char)http_parser_byte_before(parser, at, 1));
    return http_is_token_char((unsigned char)*at);
}

/* llhttp knows the methods of RTSP and ICE as well. */
static bool is_other_method(const struct http_parser *parser, llhttp_errno_t error, const char *at)
{
    return (error == HPE_INVALID_METHOD && is_unknown_method(parser, at)) ||
           (error == HPE_INVALID_CONSTANT && parser->llhttp.method >= HTTP_SOURCE);
}

/* What is there in the place of the version, or behind it. */
static const char *version_fault(const struct http_parser *parser, const char *at)
{
    bool lone_cr = http_parser_byte_before(parser, at, 1) == '\r';
    return lone_cr || is_at_lone_lf(parser, at, at)
               ? HTTP_BAD_LINE_END
               : "the request line must end by HTTP/1.1 or HTTP/1.0";
}

/* ------------------------------------------------------------------ fields and chunks */

/* Is a field line being read, and its name known? */
static bool is_in_field(const struct http_parser *parser)
{
    return parser->message.text_length > parser->message.field_at;
}

/* A field of framing that cannot be read, or not beside another one. */
static const char *length_fault(const struct http_parser *parser)
{
    if (parser->message.in_body)
        return HTTP_BAD_TRAILER;
    if (parser->message.coded)
        return HTTP_BOTH_FRAMINGS;
    return parser->message.has_length ? "more than one Content-Length field" : HTTP_BAD_LENGTH;
}

/* llhttp looks at the codings once more behind the head. */
static const char *coding_fault(const struct http_parser *parser)
{
    if (parser->message.has_length)
        return HTTP_BOTH_FRAMINGS;
    return parser->message.in_body && is_in_field(parser) ? HTTP_BAD_TRAILER : HTTP_BAD_CODING;
}

static const char *field_fault(const struct http_parser *parser, const char *at, const char *end)
{
    return is_at_lone_lf(parser, at, end) ? HTTP_BAD_LINE_END : HTTP_BAD_FIELD;
}

/* A terminator that is none: of the request line, of a field line, or of a chunk. */
static const char *line_end_fault(const struct http_parser *parser)
{
    return parser->message.in_body && !is_in_field(parser) ? HTTP_BAD_CHUNK : HTTP_BAD_LINE_END;
}

static const char *fault(const struct http_parser *parser, llhttp_errno_t error, const char *at,
                         const char *end)
{
    switch (error) {
    case HPE_INVALID_URL:
        return "the request target is no path and no http URL, or has a character that must be "
               "escaped";
    case HPE_INVALID_VERSION:
    case HPE_INVALID_CONSTANT:
        return version_fault(parser, at);
    case HPE_UNEXPECTED_SPACE:
        return "white space in front of the first field line";
    case HPE_INVALID_HEADER_TOKEN:
        return is_at_fold(parser, at, end) ? HTTP_BAD_FOLD : field_fault(parser, at, end);
    case HPE_UNEXPECTED_CONTENT_LENGTH:
    case HPE_INVALID_CONTENT_LENGTH:
        return is_at_fold(parser, at, end) ? HTTP_BAD_FOLD : length_fault(parser);
    case HPE_INVALID_TRANSFER_ENCODING:
        return is_at_fold(parser, at, end) ? HTTP_BAD_FOLD : coding_fault(parser);
    case HPE_INVALID_CHUNK_SIZE:
        return HTTP_BAD_CHUNK;
    case HPE_STRICT:
    case HPE_CR_EXPECTED:
    case HPE_LF_EXPECTED:
        return line_end_fault(parser);
    default:
        return HTTP_NO_REQUEST;
    }
}

void http_refuse_malformed(struct http_parser *parser, llhttp_errno_t error, const char *at,
                           const char *end)
{
    if (parser->message.refusal.status != 0)
        return;
    parser->message.http2 = error == HPE_PAUSED_H2_UPGRADE;
    if (is_other_method(parser, error, at))
        http_refuse(parser, 501, "this server does not know the method");
    else if (parser->message.http2)
        http_refuse(parser, 505, "this server speaks HTTP/1.1 and HTTP/1.0");
    else
        http_refuse(parser, 400, fault(parser, error, at, end));
}
