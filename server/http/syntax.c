/* syntax.c – see syntax.h. Each table is a string of what is allowed, as the RFCs write it. */
#include "server/http/syntax.h"

#include <arpa/inet.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#define DIGITS     "0123456789"
#define LETTERS    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define UNRESERVED LETTERS DIGITS "-._~"
#define SUB_DELIMS "!$&'()*+,;="

bool http_is_token_char(unsigned char c)
{
    return c != '\0' && strchr(LETTERS DIGITS "!#$%&'*+-.^_`|~", c) != NULL;
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
        if (text[i] == '%') {
            if (length - i < 3 || strspn(text + i + 1, DIGITS "abcdefABCDEF") < 2)
                return false;
        } else if (text[i] == '\0' || strchr(UNRESERVED SUB_DELIMS, text[i]) == NULL) {
            return false;
        }
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
        /* A comma is a sub-delim, but two values in one line are two hosts. */
        size_t host_length = (size_t)(host_end - text);
        if (!is_registered_name(text, host_length) || memchr(text, ',', host_length) != NULL)
            return false;
    }
    if (host_end == end)
        return true;
    return *host_end == ':' && is_port(host_end + 1, (size_t)(end - host_end) - 1);
}

bool http_is_target(const char *text)
{
    /* UNRESERVED SUB_DELIMS "%/:@?" as a set of bits, because this runs for every request;
     * tests/unit/syntax_test.c holds it to the strings. */
    static const uint64_t allowed[4] = {0xaffffff200000000, 0x47fffffe87ffffff, 0, 0};
    for (const unsigned char *c = (const unsigned char *)text; *c != '\0'; c++) {
        if ((allowed[*c / 64] >> (*c % 64) & 1) == 0)
            return false;
    }
    return true;
}

bool http_list_has(const char *list, const char *token)
{
    size_t length = strlen(token);
    for (const char *item = list; *item != '\0'; item += strcspn(item, ",")) {
        item += strspn(item, ", \t");
        if (strcspn(item, ", \t") == length && strncasecmp(item, token, length) == 0)
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
