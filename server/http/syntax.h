/* syntax.h – the grammar that llhttp does not check: predicates over NUL-terminated text.
 *
 * Pure functions; any thread. */
#ifndef OFFLOOP_HTTP_SYNTAX_H
#define OFFLOOP_HTTP_SYNTAX_H

#include <stdbool.h>
#include <stddef.h>

/* A token character (RFC 9110, section 5.6.2). */
bool http_is_token_char(unsigned char c);

/* A character of optional white space (RFC 9110, section 5.6.3). */
static inline bool http_is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* uri-host [ ":" port ] with a host that is not empty, as http URIs demand (RFC 9110,
 * sections 4.2.1 and 7.2; RFC 3986, section 3.2.2). */
bool http_is_host(const char *text, size_t length);

/* Of such an authority, is the host an IP address, "localhost" or one of these names (in any case;
 * a list ended by NULL)? No name server can make any of them mean another machine. */
bool http_is_known_host(const char *authority, size_t length, const char *const *names);

/* Only characters that may stand in a path and a query (RFC 3986, appendix A). */
bool http_is_target(const char *text);

/* Takes the next element of a list (RFC 9110, section 5.6.1), without the white space around it,
 * from *cursor, which moves behind it. Returns NULL at the end; empty elements are passed over.
 * Quotes are not looked at: the lists that matter here have no use for them. */
const char *http_list_next(const char **cursor, size_t *length);

/* The same for a list whose elements may hold quoted strings, in which a comma separates nothing.
 */
const char *http_quoted_list_next(const char **cursor, size_t *length);

/* What follows a token, blanks, or a quoted string with its escapes (RFC 9110, sections 5.6.2 to
 * 5.6.4), where these begin; a quoted string that nothing closes reaches to the end of the text. */
const char *http_skip_token(const char *text);
const char *http_skip_blanks(const char *text);
const char *http_skip_quoted(const char *text);

/* Is this element that token, in any case? */
bool http_element_is(const char *element, size_t length, const char *token);

/* Does this list have that element? */
bool http_list_has(const char *list, const char *token);

/* The authority of an absolute-form target: skips "http://" or "https://" and gives the authority's
 * bounds (RFC 9112, section 3.2.2). Returns what follows the authority, or NULL for another scheme.
 */
const char *http_skip_authority(const char *target, const char **authority, size_t *length);

#endif
