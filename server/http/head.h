/* head.h – what the head of a message means, and whether it may say so; for parser.c.
 *
 * llhttp finds where names, values and the target begin and end. What they say is judged here: the
 * fields that decide about framing and routing, the version, the transfer codings, the target.
 * docs/http.md lists what is refused, with the section that says why.
 *
 * All functions return 0, or something else after they have refused the message. */
#ifndef OFFLOOP_HTTP_HEAD_H
#define OFFLOOP_HTTP_HEAD_H

#include "server/http/parser.h"

/* Every refusal goes through here; the first one stands. Never returns 0. */
int http_refuse(struct http_parser *parser, int status, const char *detail);

/* A field line is complete; `length` is that of the name. In a trailer the fields of framing and
 * routing are refused, whatever they say (RFC 9110, section 6.5.1). */
int http_head_check_field(struct http_parser *parser, const char *name, size_t length,
                          const char *value);

/* All field lines are there. Fills in the request's method, version, persistence and target; path
 * and query are left as offsets, because the text may still move. */
int http_head_check(struct http_parser *parser);

#endif
