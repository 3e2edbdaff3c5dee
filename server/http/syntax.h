/* syntax.h – the grammar that llhttp does not check: predicates over NUL-terminated text.
 *
 * Pure functions; any thread. */
#ifndef OFFLOOP_HTTP_SYNTAX_H
#define OFFLOOP_HTTP_SYNTAX_H

#include <stdbool.h>
#include <stddef.h>

/* A token character (RFC 9110, section 5.6.2). */
bool http_is_token_char(unsigned char c);

/* uri-host [ ":" port ] with a host that is not empty, as http URIs demand (RFC 9110,
 * sections 4.2.1 and 7.2; RFC 3986, section 3.2.2). */
bool http_is_host(const char *text, size_t length);

/* Only characters that may stand in a path and a query (RFC 3986, appendix A). */
bool http_is_target(const char *text);

/* Does this list (RFC 9110, section 5.6.1) name `token`, in any case? */
bool http_list_has(const char *list, const char *token);

/* The authority of an absolute-form target: skips "http://" or "https://" and gives the authority's
 * bounds (RFC 9112, section 3.2.2). Returns what follows the authority, or NULL for another scheme.
 */
const char *http_skip_authority(const char *target, const char **authority, size_t *length);

#endif
