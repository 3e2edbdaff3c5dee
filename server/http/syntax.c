/* syntax.c – see syntax.h.
 *
 * What is asked for every request is answered from sets of bits, 64 characters to a word;
 * tests/unit/syntax_test.c holds them to the strings that the RFCs write. */
#include "server/http/syntax.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

/* Letters, digits and "!#$%&'*+-.^_`|~" (RFC 9110, section 5.6.2). */
static const uint64_t token_characters[4] = {0x03ff6cfa00000000, 0x57ffffffc7fffffe};

/* unreserved and sub-delims (RFC 3986, section 3.2.2), but for the comma: two values in one line
 * are two hosts. */
static const uint64_t name_characters[4] = {0x2bff6fd200000000, 0x47fffffe87fffffe};

/* unreserved, sub-delims and "%/:@?" (RFC 3986, sections 3.3 and 3.4). */
static const uint64_t target_characters[4] = {0xaffffff200000000, 0x47fffffe87ffffff};

static bool set_has(const uint64_t set[4], char character)
{
    unsigned char c = (unsigned char)character;
    return (set[c / 64] >> (c % 64) & 1) != 0;
}

bool http_is_token_char(unsigned char c)
{
    return set_has(token_characters, (char)c);
}

static bool is_port(const char *text, size_t length)
{
    unsigned port = 0;
    for (size_t i = 0; i < length; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        port = port * 10 + (unsigned)(text[i] - '0');
        if (port > 65535)
            return false;
    }
    return true;
}

static bool is_ipv6(const char *text, size_t length)
{
    char copy[INET6_ADDRSTRLEN];
    struct in6_addr address;
    if (length >= sizeof copy)
        return false;
    memcpy(copy, text, length);
    copy[length] = '\0';
    return inet_pton(AF_INET6, copy, &address) == 1;
}

static bool is_registered_name(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (set_has(name_characters, text[i]))
            continue;
        if (text[i] != '%' || length - i < 3 || !isxdigit((unsigned char)text[i + 1]) ||
            !isxdigit((unsigned char)text[i + 2]))
            return false;
        i += 2;
    }
    return length > 0;
}

bool http_is_host(const char *text, size_t length)
{
    const char *end = text + length;
    const char *host_end;
    if (length > 0 && *text == '[') {
        const char *bracket = memchr(text, ']', length);
        if (bracket == NULL || !is_ipv6(text + 1, (size_t)(bracket - text) - 1))
            return false;
        host_end = bracket + 1;
    } else {
        const char *colon = memchr(text, ':', length);
        host_end = colon != NULL ? colon : end;
        if (!is_registered_name(text, (size_t)(host_end - text)))
            return false;
    }
    if (host_end == end)
        return true;
    return *host_end == ':' && is_port(host_end + 1, (size_t)(end - host_end) - 1);
}

static bool is_ipv4(const char *text, size_t length)
{
    char copy[INET_ADDRSTRLEN];
    struct in_addr address;
    if (length >= sizeof copy)
        return false;
    memcpy(copy, text, length);
    copy[length] = '\0';
    return inet_pton(AF_INET, copy, &address) == 1;
}

bool http_is_known_host(const char *authority, size_t length, const char *const *names)
{
    const char *colon = memchr(authority, ':', length);
    size_t host_length = colon != NULL ? (size_t)(colon - authority) : length;
    if (*authority == '[' || is_ipv4(authority, host_length) ||
        http_element_is(authority, host_length, "localhost"))
        return true;
    while (*names != NULL && !http_element_is(authority, host_length, *names))
        names++;
    return *names != NULL;
}

bool http_is_target(const char *text)
{
    while (set_has(target_characters, *text))
        text++;
    return *text == '\0';
}

const char *http_skip_token(const char *text)
{
    while (http_is_token_char((unsigned char)*text))
        text++;
    return text;
}

const char *http_skip_blanks(const char *text)
{
    while (http_is_blank(*text))
        text++;
    return text;
}

const char *http_skip_quoted(const char *text)
{
    for (text++; *text != '\0' && *text != '"'; text++) {
        if (*text == '\\' && text[1] != '\0')
            text++;
    }
    return *text == '"' ? text + 1 : text;
}

static const char *list_next(const char **cursor, size_t *length, bool quotes)
{
    const char *element = *cursor;
    while (http_is_blank(*element) || *element == ',')
        element++;
    const char *end = element;
    while (*end != '\0' && *end != ',')
        end = quotes && *end == '"' ? http_skip_quoted(end) : end + 1;
    *cursor = end;
    while (end > element && http_is_blank(end[-1]))
        end--;
    *length = (size_t)(end - element);
    return *length > 0 ? element : NULL;
}

const char *http_list_next(const char **cursor, size_t *length)
{
    return list_next(cursor, length, false);
}

const char *http_quoted_list_next(const char **cursor, size_t *length)
{
    return list_next(cursor, length, true);
}

bool http_element_is(const char *element, size_t length, const char *token)
{
    return strlen(token) == length && strncasecmp(element, token, length) == 0;
}

bool http_list_has(const char *list, const char *token)
{
    const char *element;
    size_t length;
    while ((element = http_list_next(&list, &length)) != NULL) {
        if (http_element_is(element, length, token))
            return true;
    }
    return false;
}

const char *http_skip_authority(const char *target, const char **authority, size_t *length)
{
    size_t scheme = strcspn(target, ":");
    bool known = (scheme == 4 && strncasecmp(target, "http", 4) == 0) ||
                 (scheme == 5 && strncasecmp(target, "https", 5) == 0);
    if (!known || strncmp(target + scheme, "://", 3) != 0)
        return NULL;
    *authority = target + scheme + 3;
    *length = strcspn(*authority, "/?");
    return *authority + *length;
}
