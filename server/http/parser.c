/* parser.c – see parser.h.
 *
 * llhttp calls the on_… functions in the order of this file. Pieces may be cut anywhere, so each
 * piece is only appended to the text, and looked at when it is complete:
 *
 *     target NUL name NUL value NUL name NUL value NUL … NUL
 *
 * llhttp is paused after each message and reset before the next: so the bytes behind a message
 * wait, and llhttp's own idea of keep-alive, which misjudges some Connection fields, never matters.
 */
#include "server/http/parser.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "server/http/syntax.h"

static struct http_parser *parser_of(llhttp_t *llhttp)
{
    return llhttp->data;
}

/* Every refusal goes through here; the first one stands. */
static int refuse(struct http_parser *parser, int status, const char *detail)
{
    if (parser->refusal.status == 0)
        parser->refusal = (struct http_refusal){status, detail};
    return HPE_USER;
}

/* ------------------------------------------------------------------ text */

static int text_reserve(struct http_parser *parser, size_t capacity)
{
    char *text = realloc(parser->text_owned ? parser->text : NULL, capacity);
    if (text == NULL)
        return -ENOMEM;
    if (!parser->text_owned && parser->text_length > 0)
        memcpy(text, parser->text, parser->text_length);
    parser->text = text;
    parser->text_capacity = capacity;
    parser->text_owned = true;
    return 0;
}

/* Where a message that is not complete lives on: the scratch is another connection's next. */
static int text_keep(struct http_parser *parser)
{
    size_t capacity = parser->text_length < 256 ? 256 : parser->text_length;
    return parser->text_owned ? 0 : text_reserve(parser, capacity);
}

/* `status` is what it means when the text grows over its limit. */
static int text_append(struct http_parser *parser, const char *piece, size_t length, int status)
{
    size_t limit = parser->shared->max_header_bytes;
    size_t needed = parser->text_length + length;
    if (needed + 2 > limit) /* two NULs may follow */
        return refuse(parser, status,
                      status == 414 ? "the request target is longer than this server reads"
                                    : "the field lines are longer than this server reads");
    if (needed + 2 > parser->text_capacity) {
        size_t capacity = 2 * needed + 2 < limit ? 2 * needed + 2 : limit;
        if (text_reserve(parser, capacity) != 0)
            return refuse(parser, 503, "out of memory");
    }
    memcpy(parser->text + parser->text_length, piece, length);
    parser->text_length += length;
    return 0;
}

static void text_end(struct http_parser *parser)
{
    parser->text[parser->text_length++] = '\0';
}

/* ------------------------------------------------------------------ looking back */

/* The byte `back` places in front of `at`, which may have come with an earlier read. */
static char byte_before(const struct http_parser *parser, const char *at, size_t back)
{
    size_t here = (size_t)(at - parser->input);
    if (back <= here)
        return at[-(ptrdiff_t)back];
    size_t missing = back - here;
    return missing <= sizeof parser->before ? parser->before[sizeof parser->before - missing]
                                            : '\0';
}

/* The last byte in front of `at` that is no space or tab. */
static char mark_before(const struct http_parser *parser, const char *at)
{
    while (at > parser->input) {
        at--;
        if (*at != ' ' && *at != '\t')
            return *at;
    }
    return parser->before_blanks;
}

static void remember_bytes(struct http_parser *parser, const char *end)
{
    char before[sizeof parser->before];
    for (size_t i = 0; i < sizeof before; i++)
        before[i] = byte_before(parser, end, sizeof before - i);
    parser->before_blanks = mark_before(parser, end);
    memcpy(parser->before, before, sizeof before);
}

/* ------------------------------------------------------------------ the request line */

static int on_message_begin(llhttp_t *llhttp)
{
    parser_of(llhttp)->begun = true;
    return 0;
}

static int on_url(llhttp_t *llhttp, const char *at, size_t length)
{
    return text_append(parser_of(llhttp), at, length, 414);
}

static int on_url_complete(llhttp_t *llhttp)
{
    struct http_parser *parser = parser_of(llhttp);
    text_end(parser);
    parser->field_at = parser->text_length;
    return 0;
}

/* llhttp also reads "RTSP/1.0" and "ICE/1.0" here: the third letter from the slash tells them
 * apart. */
static int on_version(llhttp_t *llhttp, const char *at, size_t length)
{
    struct http_parser *parser = parser_of(llhttp);
    bool first_piece = byte_before(parser, at, 1) == '/';
    (void)length;
    if (first_piece && byte_before(parser, at, 3) != 'T')
        return refuse(parser, 400, "this is no HTTP request");
    return 0;
}

/* ------------------------------------------------------------------ field lines */

static bool in_trailers(const struct http_parser *parser)
{
    return parser->in_body;
}

static int on_header_field(llhttp_t *llhttp, const char *at, size_t length)
{
    return text_append(parser_of(llhttp), at, length, 431);
}

static int on_header_field_complete(llhttp_t *llhttp)
{
    struct http_parser *parser = parser_of(llhttp);
    if (parser->text_length == parser->field_at)
        return refuse(parser, 400, "a field line without a name");
    text_end(parser);
    parser->value_at = parser->text_length;
    return 0;
}

/* A value that goes on in a new line is an obs-fold (RFC 9112, section 5.2): the last mark in front
 * of the piece is then the line feed, not the colon or a part of the value. */
static int on_header_value(llhttp_t *llhttp, const char *at, size_t length)
{
    struct http_parser *parser = parser_of(llhttp);
    if (mark_before(parser, at) == '\n')
        return refuse(parser, 400, "a field line may not be folded over several lines");
    return text_append(parser, at, length, 431);
}

static int check_host(struct http_parser *parser, const char *value)
{
    if (parser->has_host)
        return refuse(parser, 400, "more than one Host field");
    parser->has_host = true;
    if (!http_is_host(value, strlen(value)))
        return refuse(parser, 400, "the Host field is not a host with an optional port");
    return 0;
}

static int check_connection(struct http_parser *parser, const char *value)
{
    parser->said_close |= http_list_has(value, "close");
    parser->said_keep_alive |= http_list_has(value, "keep-alive");
    return 0;
}

static int check_length(struct http_parser *parser, const char *value)
{
    /* llhttp has checked that it is a number; it takes an empty one for none. */
    if (*value == '\0')
        return refuse(parser, 400, "Content-Length is empty");
    parser->has_length = true;
    return 0;
}

static int check_coding(struct http_parser *parser, const char *value)
{
    if (parser->chunked)
        return refuse(parser, 400, "more than one Transfer-Encoding");
    parser->chunked = true;
    if (strcasecmp(value, "chunked") == 0)
        return 0;
    if (*value == '\0')
        return refuse(parser, 400, "Transfer-Encoding is empty");
    if (strncasecmp(value, "chunked", 7) == 0 && !http_is_token_char((unsigned char)value[7]))
        return refuse(parser, 400, "chunked must be the last transfer coding, and there once");
    return refuse(parser, 501, "the only transfer coding here is chunked");
}

static int check_expect(struct http_parser *parser, const char *value)
{
    if (strcasecmp(value, "100-continue") != 0)
        return refuse(parser, 417, "the only expectation that can be met is 100-continue");
    parser->expects = true;
    return 0;
}

/* The fields that decide about framing and routing: not one of them may come late, in a trailer
 * (RFC 9110, section 6.5.1). */
static int check_field(struct http_parser *parser, const char *name, size_t length,
                       const char *value)
{
    static const struct {
        const char *name;
        size_t length;
        int (*check)(struct http_parser *parser, const char *value);
    } rows[] = {
        {"host", 4, check_host},
        {"connection", 10, check_connection},
        {"content-length", 14, check_length},
        {"transfer-encoding", 17, check_coding},
        {"expect", 6, check_expect},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (rows[i].length != length || strcasecmp(rows[i].name, name) != 0)
            continue;
        if (in_trailers(parser))
            return refuse(parser, 400, "a trailer may not carry fields of framing or routing");
        return rows[i].check(parser, value);
    }
    return 0;
}

static int on_header_value_complete(llhttp_t *llhttp)
{
    struct http_parser *parser = parser_of(llhttp);
    while (parser->text_length > parser->value_at &&
           strchr(" \t", parser->text[parser->text_length - 1]) != NULL)
        parser->text_length--;
    text_end(parser);
    size_t name_length = parser->value_at - parser->field_at - 1;
    int rc = check_field(parser, parser->text + parser->field_at, name_length,
                         parser->text + parser->value_at);
    if (in_trailers(parser)) /* nobody asks for trailers: each makes room for the next */
        parser->text_length = parser->field_at;
    else
        parser->field_at = parser->text_length;
    return rc;
}

/* ------------------------------------------------------------------ the end of the head */

static enum http_method method_of(const llhttp_t *llhttp)
{
    switch (llhttp->method) {
    case HTTP_GET:
        return HTTP_METHOD_GET;
    case HTTP_HEAD:
        return HTTP_METHOD_HEAD;
    case HTTP_POST:
        return HTTP_METHOD_POST;
    case HTTP_PUT:
        return HTTP_METHOD_PUT;
    case HTTP_DELETE:
        return HTTP_METHOD_DELETE;
    case HTTP_OPTIONS:
        return HTTP_METHOD_OPTIONS;
    case HTTP_PATCH:
        return HTTP_METHOD_PATCH;
    case HTTP_TRACE:
        return HTTP_METHOD_TRACE;
    default:
        return HTTP_METHOD_OTHER;
    }
}

/* Brings the target to a decoded path and a query (RFC 9112, section 3.2). */
static int split_target(struct http_parser *parser)
{
    struct http_request *request = &parser->request;
    char *target = parser->text;
    if (strcmp(target, "*") == 0 && request->method == HTTP_METHOD_OPTIONS) {
        request->asterisk = true;
        request->path = request->query = "";
        return 0;
    }
    if (*target != '/') {
        const char *authority;
        size_t length;
        const char *rest = http_skip_authority(target, &authority, &length);
        if (rest == NULL || !http_is_host(authority, length))
            return refuse(parser, 400, "the request target is neither a path nor an http URL");
        target += rest - target;
    }
    if (!http_is_target(target))
        return refuse(parser, 400, "the request target has a character that must be escaped");
    size_t path_length = strcspn(target, "?");
    request->query = target + path_length + (target[path_length] == '?' ? 1 : 0);
    request->path = path_length > 0 ? target : "/";
    if (path_length > 0 &&
        http_percent_decode(target, path_length, false, target, path_length + 1) < 0)
        return refuse(parser, 400, "the request target has a bad percent escape");
    return 0;
}

static int check_version(struct http_parser *parser)
{
    if (parser->llhttp.http_major != 1 || parser->llhttp.http_minor > 1)
        return refuse(parser, 505, "this server speaks HTTP/1.1 and HTTP/1.0");
    return 0;
}

static int check_framing(struct http_parser *parser)
{
    if (!parser->has_host && parser->request.version_minor == 1)
        return refuse(parser, 400, "an HTTP/1.1 request must have a Host field");
    if (parser->chunked && parser->request.version_minor == 0)
        return refuse(parser, 400, "HTTP/1.0 has no transfer codings");
    if (parser->chunked && parser->has_length)
        return refuse(parser, 400, "Content-Length and Transfer-Encoding exclude each other");
    if (parser->llhttp.method == HTTP_CONNECT)
        return refuse(parser, 501, "this server is no proxy");
    if (parser->has_length && parser->llhttp.content_length > parser->shared->max_body_bytes)
        return refuse(parser, 413, "the content is larger than this server reads");
    return 0;
}

static int on_headers_complete(llhttp_t *llhttp)
{
    struct http_parser *parser = parser_of(llhttp);
    struct http_request *request = &parser->request;
    size_t fields_at = strlen(parser->text) + 1;
    text_end(parser);
    parser->field_at = parser->text_length;
    parser->in_body = true;
    request->version_minor = llhttp->http_minor;
    request->method = method_of(llhttp);
    if (check_version(parser) != 0 || check_framing(parser) != 0 || split_target(parser) != 0)
        return -1;
    request->keep_alive =
        !parser->said_close && (request->version_minor == 1 || parser->said_keep_alive);
    request->fields = parser->text + fields_at;
    llhttp->upgrade = 0; /* an Upgrade is ignored, as RFC 9110, section 7.8 allows */
    bool waits = parser->expects && request->version_minor == 1 &&
                 (parser->chunked || llhttp->content_length > 0);
    return waits ? HPE_PAUSED : 0;
}

/* ------------------------------------------------------------------ the body */

static int on_chunk_extension(llhttp_t *llhttp, const char *at, size_t length)
{
    struct http_parser *parser = parser_of(llhttp);
    (void)at;
    parser->extension_bytes += length + 1;
    if (parser->extension_bytes > parser->shared->max_header_bytes)
        return refuse(parser, 413, "the chunk extensions are longer than this server reads");
    return 0;
}

static int body_reserve(struct http_parser *parser, size_t needed)
{
    if (needed <= parser->body_capacity)
        return 0;
    /* A length that was announced is reserved once, but not before most of it can be believed. */
    size_t capacity = 2 * needed < 4096 ? 4096 : 2 * needed;
    if (capacity > parser->shared->max_body_bytes)
        capacity = parser->shared->max_body_bytes;
    unsigned char *body = realloc(parser->body, capacity);
    if (body == NULL)
        return -ENOMEM;
    parser->body = body;
    parser->body_capacity = capacity;
    return 0;
}

static int on_body(llhttp_t *llhttp, const char *at, size_t length)
{
    struct http_parser *parser = parser_of(llhttp);
    if (length > parser->shared->max_body_bytes - parser->body_length)
        return refuse(parser, 413, "the content is larger than this server reads");
    if (body_reserve(parser, parser->body_length + length) != 0)
        return refuse(parser, 503, "out of memory");
    memcpy(parser->body + parser->body_length, at, length);
    parser->body_length += length;
    return 0;
}

static int on_message_complete(llhttp_t *llhttp)
{
    struct http_parser *parser = parser_of(llhttp);
    parser->complete = true;
    parser->request.body = parser->body;
    parser->request.body_bytes = parser->body_length;
    return HPE_PAUSED;
}

static const llhttp_settings_t settings = {
    .on_message_begin = on_message_begin,
    .on_url = on_url,
    .on_url_complete = on_url_complete,
    .on_version = on_version,
    .on_header_field = on_header_field,
    .on_header_field_complete = on_header_field_complete,
    .on_header_value = on_header_value,
    .on_header_value_complete = on_header_value_complete,
    .on_headers_complete = on_headers_complete,
    .on_chunk_extension_name = on_chunk_extension,
    .on_chunk_extension_value = on_chunk_extension,
    .on_body = on_body,
    .on_message_complete = on_message_complete,
};

/* ------------------------------------------------------------------ feeding */

void http_parser_init(struct http_parser *parser, const struct http_parser_shared *shared)
{
    memset(parser, 0, sizeof *parser);
    llhttp_init(&parser->llhttp, HTTP_REQUEST, &settings);
    parser->llhttp.data = parser;
    parser->shared = shared;
    parser->text = shared->scratch;
    parser->text_capacity = shared->max_header_bytes;
}

void http_parser_close(struct http_parser *parser)
{
    if (parser->text_owned)
        free(parser->text);
    free(parser->body);
    parser->text = NULL;
    parser->body = NULL;
    parser->text_owned = false;
}

void http_parser_next(struct http_parser *parser)
{
    http_parser_close(parser);
    http_parser_init(parser, parser->shared);
}

/* What llhttp itself refused, as a status. The byte that it stumbled over tells an unknown method,
 * which is a token, from noise. */
static void refuse_malformed(struct http_parser *parser, llhttp_errno_t error, const char *end)
{
    const char *at = llhttp_get_error_pos(&parser->llhttp);
    bool token = at != NULL && at < end && http_is_token_char((unsigned char)*at);
    if (error == HPE_INVALID_METHOD && token)
        refuse(parser, 501, "this server does not know the method");
    else if (error == HPE_PAUSED_H2_UPGRADE)
        refuse(parser, 505, "this server speaks HTTP/1.1 and HTTP/1.0");
    else if (error == HPE_INVALID_VERSION && parser->llhttp.http_major != 0)
        refuse(parser, 505, "this server speaks HTTP/1.1 and HTTP/1.0");
    else
        refuse(parser, 400, llhttp_get_error_reason(&parser->llhttp));
}

/* The read ends in mid-message: what is needed of it later must not stay in shared memory. */
static void keep_message(struct http_parser *parser, const char *end)
{
    remember_bytes(parser, end);
    if (http_parser_in_head(parser)) {
        parser->head_bytes += (size_t)(end - parser->input);
        /* White space is not part of the text, but there is an end to it as well. */
        if (parser->head_bytes > 2 * parser->shared->max_header_bytes)
            refuse(parser, 431, "the field lines are longer than this server reads");
    }
    if (text_keep(parser) != 0)
        refuse(parser, 503, "out of memory");
}

size_t http_parser_feed(struct http_parser *parser, const char *bytes, size_t length,
                        enum http_parser_event *event)
{
    parser->input = bytes;
    llhttp_resume(&parser->llhttp);
    llhttp_errno_t error = llhttp_execute(&parser->llhttp, bytes, length);
    size_t consumed = length;
    if (error != HPE_OK)
        consumed = (size_t)(llhttp_get_error_pos(&parser->llhttp) - bytes);

    if (error != HPE_OK && error != HPE_PAUSED)
        refuse_malformed(parser, error, bytes + length);
    else if (parser->begun && !parser->complete)
        keep_message(parser, bytes + consumed);

    if (parser->refusal.status != 0)
        *event = HTTP_PARSER_REFUSED;
    else if (error == HPE_OK)
        *event = HTTP_PARSER_MORE;
    else
        *event = parser->complete ? HTTP_PARSER_MESSAGE : HTTP_PARSER_EXPECTS;
    return consumed;
}
