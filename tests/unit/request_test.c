/* request_test.c – fields, preferences, queries and escapes of a parsed request. */
#include "server/http/request.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void test_field(void **state)
{
    const struct http_request request = {.fields = "Host\0a\0X-Empty\0\0x-a\0first\0X-A\0second\0"};
    const struct http_request none = {.fields = ""};
    (void)state;
    assert_string_equal(http_request_field(&request, "host"), "a");
    assert_string_equal(http_request_field(&request, "X-EMPTY"), "");
    assert_string_equal(http_request_field(&request, "X-A"), "first");
    assert_null(http_request_field(&request, "X"));
    assert_null(http_request_field(&request, "a")); /* a value is no name */
    assert_null(http_request_field(&request, "first"));
    assert_null(http_request_field(&none, "host"));
}

/* Field lines of this name as a request has them; in `lines` they are divided by '|'. */
static struct http_request request_with(char fields[300], const char *name, const char *lines)
{
    size_t at = 0;
    while (*lines != '\0') {
        size_t length = strcspn(lines, "|");
        at += (size_t)snprintf(fields + at, 300 - at, "%s", name) + 1;
        at += (size_t)snprintf(fields + at, 300 - at, "%.*s", (int)length, lines) + 1;
        lines += length + (lines[length] != '\0');
    }
    fields[at] = '\0';
    return (struct http_request){.fields = fields};
}

static bool prefers_to(const char *accept, const char *type, const char *to)
{
    char fields[300];
    struct http_request request = request_with(fields, "Accept", accept);
    return http_request_prefers(&request, type, to);
}

static bool prefers(const char *accept, const char *type)
{
    return prefers_to(accept, type, "application/json");
}

/* RFC 9110, sections 12.4.2 and 12.5.1 */
static void test_prefers(void **state)
{
    static const char *const wanted[] = {
        "image/png",
        "IMAGE/PNG",
        "image/*",
        "text/html, image/*",
        "text/html,image/png;q=0.1",
        "image/png; q=0.001",
        "image/png;q=1.0",
        "image/png;seq=0",
        "a/b;q=0, image/png",
        ", ,image/png",
    };
    static const char *const others[] = {
        "",
        "*/*",
        "text/html, */*;q=0.8",
        "image/pn",
        "image/pngx",
        "image",
        "image/",
        "video/*",
        "image/png;q=0",
        "image/png; q=0.000",
        "image/*;Q=0",
        "xx/image/png",
        "image/png ;q=0",
    };
    (void)state;
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        if (!prefers(wanted[i], "image/png"))
            fail_msg("%s", wanted[i]);
    }
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        if (prefers(others[i], "image/png"))
            fail_msg("%s", others[i]);
    }
    assert_false(prefers("", "image/png"));
}

/* Weights, several lines, and which of two ranges counts. */
static void test_prefers_by_weight(void **state)
{
    static const char *const wanted[] = {
        "application/json;q=0.5, image/png",
        "application/json;q=0.5|image/png",
        "text/html|image/png|a/b",
        "image/png;q=0.502, application/json;q=0.501",
        "*/*;q=0.1, image/png;q=0.2",
        "image/*;q=0.8, */*;q=0.8",
        "image/*, */*",
        "application/json;q=0, */*",
        "image/*;q=0, image/png",
        "image/png;q=1, image/*;q=0.1, application/json;q=0.5",
        "application/*;q=0.5, */*",
        "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8", /* Chrome's <img> */
        "image/avif,image/webp,image/png,image/svg+xml,image/*;q=0.8,*/*;q=0.5", /* Firefox's */
        "application/json;q=\"0.5\", image/png",
        "a/b;c=\"x, application/json\", image/png",
    };
    static const char *const others[] = {
        "image/png;q=0.5, application/json",
        "image/png;q=0.5|application/json",
        "application/json|image/png;q=0.5",
        "image/png;q=0.5, */*",
        "image/png;q=0.501, application/json;q=0.502",
        "image/png, application/json",
        "image/*, application/json",
        "image/*, image/png;q=0",
        "image/png;q=0, image/*",
        "image/png;q=0.1, image/*;q=1, application/json;q=0.5",
        "image/png;q=0|*/*;q=0",
        "image/png;q=x",
        "image/png;q=",
        "image/png ; Q = 0",
        "a/b;c=\"x, image/png\"",
        "a/b;c=\"image/png",
        "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
    };
    (void)state;
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        if (!prefers(wanted[i], "image/png"))
            fail_msg("%s", wanted[i]);
    }
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        if (prefers(others[i], "image/png"))
            fail_msg("%s", others[i]);
    }
}

/* A range with parameters is more exact, and names only what has them as it says. */
static void test_prefers_by_parameters(void **state)
{
    static const char one[] = "a/b; version=1.0.0; charset=utf-8", two[] = "text/plain; version=2";
    (void)state;
    assert_true(prefers_to("a/b", one, two));
    assert_true(prefers_to("a/b;version=1.0.0", one, two));
    assert_true(prefers_to("a/b;version=\"1.0.0\";q=0.1", one, two));
    assert_true(prefers_to("a/b;escaping=values;VERSION=1.0.0", one, two));
    assert_true(prefers_to("a/b;charset=UTF-8, */*", one, two));
    assert_true(prefers_to("a/b;q=0.1, a/b;version=1.0.0;q=0.9, text/plain;q=0.5", one, two));
    assert_true(prefers_to("a/b;version=1.0.0;q=0.5, text/plain;version=1, */*;q=0.1", one, two));
    assert_false(prefers_to("a/b;version=0.0.1", one, two));
    assert_false(prefers_to("a/b;version=1.0.0;charset=latin1", one, two));
    assert_false(prefers_to("a/b;version=1.0.0;q=0.5, text/plain;version=2", one, two));
    assert_false(prefers_to("a/b;version=1.0.0;q=0.1, a/b;q=0.9, text/plain;q=0.5", one, two));
}

/* RFC 7240, sections 2 and 4.3. */
static void assert_wait(const char *lines, bool said, uint64_t expected)
{
    char fields[300];
    uint64_t seconds = 77;
    struct http_request request = request_with(fields, "Prefer", lines);
    if (http_request_wait(&request, &seconds) != said)
        fail_msg("%s", fields + sizeof "Prefer");
    assert_int_equal(seconds, said ? expected : 77);
}

static void test_wait(void **state)
{
    (void)state;
    assert_wait("wait=10", true, 10);
    assert_wait("WAIT=0", true, 0);
    assert_wait("Wait\t= 007 ", true, 7);
    assert_wait("respond-async, wait=10", true, 10);
    assert_wait("respond-async|wait=10", true, 10);
    assert_wait(" , ,foo; a=\"b,c\" ;d, wait=3;x=y", true, 3);
    assert_wait("a=\"x, wait=1\", wait=2", true, 2);
    assert_wait("a=\"\\\", wait=1\", wait=2", true, 2);
    assert_wait("wait=1, wait=2|wait=3", true, 1);
    assert_wait("wait=2147483647", true, 2147483647);
    assert_wait("wait=2147483649", true, 2147483648);
    assert_wait("wait=99999999999999999999999999", true, 2147483648);
}

static void test_wait_that_is_none(void **state)
{
    static const char *const lines[] = {
        "",
        "wait",
        "wait=",
        "wait=\"10\"",
        "wait=-1",
        "wait=+1",
        "wait=0.5",
        "wait=1s",
        "wait=1 2",
        "wait=0x10",
        "wait=x, wait=5",
        "await=1",
        "waits=1",
        "a; wait=10",
        "a=wait=10",
        "=wait=10",
        "a=\"x, wait=10",
        "wait=\"",
        "wait==1",
        "\"wait=1\"",
        "wait;wait=1",
        "a b, c=\"",
        "wait=1\xc3\xa4,wait=2",
    };
    (void)state;
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        assert_wait(lines[i], false, 0);
    assert_false(
        http_request_wait(&(struct http_request){.fields = "Wait\0Prefer\0"}, &(uint64_t){0}));
}

static void assert_pairs(const char *query, const char *pairs)
{
    char name[20], value[20], found[200] = "";
    int rc;
    while ((rc = http_query_next(&query, name, sizeof name, value, sizeof value)) > 0) {
        size_t at = strlen(found);
        snprintf(found + at, sizeof found - at, "%s=%s|", name, value);
    }
    assert_int_equal(rc, 0);
    assert_string_equal(found, pairs);
}

static void test_queries(void **state)
{
    (void)state;
    assert_pairs("", "");
    assert_pairs("&&", "");
    assert_pairs("a=b", "a=b|");
    assert_pairs("a=b&c=d", "a=b|c=d|");
    assert_pairs("&a=b&&c=d&", "a=b|c=d|");
    assert_pairs("a", "a=|");
    assert_pairs("a&b=", "a=|b=|");
    assert_pairs("=b", "=b|");
    assert_pairs("a=b=c", "a=b=c|");
    assert_pairs("a+b=c%20d%26%3d&e=%2B", "a b=c d&=|e=+|");
}

static void test_bad_queries(void **state)
{
    char name[4], value[4];
    const char *cursor;
    (void)state;
    cursor = "a=%";
    assert_int_equal(http_query_next(&cursor, name, 4, value, 4), -EINVAL);
    cursor = "%zz=a";
    assert_int_equal(http_query_next(&cursor, name, 4, value, 4), -EINVAL);
    cursor = "a=%00";
    assert_int_equal(http_query_next(&cursor, name, 4, value, 4), -EINVAL);
    cursor = "a=%4&1=2"; /* an escape does not reach into the next pair */
    assert_int_equal(http_query_next(&cursor, name, 4, value, 4), -EINVAL);
    assert_int_equal(http_query_next(&cursor, name, 4, value, 4), 1); /* and one may go on */
    assert_string_equal(name, "1");
    cursor = "abcd=a";
    assert_int_equal(http_query_next(&cursor, name, 4, value, 4), -ENAMETOOLONG);
    cursor = "a=abcd";
    assert_int_equal(http_query_next(&cursor, name, 4, value, 4), -ENAMETOOLONG);
    cursor = "abc=%61bc";
    assert_int_equal(http_query_next(&cursor, name, 4, value, 4), 1);
    assert_string_equal(value, "abc");
}

static void test_escapes(void **state)
{
    char text[16];
    (void)state;
    assert_int_equal(http_percent_decode("a%62+c", 6, false, text, sizeof text), 4);
    assert_string_equal(text, "ab+c");
    assert_int_equal(http_percent_decode("a%62+c", 6, true, text, sizeof text), 4);
    assert_string_equal(text, "ab c");
    assert_int_equal(http_percent_decode("", 0, true, text, 1), 0);
    assert_string_equal(text, "");
    assert_int_equal(http_percent_decode("%ff%Fe", 6, false, text, sizeof text), 2);
    assert_string_equal(text, "\xff\xfe");
    assert_int_equal(http_percent_decode("%6", 2, false, text, sizeof text), -EINVAL);
    assert_int_equal(http_percent_decode("%61", 2, false, text, sizeof text), -EINVAL);
    assert_int_equal(http_percent_decode("%6g", 3, false, text, sizeof text), -EINVAL);
    assert_int_equal(http_percent_decode("%00", 3, false, text, sizeof text), -EINVAL);
    assert_int_equal(http_percent_decode("ab", 2, false, text, 2), -ENAMETOOLONG);
    assert_int_equal(http_percent_decode("ab", 2, false, text, 3), 2);
}

/* Every byte, in both cases of its digits, but for NUL. */
static void test_every_escape(void **state)
{
    (void)state;
    for (unsigned byte = 1; byte < 256; byte++) {
        char escape[4], text[4];
        for (int upper = 0; upper < 2; upper++) {
            snprintf(escape, sizeof escape, upper ? "%%%02X" : "%%%02x", byte);
            assert_int_equal(http_percent_decode(escape, 3, true, text, sizeof text), 1);
            assert_int_equal((unsigned char)text[0], byte);
        }
    }
}

static void test_decoding_in_place(void **state)
{
    char text[] = "/a%2Fb%20c";
    (void)state;
    assert_int_equal(http_percent_decode(text, strlen(text), false, text, sizeof text), 6);
    assert_string_equal(text, "/a/b c");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_field),
        cmocka_unit_test(test_prefers),
        cmocka_unit_test(test_prefers_by_weight),
        cmocka_unit_test(test_prefers_by_parameters),
        cmocka_unit_test(test_wait),
        cmocka_unit_test(test_wait_that_is_none),
        cmocka_unit_test(test_queries),
        cmocka_unit_test(test_bad_queries),
        cmocka_unit_test(test_escapes),
        cmocka_unit_test(test_every_escape),
        cmocka_unit_test(test_decoding_in_place),
    };
    return cmocka_run_group_tests_name("request", tests, NULL, NULL);
}
