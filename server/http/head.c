/* head.c – see head.h. Nothing here knows in how many pieces the head came. */
#include "server/http/head.h"

#include <string.h>

#include "server/http/malformed.h"
#include "server/http/syntax.h"

int http_refuse(struct http_parser *parser, int status, const char *detail)
{
    if (parser->message.refusal.status == 0)
        parser->message.refusal = (struct http_refusal){status, detail};
    return HPE_USER;
}

/* ------------------------------------------------------------------ field lines */

static int check_authority(struct http_parser *parser, const char *authority, size_t length)
{
    const char *const *allowed = parser->shared->allowed_hosts;
    if (allowed != NULL && !http_is_known_host(authority, length, allowed))
        return http_refuse(parser, 421, "this server does not answer for that host name");
    return 0;
}

static int check_host(struct http_parser *parser, const char *value)
{
    if (parser->message.has_host)
        return http_refuse(parser, 400, "more than one Host field");
    parser->message.has_host = true;
    char *good = parser->shared->good_host;
    size_t length = strlen(value);
    if (length > 0 && length < sizeof parser->shared->good_host && strcmp(good, value) == 0)
        return 0;
    if (!http_is_host(value, length))
        return http_refuse(parser, 400, "the Host field is not a host with an optional port");
    if (check_authority(parser, value, length) != 0)
        return -1;
    if (length < sizeof parser->shared->good_host)
        memcpy(good, value, length + 1);
    return 0;
}

static int check_connection(struct http_parser *parser, const char *value)
{
    parser->message.said_close |= http_list_has(value, "close");
    parser->message.said_keep_alive |= http_list_has(value, "keep-alive");
    return 0;
}

static int check_length(struct http_parser *parser, const char *value)
{
    /* llhttp has checked that it is a number; it takes an empty one for none. */
    if (*value == '\0')
        return http_refuse(parser, 400, HTTP_BAD_LENGTH);
    if (parser->message.coded)
        return http_refuse(parser, 400, HTTP_BOTH_FRAMINGS);
    parser->message.has_length = true;
    return 0;
}

/* The codings may be spread over several field lines, so they are judged when all are known, by
 * check_framing. */
static int check_coding(struct http_parser *parser, const char *value)
{
    const char *coding;
    size_t length;
    if (parser->message.has_length)
        return http_refuse(parser, 400, HTTP_BOTH_FRAMINGS);
    parser->message.coded = true;
    while ((coding = http_list_next(&value, &length)) != NULL) {
        bool chunked = http_element_is(coding, length, "chunked");
        if (chunked && parser->message.chunked)
            return http_refuse(parser, 400, HTTP_BAD_CODING);
        parser->message.chunked |= chunked;
        parser->message.chunked_last = chunked;
        parser->message.coded_otherwise |= !chunked;
    }
    return 0;
}

/* HTTP/1.0 knows no expectations (RFC 9110, section 10.1.1). */
static int check_expect(struct http_parser *parser, const char *value)
{
    const char *expectation;
    size_t length;
    if (parser->llhttp.http_minor == 0)
        return 0;
    while ((expectation = http_list_next(&value, &length)) != NULL) {
        if (!http_element_is(expectation, length, "100-continue"))
            return http_refuse(parser, 417, "the only expectation that can be met is 100-continue");
        parser->message.expects = true;
    }
    return 0;
}

/* `known` has lower-case letters and hyphens only, and no token differs from one in bit 5 alone. */
static bool names_match(const char *name, const char *known, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if ((name[i] | 0x20) != known[i])
            return false;
    }
    return true;
}

int http_head_check_field(struct http_parser *parser, const char *name, size_t length,
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
        if (rows[i].length != length || !names_match(name, rows[i].name, length))
            continue;
        if (parser->message.in_body)
            return http_refuse(parser, 400, HTTP_BAD_TRAILER);
        return rows[i].check(parser, value);
    }
    return 0;
}

/* ------------------------------------------------------------------ the whole head */

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

/* The absolute form (RFC 9112, section 3.2.2): *target moves behind the authority. */
static int skip_authority(struct http_parser *parser, char **target)
{
    const char *authority;
    size_t length;
    const char *rest = http_skip_authority(*target, &authority, &length);
    if (rest == NULL || !http_is_host(authority, length))
        return http_refuse(parser, 400, "the request target is neither a path nor an http URL");
    *target += rest - *target;
    return check_authority(parser, authority, length);
}

/* Brings the target to a decoded path and a query, each ended by NUL in its place (RFC 9112,
 * section 3.2). */
static int split_target(struct http_parser *parser)
{
    char *target = parser->text;
    if (strcmp(target, "*") == 0 && parser->message.request.method == HTTP_METHOD_OPTIONS) {
        parser->message.request.asterisk = true;
        parser->message.path_at = parser->message.query_at = 1; /* both are empty */
        return 0;
    }
    if (*target != '/' && skip_authority(parser, &target) != 0)
        return -1;
    if (!http_is_target(target))
        return http_refuse(parser, 400, HTTP_BAD_TARGET);
    size_t path_length = (size_t)(strchrnul(target, '?') - target);
    size_t at = (size_t)(target - parser->text);
    parser->message.query_at = at + path_length + (target[path_length] == '?' ? 1 : 0);
    if (path_length == 0) { /* "http://a?b": the authority gives way to the path "/" */
        parser->message.path_at = at - 1;
        memcpy(target - 1, "/", 2);
        return 0;
    }
    parser->message.path_at = at;
    target[path_length] = '\0';
    if (memchr(target, '%', path_length) != NULL &&
        http_percent_decode(target, path_length, false, target, path_length + 1) < 0)
        return http_refuse(parser, 400, "the request target has a bad percent escape");
    return 0;
}

/* A higher minor version is read as the highest that is known (RFC 9110, section 2.5). */
static int check_version(struct http_parser *parser)
{
    if (!parser->message.versioned)
        return http_refuse(parser, 400, "the request line names no version");
    if (parser->llhttp.http_major != 1)
        return http_refuse(parser, 505, "this server speaks HTTP/1.1 and HTTP/1.0");
    parser->message.request.version_minor = parser->llhttp.http_minor > 0;
    return 0;
}

/* RFC 9112, sections 6.1 and 6.3: what has no certain end is 400, what has one but cannot be
 * decoded is 501. */
static int check_codings(struct http_parser *parser)
{
    if (parser->message.request.version_minor == 0)
        return http_refuse(parser, 400, "HTTP/1.0 has no transfer codings");
    if (!parser->message.chunked_last)
        return http_refuse(parser, 400, HTTP_BAD_CODING);
    if (parser->message.coded_otherwise)
        return http_refuse(parser, 501, "the only transfer coding here is chunked");
    return 0;
}

static int check_framing(struct http_parser *parser)
{
    if (!parser->message.has_host && parser->message.request.version_minor == 1)
        return http_refuse(parser, 400, "an HTTP/1.1 request must have a Host field");
    if (parser->message.coded && check_codings(parser) != 0)
        return -1;
    if (parser->llhttp.method == HTTP_CONNECT)
        return http_refuse(parser, 501, "this server is no proxy");
    if (parser->message.has_length &&
        parser->llhttp.content_length > parser->shared->max_body_bytes)
        return http_refuse(parser, 413, "the content is larger than this server reads");
    return 0;
}

int http_head_check(struct http_parser *parser)
{
    struct http_request *request = &parser->message.request;
    request->method = method_of(&parser->llhttp);
    if (check_version(parser) != 0 || check_framing(parser) != 0 || split_target(parser) != 0)
        return -1;
    request->keep_alive = !parser->message.said_close &&
                          (request->version_minor == 1 || parser->message.said_keep_alive);
    return 0;
}
