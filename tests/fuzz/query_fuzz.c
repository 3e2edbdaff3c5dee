/* query_fuzz.c – the small functions that strangers' text goes through: queries, field lines,
 * hosts, lists, targets and bounded values.
 *
 * The first byte chooses the size of the buffers; the rest is text for all of them. Each text is in
 * a heap block of its exact size, so that a sanitizer sees any step beyond it. */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/bounded.h"
#include "server/http/request.h"
#include "server/http/syntax.h"

#define CHECK(condition) ((condition) ? (void)0 : fail(#condition))

static _Noreturn void fail(const char *what)
{
    fprintf(stderr, "fuzz: this does not hold: %s\n", what);
    abort();
}

static void *block(size_t bytes)
{
    void *memory = calloc(1, bytes > 0 ? bytes : 1);
    CHECK(memory != NULL);
    return memory;
}

static char *copy_text(const uint8_t *data, size_t size)
{
    char *text = block(size + 1);
    if (size > 0)
        memcpy(text, data, size);
    return text;
}

/* ------------------------------------------------------------------ escapes and queries */

static void check_decoded(const char *decoded, int length, size_t input, size_t room)
{
    CHECK((size_t)length <= input && (size_t)length < room);
    CHECK(strlen(decoded) == (size_t)length);
}

static void test_decode(const char *text, size_t room)
{
    size_t length = strlen(text);
    char *apart = block(room), *in_place = copy_text((const uint8_t *)text, length);
    int small = http_percent_decode(text, length, false, apart, room);
    int whole = http_percent_decode(in_place, length, false, in_place, length + 1);
    CHECK(small >= 0 || small == -EINVAL || small == -ENAMETOOLONG);
    CHECK(whole >= 0 || whole == -EINVAL);
    if (small >= 0) {
        check_decoded(apart, small, length, room);
        CHECK(whole == small && strcmp(apart, in_place) == 0);
    }
    if (whole >= 0)
        check_decoded(in_place, whole, length, length + 1);
    free(apart);
    free(in_place);
}

static void test_query(const char *text, size_t room)
{
    const char *cursor = text;
    char *name = block(room), *value = block(room);
    for (int rc = 1; rc != 0;) {
        const char *before = cursor;
        rc = http_query_next(&cursor, name, room, value, room);
        CHECK(rc == 1 || rc == 0 || rc == -EINVAL || rc == -ENAMETOOLONG);
        CHECK(cursor >= before && cursor <= text + strlen(text));
        CHECK(rc == 0 || cursor > before); /* so that it ends */
        if (rc == 1)
            CHECK(strlen(name) < room && strlen(value) < room);
    }
    free(name);
    free(value);
}

/* ------------------------------------------------------------------ field lines */

/* "name\nvalue\nname\nvalue", each of them ended by NUL, and one NUL behind the last. */
static char *make_fields(const uint8_t *data, size_t size)
{
    char *fields = block(2 * size + 4);
    size_t at = 0;
    bool in_name = true;
    for (size_t i = 0; i < size; i++) {
        bool ends = data[i] == '\n' || data[i] == '\0';
        if (ends && in_name && (at == 0 || fields[at - 1] == '\0'))
            continue; /* a name is not empty */
        fields[at++] = ends ? '\0' : (char)data[i];
        in_name = ends ? !in_name : in_name;
    }
    if (!in_name) /* the value that is open, or missing */
        at++;
    char *exact = realloc(fields, at + 3);
    CHECK(exact != NULL);
    memset(exact + at, 0, 3);
    return exact;
}

static void test_fields(const uint8_t *data, size_t size)
{
    static const char *const names[] = {"accept", "host", "x", ""};
    static const char *const types[] = {"image/png", "text/html", "application/json"};
    struct http_request request = {.fields = make_fields(data, size)};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *value = http_request_field(&request, names[i]);
        CHECK(value == NULL || strlen(value) <= size);
    }
    bool has_accept = http_request_field(&request, "accept") != NULL;
    for (size_t i = 0; i + 1 < sizeof types / sizeof *types; i++) {
        bool one = http_request_prefers(&request, types[i], types[i + 1]);
        bool other = http_request_prefers(&request, types[i + 1], types[i]);
        CHECK(!(one && other) && (has_accept || !(one || other)));
        CHECK(!http_request_prefers(&request, types[i], types[i]));
    }
    free((void *)(uintptr_t)request.fields);
}

static void test_accept(const char *text)
{
    size_t length = strlen(text);
    char *fields = block(length + sizeof "accept" + 2);
    memcpy(fields, "accept", sizeof "accept");
    memcpy(fields + sizeof "accept", text, length);
    struct http_request request = {.fields = fields};
    if (http_request_prefers(&request, "image/png", "text/plain; version=1"))
        CHECK(strstr(text, "/") != NULL);
    free(fields);
}

static void test_wait(const char *text)
{
    size_t length = strlen(text);
    uint64_t seconds = 0;
    char *fields = block(length + sizeof "prefer" + 2);
    memcpy(fields, "prefer", sizeof "prefer");
    memcpy(fields + sizeof "prefer", text, length);
    if (http_request_wait(&(struct http_request){.fields = fields}, &seconds))
        CHECK(seconds <= UINT64_C(1) << 31 && strchr(text, '=') != NULL);
    free(fields);
}

static void test_quoted_list(const char *text)
{
    const char *cursor = text, *element, *end = text;
    size_t length;
    while ((element = http_quoted_list_next(&cursor, &length)) != NULL) {
        CHECK(element >= end && length > 0 && cursor >= element + length);
        end = element + length;
        CHECK(end <= text + strlen(text));
    }
    CHECK(*cursor == '\0');
}

/* ------------------------------------------------------------------ syntax */

static void test_syntax(const char *text)
{
    size_t length = strlen(text);
    const char *authority = NULL;
    size_t authority_length = 0;
    const char *rest = http_skip_authority(text, &authority, &authority_length);
    if (rest != NULL) {
        CHECK(authority > text && authority + authority_length == rest && rest <= text + length);
        (void)http_is_host(authority, authority_length);
    }
    if (http_is_host(text, length))
        CHECK(length > 0 && strpbrk(text, " \t,/@?#\"<>") == NULL);
    if (http_is_target(text))
        CHECK(strpbrk(text, " \t\r\n#\"<>\\^`{|}") == NULL);
    CHECK(!http_list_has(text, "close") || strlen(text) >= 5);
}

/* ------------------------------------------------------------------ bounded values */

static void check_sentence(const char *sentence, size_t room)
{
    CHECK(memchr(sentence, '\0', room) != NULL);
    for (; *sentence != '\0'; sentence++)
        CHECK(*sentence >= ' ' && *sentence <= '~');
}

static void test_bounded(const char *text, size_t room)
{
    enum { MIN = 3, MAX = 4000000000, UNTOUCHED = 7 };
    uint64_t value = UNTOUCHED;
    char *error = block(room);
    int rc = bounded_integer("n", MIN, MAX, text, &value, error, room);
    if (rc == 0) {
        CHECK(value >= MIN && value <= MAX && value == strtoull(text, NULL, 10));
        CHECK(strspn(text, "0123456789") == strlen(text));
    } else {
        CHECK((rc == -EINVAL || rc == -ERANGE) && value == UNTOUCHED);
        CHECK(error[0] == 'n' || room == 1);
    }
    check_sentence(error, room);
    CHECK(bounded_choice_error("via", "a, b", text, error, room) == -EINVAL);
    check_sentence(error, room);
    free(error);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum { INPUT_MAX = 4096 };
    if (size < 1 || size > INPUT_MAX)
        return 0;
    size_t room = (size_t)data[0] + 1;
    char *text = copy_text(data + 1, size - 1);
    test_decode(text, room);
    test_query(text, room);
    test_fields(data + 1, size - 1);
    test_accept(text);
    test_wait(text);
    test_quoted_list(text);
    test_syntax(text);
    test_bounded(text, room);
    free(text);
    return 0;
}
