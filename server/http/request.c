/* request.c – looking things up in a parsed request. Nothing here allocates or keeps state. */
#include "server/http/request.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "server/http/syntax.h"

/* `field` is where a name stands, or the end. */
static const char *find_field(const char *field, const char *name)
{
    while (*field != '\0') {
        const char *value = field + strlen(field) + 1;
        if (strcasecmp(field, name) == 0)
            return value;
        field = value + strlen(value) + 1;
    }
    return NULL;
}

const char *http_request_field(const struct http_request *request, const char *name)
{
    return find_field(request->fields, name);
}

const char *http_request_next_field(const char *value, const char *name)
{
    return find_field(value + strlen(value) + 1, name);
}

/* preference = token [ BWS "=" BWS ( token / quoted-string ) ] *( OWS ";" … ) (RFC 7240, section
 * 2). Gives the bounds of the value as it stands; false if there is none, or something else follows
 * it.
 */
static bool preference_value(const char *element, size_t element_length, const char **value,
                             size_t *length)
{
    const char *at = http_skip_blanks(http_skip_token(element));
    if (*at != '=')
        return false;
    *value = http_skip_blanks(at + 1);
    at = **value == '"' ? http_skip_quoted(*value) : http_skip_token(*value);
    *length = (size_t)(at - *value);
    at = http_skip_blanks(at);
    return *length > 0 && (at >= element + element_length || *at == ';');
}

/* The preference of this name, from the first element that names it. */
static const char *find_preference(const struct http_request *request, const char *name,
                                   size_t *length)
{
    const char *list = find_field(request->fields, "prefer");
    for (; list != NULL; list = http_request_next_field(list, "prefer")) {
        const char *cursor = list, *element;
        while ((element = http_quoted_list_next(&cursor, length)) != NULL) {
            if (http_element_is(element, (size_t)(http_skip_token(element) - element), name))
                return element;
        }
    }
    return NULL;
}

bool http_request_wait(const struct http_request *request, uint64_t *seconds)
{
    static const uint64_t most = UINT64_C(1) << 31; /* RFC 9111, section 1.2.2 */
    uint64_t number = 0;
    size_t length;
    const char *digits, *element = find_preference(request, "wait", &length);
    if (element == NULL || !preference_value(element, length, &digits, &length))
        return false;
    for (size_t i = 0; i < length; i++) {
        if (digits[i] < '0' || digits[i] > '9')
            return false;
        number = number * 10 + (uint64_t)(digits[i] - '0');
        number = number < most ? number : most;
    }
    *seconds = number;
    return true;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
        return (c | 0x20) - 'a' + 10;
    return -1;
}

int http_percent_decode(const char *from, size_t length, bool plus, char *to, size_t to_size)
{
    size_t out = 0;
    for (size_t in = 0; in < length; in++) {
        char c = from[in];
        if (c == '%') {
            int high = in + 2 < length ? hex_digit(from[in + 1]) : -1;
            int low = in + 2 < length ? hex_digit(from[in + 2]) : -1;
            if (high < 0 || low < 0 || (high | low) == 0)
                return -EINVAL;
            c = (char)(high * 16 + low);
            in += 2;
        } else if (c == '+' && plus) {
            c = ' ';
        }
        if (out + 1 >= to_size)
            return -ENAMETOOLONG;
        to[out++] = c;
    }
    to[out] = '\0';
    return (int)out;
}

int http_query_next(const char **cursor, char *name, size_t name_size, char *value,
                    size_t value_size)
{
    const char *pair = *cursor + strspn(*cursor, "&");
    if (*pair == '\0')
        return 0;
    size_t length = strcspn(pair, "&");
    size_t name_length = strcspn(pair, "=&");
    const char *text = pair + name_length + (name_length < length ? 1 : 0);
    int rc = http_percent_decode(pair, name_length, true, name, name_size);
    if (rc >= 0)
        rc = http_percent_decode(text, length - (size_t)(text - pair), true, value, value_size);
    *cursor = pair + length;
    return rc < 0 ? rc : 1;
}
