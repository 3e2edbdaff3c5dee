/* content.h – what a message carries: its content, in chunks or in one piece. For parser.c only.
 *
 * The callbacks of llhttp for content; each returns 0, or something else after it has refused the
 * message. */
#ifndef OFFLOOP_HTTP_CONTENT_H
#define OFFLOOP_HTTP_CONTENT_H

#include "server/http/parser.h"

int http_content_on_chunk_header(llhttp_t *llhttp);
int http_content_on_extension_name(llhttp_t *llhttp, const char *at, size_t length);
int http_content_on_extension_name_complete(llhttp_t *llhttp);
int http_content_on_extension_value(llhttp_t *llhttp, const char *at, size_t length);
int http_content_on_extension_value_complete(llhttp_t *llhttp);
int http_content_on_body(llhttp_t *llhttp, const char *at, size_t length);

/* Moves the content that has come to memory of its own, with room for `needed` bytes. */
int http_content_keep(struct http_parser *parser, size_t needed);

#endif
