/* malformed.h – what llhttp refuses, in this server's words. For parser.c, head.c and content.c
 * only.
 *
 * llhttp 8 and 9 refuse the same messages in different places, with other errors and other
 * sentences; some of what the one refuses the other lets through, so that it is refused here. A
 * sentence of this file belongs to the kind of line that could not be read: whoever refuses it, at
 * whichever of its bytes, says the same. */
#ifndef OFFLOOP_HTTP_MALFORMED_H
#define OFFLOOP_HTTP_MALFORMED_H

#include "server/http/parser.h"

#define HTTP_NO_REQUEST    "this is no HTTP request"
#define HTTP_BAD_TARGET    "the request target has a character that must be escaped"
#define HTTP_BAD_LINE_END  "a line must end by CR and LF"
#define HTTP_BAD_FIELD     "a field line must be a name that is a token, a colon, and a value"
#define HTTP_BAD_FOLD      "a field line may not be folded over several lines"
#define HTTP_BAD_LENGTH    "Content-Length is no number that can be a length"
#define HTTP_BAD_CODING    "chunked must be the last transfer coding, and there only once"
#define HTTP_BOTH_FRAMINGS "Content-Length and Transfer-Encoding exclude each other"
#define HTTP_BAD_TRAILER   "a trailer may not carry fields of framing or routing"
#define HTTP_BAD_CHUNK     "a chunk has a malformed size, extension or line end"

/* Refuses what llhttp stopped at with `error`, at `at` in the bytes that are being fed; `end` is
 * the end of these. Of a message that is refused already the first refusal stands. */
void http_refuse_malformed(struct http_parser *parser, llhttp_errno_t error, const char *at,
                           const char *end);

#endif
