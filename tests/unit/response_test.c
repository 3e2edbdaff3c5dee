/* response_test.c – heads of answers, their bounds and their dates. */
#include "server/http/response.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define DATE "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"

static const struct http_fields no_fields = {0};
static const time_t moment = 784111777; /* the one that RFC 9110, section 5.6.7 shows */

/* Writes the head into memory of exactly the bound, so that a sanitizer sees a wrong one. */
static void assert_head(const struct http_response *response, enum http_persistence persistence,
                        const char *expected)
{
    struct http_date date = {0};
    char *head = malloc(http_response_head_bound(response, &no_fields));
    assert_non_null(head);
    size_t length =
        http_response_head(head, response, persistence, http_date_line(&date, moment), &no_fields);
    assert_in_range(length, 1, http_response_head_bound(response, &no_fields));
    assert_int_equal(length, strlen(expected));
    assert_memory_equal(head, expected, length);
    free(head);
}

static void test_heads(void **state)
{
    const struct http_response text = {
        .status = 200, .content_type = "text/plain", .body = "fast", .body_bytes = 4};
    (void)state;
    assert_head(&text, HTTP_PERSISTS,
                "HTTP/1.1 200 OK\r\n" DATE "Content-Type: text/plain\r\nContent-Length: 4\r\n\r\n");
    assert_head(&text, HTTP_PERSISTS_EXPLICITLY,
                "HTTP/1.1 200 OK\r\n" DATE "Content-Type: text/plain\r\nContent-Length: 4\r\n"
                "Connection: keep-alive\r\n\r\n");
    assert_head(&text, HTTP_CLOSES,
                "HTTP/1.1 200 OK\r\n" DATE "Content-Type: text/plain\r\nContent-Length: 4\r\n"
                "Connection: close\r\n\r\n");
}

/* RFC 9110, section 8.6: no Content-Length in 1xx and 204. */
static void test_heads_without_content(void **state)
{
    (void)state;
    assert_head(&(struct http_response){.status = 200}, HTTP_PERSISTS,
                "HTTP/1.1 200 OK\r\n" DATE "Content-Length: 0\r\n\r\n");
    assert_head(&(struct http_response){.status = 204, .fields = "Allow: GET\r\n"}, HTTP_PERSISTS,
                "HTTP/1.1 204 No Content\r\n" DATE "Allow: GET\r\n\r\n");
    assert_head(&(struct http_response){.status = 103, .fields = "Link: a\r\n"}, HTTP_PERSISTS,
                "HTTP/1.1 103 Unknown\r\n" DATE "Link: a\r\n\r\n");
}

static void test_further_fields(void **state)
{
    (void)state;
    assert_head(&(struct http_response){.status = 503, .fields = "A: b\r\nC: d\r\n"}, HTTP_CLOSES,
                "HTTP/1.1 503 Service Unavailable\r\n" DATE "Content-Length: 0\r\n"
                "Connection: close\r\nA: b\r\nC: d\r\n\r\n");
}

/* RFC 9112, section 6.3: an answer that streams has no Content-Length. */
static void test_framing(void **state)
{
    (void)state;
    assert_head(&(struct http_response){.status = 200, .framing = HTTP_FRAMED_BY_CHUNKS},
                HTTP_PERSISTS, "HTTP/1.1 200 OK\r\n" DATE "Transfer-Encoding: chunked\r\n\r\n");
    assert_head(&(struct http_response){.status = 200, .framing = HTTP_FRAMED_BY_CLOSE},
                HTTP_CLOSES, "HTTP/1.1 200 OK\r\n" DATE "Connection: close\r\n\r\n");
}

/* The fields of the server come last, in answers and in prepared ones. */
static void test_common_fields(void **state)
{
    const struct http_fields common = HTTP_FIELDS("X: y\r\n");
    const struct http_response response = {
        .status = 200, .fields = "A: b\r\n", .body = "c", .body_bytes = 1};
    const char expected[] = "HTTP/1.1 200 OK\r\n" DATE "Content-Length: 1\r\nA: b\r\nX: y\r\n\r\nc";
    struct http_prepared prepared;
    struct http_date date = {0};
    char bytes[HTTP_PREPARED_BYTES];
    (void)state;
    size_t length =
        http_response_head(bytes, &response, HTTP_PERSISTS, http_date_line(&date, moment), &common);
    assert_int_equal(length, sizeof expected - 2);
    assert_memory_equal(bytes, expected, length);
    assert_int_equal(http_response_head_bound(&response, &common),
                     http_response_head_bound(&response, &no_fields) + common.length);
    http_prepare(&prepared, &response, &common);
    assert_int_equal(prepared.length, sizeof expected - 1);
    http_prepared_copy(bytes, &prepared, http_date_line(&date, moment));
    assert_memory_equal(bytes, expected, prepared.length);
}

static void test_large_numbers(void **state)
{
    (void)state;
    assert_head(&(struct http_response){.status = 200, .body_bytes = SIZE_MAX}, HTTP_PERSISTS,
                "HTTP/1.1 200 OK\r\n" DATE "Content-Length: 18446744073709551615\r\n\r\n");
    assert_head(&(struct http_response){.status = 999, .body_bytes = 10}, HTTP_PERSISTS,
                "HTTP/1.1 999 Unknown\r\n" DATE "Content-Length: 10\r\n\r\n");
}

/* The longest head of each status fits its bound. */
static void test_bounds(void **state)
{
    static const int statuses[] = {
#define HTTP_STATUS_CODE(status, reason) status,
        HTTP_STATUSES(HTTP_STATUS_CODE)
#undef HTTP_STATUS_CODE
    };
    struct http_date date = {0};
    (void)state;
    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++) {
        struct http_response response = {.status = statuses[i],
                                         .content_type = "application/problem+json",
                                         .fields = "Allow: GET, HEAD\r\n",
                                         .body_bytes = SIZE_MAX};
        char *head = malloc(http_response_head_bound(&response, &no_fields));
        assert_non_null(head);
        assert_in_range(http_response_head(head, &response, HTTP_PERSISTS_EXPLICITLY,
                                           http_date_line(&date, moment), &no_fields),
                        1, http_response_head_bound(&response, &no_fields));
        assert_memory_equal(head, "HTTP/1.1 ", 9);
        assert_int_equal(atoi(head + 9), statuses[i]);
        assert_memory_equal(head + 13, http_reason(statuses[i]), strlen(http_reason(statuses[i])));
        free(head);
    }
}

static void test_reasons(void **state)
{
    (void)state;
    assert_string_equal(http_reason(200), "OK");
    assert_string_equal(http_reason(431), "Request Header Fields Too Large");
    assert_string_equal(http_reason(299), "Unknown");
}

/* RFC 9110, section 5.6.7: IMF-fixdate. Days around leap days, ends of months and of a century. */
static void test_dates(void **state)
{
    static const struct {
        time_t time;
        const char *line;
    } rows[] = {
        {784111777, DATE},
        {0, "Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n"},
        {951782399, "Date: Mon, 28 Feb 2000 23:59:59 GMT\r\n"},
        {951782400, "Date: Tue, 29 Feb 2000 00:00:00 GMT\r\n"},
        {951868800, "Date: Wed, 01 Mar 2000 00:00:00 GMT\r\n"},
        {1704067199, "Date: Sun, 31 Dec 2023 23:59:59 GMT\r\n"},
        {1709164800, "Date: Thu, 29 Feb 2024 00:00:00 GMT\r\n"},
        {2147483648, "Date: Tue, 19 Jan 2038 03:14:08 GMT\r\n"},
        {4102444800, "Date: Fri, 01 Jan 2100 00:00:00 GMT\r\n"},
    };
    struct http_date date = {0};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_string_equal(http_date_line(&date, rows[i].time), rows[i].line);
        assert_int_equal(strlen(rows[i].line), HTTP_DATE_LINE_BYTES);
    }
}

/* A date lives for its second, and only for that. */
static void test_date_changes(void **state)
{
    struct http_date date = {0};
    (void)state;
    http_date_line(&date, moment);
    date.line[6] = '?';
    assert_int_equal(http_date_line(&date, moment)[6], '?');
    assert_string_equal(http_date_line(&date, moment + 1),
                        "Date: Sun, 06 Nov 1994 08:49:38 GMT\r\n");
    assert_string_equal(http_date_line(&date, moment), DATE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_heads),          cmocka_unit_test(test_heads_without_content),
        cmocka_unit_test(test_further_fields), cmocka_unit_test(test_large_numbers),
        cmocka_unit_test(test_bounds),         cmocka_unit_test(test_reasons),
        cmocka_unit_test(test_dates),          cmocka_unit_test(test_date_changes),
        cmocka_unit_test(test_framing),        cmocka_unit_test(test_common_fields),
    };
    return cmocka_run_group_tests_name("response", tests, NULL, NULL);
}
