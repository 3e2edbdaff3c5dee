/* bounded.c – see bounded.h. Not strtoull: it takes blanks, signs and "0x", and reports overflow
 * through errno. */
#include "kernel/bounded.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { SHOWN_VALUE_CHARACTERS = BOUNDED_SHOWN_BYTES - sizeof "..." };

/* Returns 0, -EINVAL or -ERANGE. */
static int parse_integer(const char *text, uint64_t *value)
{
    uint64_t parsed = 0;
    bool too_large = false;
    if (*text == '\0')
        return -EINVAL;
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9')
            return -EINVAL;
        unsigned digit = (unsigned)(*text - '0');
        too_large = too_large || parsed > (UINT64_MAX - digit) / 10;
        parsed = too_large ? 0 : parsed * 10 + digit;
    }
    *value = parsed;
    return too_large ? -ERANGE : 0;
}

void bounded_show(char shown[BOUNDED_SHOWN_BYTES], const char *value)
{
    size_t length = 0;
    for (; length < SHOWN_VALUE_CHARACTERS && value[length] != '\0'; length++) {
        char c = value[length];
        bool harmless = c >= ' ' && c <= '~' && strchr("\"'`\\", c) == NULL;
        shown[length] = harmless ? c : '?';
    }
    strcpy(shown + length, value[length] == '\0' ? "" : "...");
}

int bounded_integer(const char *name, uint64_t min, uint64_t max, const char *text, uint64_t *value,
                    char *error, size_t error_bytes)
{
    uint64_t parsed;
    int rc = parse_integer(text, &parsed);
    if (rc == 0 && parsed >= min && parsed <= max) {
        *value = parsed;
        return 0;
    }
    char shown[BOUNDED_SHOWN_BYTES];
    bounded_show(shown, text);
    snprintf(error, error_bytes,
             "%s must be an integer from %" PRIu64 " to %" PRIu64 "; got \"%s\"", name, min, max,
             shown);
    return rc != 0 ? rc : -ERANGE;
}

int bounded_choice_error(const char *name, const char *choices, const char *text, char *error,
                         size_t error_bytes)
{
    char shown[BOUNDED_SHOWN_BYTES];
    bounded_show(shown, text);
    snprintf(error, error_bytes, "%s must be one of %s; got \"%s\"", name, choices, shown);
    return -EINVAL;
}
