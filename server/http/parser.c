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

#include "server/http/content.h"
#include "server/http/head.h"
#include "server/http/malformed.h"
#include "server/http/syntax.h"

/* Room that stays free behind the text: the ends of a name, of an empty value, and of the fields.
 */
enum { TEXT_ENDS = 3 };

/* ------------------------------------------------------------------ text */

static int text_reserve(struct http_parser *parser, size_t capacity)
{
    char *text = realloc(parser->text_owned ? parser->text : NULL, capacity);
    if (text == NULL)
        return -ENOMEM;
    if (!parser->text_owned && parser->message.text_length > 0)
        memcpy(text, parser->text, parser->message.text_length);
    parser->text = text;
    parser->text_capacity = capacity;
    parser->text_owned = true;
    return 0;
}

/* Where a message that is not complete lives on: the scratch is another connection's next. */
static int text_keep(struct http_parser *parser)
{
    size_t capacity = parser->message.text_length < 256 ? 256 : parser->message.text_length;
    return parser->text_owned ? 0 : text_reserve(parser, capacity + TEXT_ENDS);
}

/* `status` is what it means when the text grows over its limit. */
static int text_append(struct http_parser *parser, const char *piece, size_t length, int status)
{
    size_t limit = parser->shared->max_header_bytes;
    size_t needed = parser->message.text_length + length + TEXT_ENDS;
    if (needed > limit)
        return http_refuse(parser, status,
                           status == 414 ? "the request target is longer than this server reads"
                                         : "the field lines are longer than this server reads");
    if (needed > parser->text_capacity &&
        text_reserve(parser, 2 * needed < limit ? 2 * needed : limit) != 0)
        return http_refuse(parser, 503, "out of memory");
    memcpy(parser->text + parser->message.text_length, piece, length);
    parser->message.text_length += length;
    return 0;
}

static void text_end(struct http_parser *parser)
{
    parser->text[parser->message.text_length++] = '\0';
}

/* ------------------------------------------------------------------ looking back */

char http_parser_byte_before(const struct http_parser *parser, const char *at, size_t back)
{
    size_t here = (size_t)(at - parser->input);
    if (back <= here)
        return at[-(ptrdiff_t)back];
    size_t missing = back - here;
    return missing <= sizeof parser->message.before
               ? parser->message.before[sizeof parser->message.before - missing]
               : '\0';
}

unsigned http_parser_line_feeds_before(const struct http_parser *parser, const char *at)
{
    unsigned count = 0;
    while (at > parser->input) {
        at--;
        if (!http_is_blank(*at) && *at != '\r' && *at != '\n')
            return count;
        count += *at == '\n';
    }
    return count + parser->message.before_line_feeds;
}

static void remember_bytes(struct http_parser *parser, const char *end)
{
    char before[sizeof parser->message.before] = "";
    for (size_t i = 0; i < sizeof before; i++)
        before[i] = http_parser_byte_before(parser, end, sizeof before - i);
    parser->message.before_line_feeds = http_parser_line_feeds_before(parser, end);
    memcpy(parser->message.before, before, sizeof before);
}

/* ------------------------------------------------------------------ the request line */

static int on_message_begin(llhttp_t *llhttp)
{
    http_parser_of(llhttp)->message.begun = true;
    return 0;
}

static int on_url(llhttp_t *llhttp, const char *at, size_t length)
{
    return text_append(http_parser_of(llhttp), at, length, 414);
}

static int on_url_complete(llhttp_t *llhttp)
{
    struct http_parser *parser = http_parser_of(llhttp);
    text_end(parser);
    parser->message.fields_at = parser->message.field_at = parser->message.text_length;
    return 0;
}

/* llhttp also reads "RTSP/1.0" and "ICE/1.0" here: the third letter from the slash tells them
 * apart. */
static int on_version(llhttp_t *llhttp, const char *at, size_t length)
{
    struct http_parser *parser = http_parser_of(llhttp);
    bool first_piece = http_parser_byte_before(parser, at, 1) == '/';
    (void)length;
    parser->message.versioned = true;
    if (first_piece && http_parser_byte_before(parser, at, 3) != 'T')
        return http_refuse(parser, 400, HTTP_NO_REQUEST);
    return 0;
}

/* ------------------------------------------------------------------ field lines */

static int on_header_field(llhttp_t *llhttp, const char *at, size_t length)
{
    struct http_parser *parser = http_parser_of(llhttp);
    if (parser->message.text_length == parser->message.fields_at)
        parser->message.lone_lf = http_parser_byte_before(parser, at, 2) != '\r';
    return text_append(parser, at, length, 431);
}

static int on_header_field_complete(llhttp_t *llhttp)
{
    struct http_parser *parser = http_parser_of(llhttp);
    if (parser->message.text_length == parser->message.field_at)
        return http_refuse(parser, 400, HTTP_BAD_FIELD);
    text_end(parser);
    parser->message.value_at = parser->message.text_length;
    return 0;
}

/* A value that goes on in a new line is an obs-fold (RFC 9112, section 5.2). llhttp skips line ends
 * and white space in front of a value; of an empty one it says so behind its line end. */
static int on_header_value(llhttp_t *llhttp, const char *at, size_t length)
{
    struct http_parser *parser = http_parser_of(llhttp);
    if (http_parser_line_feeds_before(parser, at) > (length == 0))
        return http_refuse(parser, 400, HTTP_BAD_FOLD);
    return text_append(parser, at, length, 431);
}

static int on_header_value_complete(llhttp_t *llhttp)
{
    struct http_parser *parser = http_parser_of(llhttp);
    while (parser->message.text_length > parser->message.value_at &&
           http_is_blank(parser->text[parser->message.text_length - 1]))
        parser->message.text_length--;
    text_end(parser);
    size_t name_length = parser->message.value_at - parser->message.field_at - 1;
    int rc = http_head_check_field(parser, parser->text + parser->message.field_at, name_length,
                                   parser->text + parser->message.value_at);
    parser->message.field_at = parser->message.text_length;
    return rc;
}

/* ------------------------------------------------------------------ the end of the head */

/* Pauses if content follows: http_parser_feed then knows where the head ends. */
static int on_headers_complete(llhttp_t *llhttp)
{
    struct http_parser *parser = http_parser_of(llhttp);
    text_end(parser);
    parser->message.field_at = parser->message.text_length;
    parser->message.in_body = true;
    if (http_head_check(parser) != 0)
        return -1;
    llhttp->upgrade = 0; /* an Upgrade is ignored, as RFC 9110, section 7.8 allows */
    return parser->message.coded || llhttp->content_length > 0 ? HPE_PAUSED : 0;
}

/* ------------------------------------------------------------------ the end of the message */

/* From here on nothing moves. */
static int on_message_complete(llhttp_t *llhttp)
{
    struct http_parser *parser = http_parser_of(llhttp);
    parser->message.complete = true;
    parser->message.request.path = parser->text + parser->message.path_at;
    parser->message.request.query = parser->text + parser->message.query_at;
    parser->message.request.fields = parser->text + parser->message.fields_at;
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
    .on_chunk_header = http_content_on_chunk_header,
    .on_chunk_extension_name = http_content_on_extension_name,
    .on_chunk_extension_name_complete = http_content_on_extension_name_complete,
    .on_chunk_extension_value = http_content_on_extension_value,
    .on_chunk_extension_value_complete = http_content_on_extension_value_complete,
    .on_body = http_content_on_body,
    .on_message_complete = on_message_complete,
};

/* ------------------------------------------------------------------ feeding */

void http_parser_shared_init(struct http_parser_shared *shared, char *scratch,
                             size_t max_header_bytes, size_t max_body_bytes)
{
    *shared = (struct http_parser_shared){
        .scratch = scratch,
        .max_header_bytes = max_header_bytes,
        .max_body_bytes = max_body_bytes,
    };
    llhttp_init(&shared->fresh, HTTP_REQUEST, &settings);
    shared->fresh.lenient_flags = LENIENT_VERSION; /* check_version knows better */
}

void http_parser_init(struct http_parser *parser, struct http_parser_shared *shared)
{
    parser->shared = shared;
    parser->text_owned = false;
    parser->used = true;
    parser->body = NULL;
    http_parser_next(parser);
}

void http_parser_close(struct http_parser *parser)
{
    if (parser->text_owned)
        free(parser->text);
    free(parser->body);
    parser->text_owned = false;
    parser->body = NULL;
}

void http_parser_next(struct http_parser *parser)
{
    const struct http_parser_shared *shared = parser->shared;
    if (parser->text_owned || parser->body != NULL)
        http_parser_close(parser);
    if (parser->used) {
        parser->llhttp = shared->fresh;
        parser->llhttp.data = parser;
        parser->used = false;
    }
    parser->text = shared->scratch;
    parser->text_capacity = shared->max_header_bytes;
    parser->body_capacity = 0;
    memset(&parser->message, 0, sizeof parser->message);
}

/* ------------------------------------------------------------------ the same again */

/* Are these bytes the message before, with its text still in the scratch? */
static bool recall(struct http_parser *parser, const char *bytes, size_t length)
{
    const struct http_parser_shared *shared = parser->shared;
    if (shared->memo_length == 0 || length < shared->memo_length ||
        memcmp(bytes, shared->memo_bytes, shared->memo_length) != 0)
        return false;
    parser->message = shared->memo;
    return true;
}

/* A message without content that came whole. */
static void memorise(struct http_parser *parser, const char *bytes, size_t length)
{
    struct http_parser_shared *shared = parser->shared;
    if (length > HTTP_MEMO_BYTES || parser->text_owned || parser->message.body_bytes > 0)
        return;
    memcpy(shared->memo_bytes, bytes, length);
    shared->memo = parser->message;
    shared->memo_length = length;
}

/* Empty lines in front of a request are read over (RFC 9112, section 2.2). llhttp would do so, but
 * it takes a lone CR or LF for one. Returns how many bytes they have. */
static size_t skip_empty_lines(struct http_parser *parser, const char *bytes, size_t length)
{
    size_t at = 0;
    while (at < length && (parser->message.half_line || bytes[at] == '\r' || bytes[at] == '\n')) {
        if (bytes[at] != (parser->message.half_line ? '\n' : '\r')) {
            http_refuse(parser, 400, HTTP_BAD_LINE_END);
            break;
        }
        parser->message.half_line = !parser->message.half_line;
        at++;
    }
    return at;
}

/* What is neither text nor content has an end as well: white space in the head, sizes of chunks. */
static void check_overhead(struct http_parser *parser)
{
    const struct http_parser_shared *shared = parser->shared;
    size_t limit = shared->max_header_bytes + 8 * shared->max_body_bytes;
    if (parser->message.head_bytes > 2 * shared->max_header_bytes)
        http_refuse(parser, 431, "the field lines are longer than this server reads");
    if (parser->message.body_bytes - parser->message.request.body_bytes > limit)
        http_refuse(parser, 413, "the chunks are longer than this server reads");
}

/* llhttp takes a lone LF for the end of a head, of chunked content and of a request line, behind
 * which a field line or the end of the head follows. */
static void check_last_line(struct http_parser *parser, const char *end, bool was_head)
{
    bool ends_line = was_head || parser->message.coded;
    if (ends_line && (http_parser_byte_before(parser, end, 2) != '\r' ||
                      http_parser_byte_before(parser, end, 4) != '\r'))
        parser->message.lone_lf = true;
    if (parser->message.lone_lf)
        http_refuse(parser, 400, HTTP_BAD_LINE_END);
}

/* Feeds llhttp up to the end of the bytes, of the head or of the message; returns how many it took.
 */
static size_t execute(struct http_parser *parser, const char *bytes, size_t length)
{
    bool was_head = !parser->message.in_body;
    parser->input = bytes;
    parser->used = true;
    if (!parser->text_owned)
        parser->shared->memo_length = 0; /* its text is being overwritten */
    llhttp_resume(&parser->llhttp);
    llhttp_errno_t error = llhttp_execute(&parser->llhttp, bytes, length);
    const char *end = error == HPE_OK ? bytes + length : llhttp_get_error_pos(&parser->llhttp);
    if (error == HPE_PAUSED)
        check_last_line(parser, end, was_head);
    else if (error != HPE_OK)
        http_refuse_malformed(parser, error, end, bytes + length);
    *(was_head ? &parser->message.head_bytes : &parser->message.body_bytes) +=
        (size_t)(end - bytes);
    check_overhead(parser);
    return (size_t)(end - bytes);
}

/* The read ends in mid-message: what is needed of it later must not stay in shared memory. */
static void keep_message(struct http_parser *parser, const char *end)
{
    remember_bytes(parser, end);
    http_content_keep(parser, parser->message.request.body_bytes);
    if (text_keep(parser) != 0)
        http_refuse(parser, 503, "out of memory");
}

size_t http_parser_feed(struct http_parser *parser, const char *bytes, size_t length,
                        enum http_parser_event *event)
{
    bool whole = !parser->message.begun && !parser->message.half_line;
    bool had_head = parser->message.in_body;
    if (whole && recall(parser, bytes, length)) {
        *event = HTTP_PARSER_MESSAGE;
        return parser->shared->memo_length;
    }
    size_t consumed = parser->message.begun ? 0 : skip_empty_lines(parser, bytes, length);
    *event = HTTP_PARSER_MORE;
    while (consumed < length && parser->message.refusal.status == 0 && !parser->message.complete)
        consumed += execute(parser, bytes + consumed, length - consumed);

    if (parser->message.refusal.status == 0 && parser->message.begun && !parser->message.complete) {
        keep_message(parser, bytes + consumed);
        if (parser->message.in_body && !had_head && parser->message.body_bytes == 0 &&
            parser->message.expects)
            *event = HTTP_PARSER_EXPECTS;
    }
    if (parser->message.refusal.status != 0)
        *event = HTTP_PARSER_REFUSED;
    else if (parser->message.complete)
        *event = HTTP_PARSER_MESSAGE;
    if (*event == HTTP_PARSER_MESSAGE && whole)
        memorise(parser, bytes, consumed);
    return consumed;
}
