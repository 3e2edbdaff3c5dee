/* content.c – see content.h. Every size has an end: of the content, of a chunk before it comes, and
 * of the extensions that nobody reads. */
#include "server/http/content.h"

#include <stdlib.h>
#include <string.h>

#include "server/http/head.h"
#include "server/http/malformed.h"

static int refuse_size(struct http_parser *parser)
{
    return http_refuse(parser, 413, "the content is larger than this server reads");
}

/* The size of a chunk is refused before its content comes. */
int http_content_on_chunk_header(llhttp_t *llhttp)
{
    struct http_parser *parser = http_parser_of(llhttp);
    size_t room = parser->shared->max_body_bytes - parser->message.request.body_bytes;
    return llhttp->content_length > room ? refuse_size(parser) : 0;
}

int http_content_on_extension_name(llhttp_t *llhttp, const char *at, size_t length)
{
    struct http_parser *parser = http_parser_of(llhttp);
    (void)at;
    parser->message.extension_piece += length;
    parser->message.extension_bytes += length;
    if (parser->message.extension_bytes > parser->shared->max_header_bytes)
        return http_refuse(parser, 413, "the chunk extensions are longer than this server reads");
    return 0;
}

/* A value is a token or a quoted string; llhttp also takes one in the middle of the other. An
 * escape in quotes, which llhttp 8 does not read, is refused with llhttp 9 too: what is answered
 * must not depend on which of them is there. */
int http_content_on_extension_value(llhttp_t *llhttp, const char *at, size_t length)
{
    struct http_parser *parser = http_parser_of(llhttp);
    if (parser->message.extension_piece == 0 && length > 0)
        parser->message.extension_quoted = *at == '"';
    if (!parser->message.extension_quoted && memchr(at, '"', length) != NULL)
        return http_refuse(parser, 400, HTTP_BAD_CHUNK);
    if (memchr(at, '\\', length) != NULL)
        return http_refuse(parser, 400, HTTP_BAD_CHUNK);
    parser->extension_end = at + length;
    return http_content_on_extension_name(llhttp, at, length);
}

int http_content_on_extension_name_complete(llhttp_t *llhttp)
{
    struct http_parser *parser = http_parser_of(llhttp);
    if (parser->message.extension_piece == 0)
        return http_refuse(parser, 400, HTTP_BAD_CHUNK);
    parser->message.extension_piece = 0;
    parser->message.extension_bytes++;
    return 0;
}

/* Behind a token and a semicolon llhttp 8 takes the end of the line but no name: the wrong way
 * round. */
int http_content_on_extension_value_complete(llhttp_t *llhttp)
{
    struct http_parser *parser = http_parser_of(llhttp);
    if (!parser->message.extension_quoted && *parser->extension_end == ';')
        return http_refuse(parser, 400, HTTP_BAD_CHUNK);
    return http_content_on_extension_name_complete(llhttp);
}

/* Content stays where it landed if all of it is there; a second piece, or a read that ends before
 * the message does, makes it move to memory of its own. */
int http_content_keep(struct http_parser *parser, size_t needed)
{
    struct http_request *request = &parser->message.request;
    if (needed <= parser->body_capacity)
        return 0;
    size_t capacity = 2 * needed < 4096 ? 4096 : 2 * needed;
    if (capacity > parser->shared->max_body_bytes)
        capacity = parser->shared->max_body_bytes;
    unsigned char *body = realloc(parser->body, capacity);
    if (body == NULL)
        return http_refuse(parser, 503, "out of memory");
    if (parser->body == NULL && request->body_bytes > 0)
        memcpy(body, request->body, request->body_bytes);
    request->body = parser->body = body;
    parser->body_capacity = capacity;
    return 0;
}

int http_content_on_body(llhttp_t *llhttp, const char *at, size_t length)
{
    struct http_parser *parser = http_parser_of(llhttp);
    struct http_request *request = &parser->message.request;
    if (length > parser->shared->max_body_bytes - request->body_bytes)
        return refuse_size(parser);
    if (request->body_bytes == 0) {
        request->body = (const unsigned char *)at;
    } else {
        if (http_content_keep(parser, request->body_bytes + length) != 0)
            return HPE_USER;
        memcpy(parser->body + request->body_bytes, at, length);
    }
    request->body_bytes += length;
    return 0;
}
