/* syntax_test.c – the grammar's predicates against the strings that the RFCs write. */
#include "server/http/syntax.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define DIGITS     "0123456789"
#define LETTERS    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define UNRESERVED LETTERS DIGITS "-._~"
#define SUB_DELIMS "!$&'()*+,;="

static bool among(const char *set, int c)
{
    return c != '\0' && strchr(set, c) != NULL;
}

/* RFC 9110, section 5.6.2: tchar */
static void test_token_characters(void **state)
{
    (void)state;
    for (int c = 0; c < 256; c++)
        assert_int_equal(http_is_token_char((unsigned char)c),
                         among("!#$%&'*+-.^_`|~" DIGITS LETTERS, c));
}

/* RFC 3986, section 3.3: pchar, "/" and "?" */
static void test_target_characters(void **state)
{
    char text[] = "/a?b";
    (void)state;
    for (int c = 1; c < 256; c++) {
        text[1] = (char)c;
        assert_int_equal(http_is_target(text), among(UNRESERVED SUB_DELIMS "%:@/?", c));
    }
    assert_true(http_is_target(""));
}

/* RFC 3986, section 3.2.2: reg-name; a comma is in it, but makes a list of Host */
static void test_host_characters(void **state)
{
    char text[] = "aXb";
    (void)state;
    for (int c = 0; c < 256; c++) {
        text[1] = (char)c;
        bool allowed = c != ',' && among(UNRESERVED SUB_DELIMS, c);
        if (c != ':') /* begins a port */
            assert_int_equal(http_is_host(text, 3), allowed);
    }
}

static void test_hosts(void **state)
{
    static const struct {
        const char *text;
        bool valid;
    } rows[] = {
        {"a", true},
        {"example.org:80", true},
        {"a:", true},
        {"a:0", true},
        {"a:65535", true},
        {"a:065535", true},
        {"127.0.0.1", true},
        {"[::1]", true},
        {"[::1]:8080", true},
        {"[::1]:", true},
        {"%41", true},
        {"a%2fb", true},
        {"", false},
        {":", false},
        {":80", false},
        {"a:65536", false},
        {"a:99999999999999999999", false},
        {"a:-1", false},
        {"a:8 0", false},
        {"a:b", false},
        {"a:1:2", false},
        {"[", false},
        {"[]", false},
        {"[::1", false},
        {"[::1]80", false},
        {"[::1]]", false},
        {"[1.2.3.4]", false},
        {"[::1%eth0]", false},
        {"[11111111111111111111111111111111111111111111111111111111]", false},
        {"%", false},
        {"%4", false},
        {"a%4", false},
        {"%4g", false},
        {"%g4", false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (http_is_host(rows[i].text, strlen(rows[i].text)) != rows[i].valid)
            fail_msg("%s", rows[i].text);
    }
}

/* What stands behind the bounds is not looked at. */
static void test_host_bounds(void **state)
{
    (void)state;
    assert_true(http_is_host("a/b", 1));
    assert_true(http_is_host("a:80/b", 4));
    assert_true(http_is_host("[::1]/b", 5));
    assert_false(http_is_host("%41", 2));
    assert_false(http_is_host("[::1]", 4));
}

static void assert_list(const char *list, const char *elements)
{
    char found[200] = "";
    const char *element;
    size_t length;
    while ((element = http_list_next(&list, &length)) != NULL) {
        strncat(found, element, length);
        strcat(found, "|");
    }
    assert_string_equal(found, elements);
    assert_null(http_list_next(&list, &length));
}

static void test_lists(void **state)
{
    (void)state;
    assert_list("", "");
    assert_list(" \t", "");
    assert_list(",", "");
    assert_list(" , ,\t,", "");
    assert_list("a", "a|");
    assert_list(" \ta\t ", "a|");
    assert_list("a,b", "a|b|");
    assert_list(",a ,\t, b c ,", "a|b c|");
}

static void assert_quoted_list(const char *list, const char *elements)
{
    char found[200] = "";
    const char *element;
    size_t length;
    while ((element = http_quoted_list_next(&list, &length)) != NULL) {
        strncat(found, element, length);
        strcat(found, "|");
    }
    assert_string_equal(found, elements);
    assert_null(http_quoted_list_next(&list, &length));
}

/* RFC 9110, section 5.6.4 */
static void test_quoted_lists(void **state)
{
    (void)state;
    assert_quoted_list("", "");
    assert_quoted_list(", a ,b", "a|b|");
    assert_quoted_list("a=\"b,c\" , d", "a=\"b,c\"|d|");
    assert_quoted_list("\",\",\"\",\"\\\",\",e", "\",\"|\"\"|\"\\\",\"|e|");
    assert_quoted_list("a,\"b, c", "a|\"b, c|"); /* nothing closes it */
    assert_quoted_list("\"\\", "\"\\|");
    assert_quoted_list("\"a\"b\",\"c", "\"a\"b\",\"c|");
}

static void test_skipping(void **state)
{
    (void)state;
    assert_string_equal(http_skip_token("a-1~=b"), "=b");
    assert_string_equal(http_skip_token("\xe4"), "\xe4");
    assert_string_equal(http_skip_blanks(" \t\v"), "\v");
    assert_string_equal(http_skip_quoted("\"a\\\"b\"c"), "c");
    assert_string_equal(http_skip_quoted("\""), "");
    assert_string_equal(http_skip_quoted("\"\\"), "");
}

static void test_list_has(void **state)
{
    (void)state;
    assert_true(http_list_has("close", "close"));
    assert_true(http_list_has("foo\t,\tCLOSE ", "close"));
    assert_false(http_list_has("", "close"));
    assert_false(http_list_has("closed, clos, close it, enclose", "close"));
}

static void test_known_hosts(void **state)
{
    static const char *const names[] = {"offloop.test", "b", NULL}, *const none[] = {NULL};
    static const char *const known[] = {
        "127.0.0.1", "127.0.0.1:8080", "10.1.2.3:", "[::1]",          "[fe80::1]:8080",
        "localhost", "LocalHost:8080", "b",         "OFFLOOP.test:80"};
    static const char *const strange[] = {"example.org",
                                          "localhost.example.org",
                                          "localhost.",
                                          "127.0.0.1.example.org",
                                          "127.0.0.1.",
                                          "127.1",
                                          "0x7f.0.0.1",
                                          "256.0.0.1",
                                          "offloop.test.org:1",
                                          "offloop",
                                          "bb",
                                          "%6cocalhost"};
    (void)state;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        assert_true(http_is_known_host(known[i], strlen(known[i]), names));
    for (size_t i = 0; i < sizeof strange / sizeof *strange; i++)
        assert_false(http_is_known_host(strange[i], strlen(strange[i]), names));
    assert_true(http_is_known_host("localhost:1", 11, none));
    assert_false(http_is_known_host("b", 1, none));
}

static void assert_authority(const char *target, const char *authority, const char *rest)
{
    const char *at;
    size_t length;
    const char *found = http_skip_authority(target, &at, &length);
    assert_non_null(found);
    assert_int_equal(length, strlen(authority));
    assert_memory_equal(at, authority, length);
    assert_string_equal(found, rest);
}

/* RFC 9112, section 3.2.2 */
static void test_authorities(void **state)
{
    const char *at;
    size_t length;
    (void)state;
    assert_authority("http://a:80/b?c", "a:80", "/b?c");
    assert_authority("HTTPS://a?c", "a", "?c");
    assert_authority("http://a", "a", "");
    assert_authority("http://", "", "");
    assert_authority("http://u@a/", "u@a", "/");
    assert_null(http_skip_authority("ftp://a/", &at, &length));
    assert_null(http_skip_authority("httpx://a/", &at, &length));
    assert_null(http_skip_authority("http:/a", &at, &length));
    assert_null(http_skip_authority("http", &at, &length));
    assert_null(http_skip_authority("", &at, &length));
    assert_null(http_skip_authority("*", &at, &length));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_token_characters), cmocka_unit_test(test_target_characters),
        cmocka_unit_test(test_host_characters),  cmocka_unit_test(test_hosts),
        cmocka_unit_test(test_host_bounds),      cmocka_unit_test(test_lists),
        cmocka_unit_test(test_quoted_lists),     cmocka_unit_test(test_skipping),
        cmocka_unit_test(test_list_has),         cmocka_unit_test(test_authorities),
        cmocka_unit_test(test_known_hosts),
    };
    return cmocka_run_group_tests_name("syntax", tests, NULL, NULL);
}
