/* parser_test.c – what the transcripts cannot see: memory, events, bounds to the byte, and two
 * connections that share a scratch. What is accepted and refused, and why, is in
 * tests/transcripts/. */
#include "server/http/parser.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/random.h"

enum { HEADER_BYTES = 100, BODY_BYTES = 20, ROUNDS = 2000 };

struct fixture {
    struct http_parser_shared shared;
    struct http_parser parser, other;
};

/* The scratch is exactly as large as its limit, so that a sanitizer sees what exceeds it. */
static int open_parsers(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    char *scratch = malloc(HEADER_BYTES);
    assert_non_null(scratch);
    http_parser_shared_init(&fixture->shared, scratch, HEADER_BYTES, BODY_BYTES);
    http_parser_init(&fixture->parser, &fixture->shared);
    http_parser_init(&fixture->other, &fixture->shared);
    *state = fixture;
    return 0;
}

static int close_parsers(void **state)
{
    struct fixture *fixture = *state;
    http_parser_close(&fixture->parser);
    http_parser_close(&fixture->other);
    free(fixture->shared.scratch);
    free(fixture);
    return 0;
}

/* Feeds a copy, which is gone afterwards, and expects all of it to be consumed. */
static enum http_parser_event feed(struct http_parser *parser, const char *text)
{
    enum http_parser_event event;
    size_t length = strlen(text);
    char *bytes = malloc(length);
    assert_non_null(bytes);
    memcpy(bytes, text, length);
    size_t consumed = http_parser_feed(parser, bytes, length, &event);
    if (event != HTTP_PARSER_REFUSED)
        assert_int_equal(consumed, length);
    free(bytes);
    return event;
}

static void test_a_request(void **state)
{
    struct fixture *fixture = *state;
    const struct http_request *request = &fixture->parser.message.request;
    assert_int_equal(
        feed(&fixture->parser, "GET /a%20b?c=%20 HTTP/1.1\r\nHost: x\r\nA:  b \r\n\r\n"),
        HTTP_PARSER_MESSAGE);
    assert_int_equal(request->method, HTTP_METHOD_GET);
    assert_int_equal(request->version_minor, 1);
    assert_true(request->keep_alive);
    assert_false(request->asterisk);
    assert_string_equal(request->path, "/a b");
    assert_string_equal(request->query, "c=%20");
    assert_memory_equal(request->fields, "Host\0x\0A\0b\0", 12);
    assert_int_equal(request->body_bytes, 0);
}

static void test_methods(void **state)
{
    static const struct {
        const char *name;
        enum http_method method;
    } rows[] = {
        {"GET", HTTP_METHOD_GET},        {"HEAD", HTTP_METHOD_HEAD},
        {"POST", HTTP_METHOD_POST},      {"PUT", HTTP_METHOD_PUT},
        {"DELETE", HTTP_METHOD_DELETE},  {"OPTIONS", HTTP_METHOD_OPTIONS},
        {"PATCH", HTTP_METHOD_PATCH},    {"TRACE", HTTP_METHOD_TRACE},
        {"PROPFIND", HTTP_METHOD_OTHER}, {"LINK", HTTP_METHOD_OTHER},
    };
    struct fixture *fixture = *state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[80];
        snprintf(text, sizeof text, "%s / HTTP/1.0\r\n\r\n", rows[i].name);
        assert_int_equal(feed(&fixture->parser, text), HTTP_PARSER_MESSAGE);
        assert_int_equal(fixture->parser.message.request.method, rows[i].method);
        http_parser_next(&fixture->parser);
    }
}

static void test_targets(void **state)
{
    static const struct {
        const char *method, *target, *path, *query;
    } rows[] = {
        {"GET", "/", "/", ""},
        {"GET", "/?", "/", ""},
        {"GET", "/?a?b", "/", "a?b"},
        {"GET", "http://a", "/", ""},
        {"GET", "http://a?b", "/", "b"},
        {"GET", "http://a?", "/", ""},
        {"GET", "http://a/%41?%41", "/A", "%41"},
        {"OPTIONS", "*", "", ""},
    };
    struct fixture *fixture = *state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[80];
        snprintf(text, sizeof text, "%s %s HTTP/1.0\r\nA: b\r\n\r\n", rows[i].method,
                 rows[i].target);
        assert_int_equal(feed(&fixture->parser, text), HTTP_PARSER_MESSAGE);
        assert_string_equal(fixture->parser.message.request.path, rows[i].path);
        assert_string_equal(fixture->parser.message.request.query, rows[i].query);
        assert_string_equal(http_request_field(&fixture->parser.message.request, "a"), "b");
        assert_int_equal(fixture->parser.message.request.asterisk, *rows[i].target == '*');
        http_parser_next(&fixture->parser);
    }
}

/* A message ends the feeding; what is behind it is not looked at. */
static void test_messages_end_the_feeding(void **state)
{
    static const char text[] = "GET / HTTP/1.0\r\n\r\n\0\r\r not looked at";
    struct fixture *fixture = *state;
    enum http_parser_event event;
    assert_int_equal(http_parser_feed(&fixture->parser, text, sizeof text, &event), 18);
    assert_int_equal(event, HTTP_PARSER_MESSAGE);
    http_parser_next(&fixture->parser);
    assert_int_equal(feed(&fixture->parser, "\r\r"), HTTP_PARSER_REFUSED);
}

static void test_where_it_stands(void **state)
{
    struct http_parser *parser = &((struct fixture *)*state)->parser;
    assert_false(http_parser_in_message(parser));
    assert_int_equal(feed(parser, "\r\n\r"), HTTP_PARSER_MORE); /* an empty line begins nothing */
    assert_false(http_parser_in_message(parser));
    assert_int_equal(feed(parser, "\nP"), HTTP_PARSER_MORE);
    assert_true(http_parser_in_message(parser) && http_parser_in_head(parser));
    feed(parser, "OST / HTTP/1.0\r\nContent-Length: 2\r\n\r");
    assert_true(http_parser_in_head(parser));
    feed(parser, "\n");
    assert_true(http_parser_in_message(parser) && !http_parser_in_head(parser));
    assert_int_equal(feed(parser, "a"), HTTP_PARSER_MORE);
    assert_int_equal(feed(parser, "b"), HTTP_PARSER_MESSAGE);
    assert_true(http_parser_in_message(parser));
    http_parser_next(parser);
    assert_false(http_parser_in_message(parser) || http_parser_in_head(parser));
}

/* The event comes once, and only if the head is the last thing that came. */
static void test_expectations(void **state)
{
    static const char head[] = "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
                               "Content-Length: 2\r\n\r\n";
    struct http_parser *parser = &((struct fixture *)*state)->parser;
    char text[200];
    assert_int_equal(feed(parser, head), HTTP_PARSER_EXPECTS);
    assert_int_equal(feed(parser, "a"), HTTP_PARSER_MORE);
    assert_int_equal(feed(parser, "b"), HTTP_PARSER_MESSAGE);
    http_parser_next(parser);
    snprintf(text, sizeof text, "%sa", head);
    assert_int_equal(feed(parser, text), HTTP_PARSER_MORE);
    assert_int_equal(feed(parser, "b"), HTTP_PARSER_MESSAGE);
}

/* One read, one message: everything is where it landed, or in the scratch. */
static void test_no_memory_of_its_own(void **state)
{
    static const char text[] = "POST / HTTP/1.0\r\nContent-Length: 2\r\n\r\nab";
    struct http_parser *parser = &((struct fixture *)*state)->parser;
    enum http_parser_event event;
    http_parser_feed(parser, text, sizeof text - 1, &event);
    assert_int_equal(event, HTTP_PARSER_MESSAGE);
    assert_ptr_equal(parser->text, parser->shared->scratch);
    assert_null(parser->body);
    assert_ptr_equal(parser->message.request.body, text + sizeof text - 3);
    assert_int_equal(parser->message.request.body_bytes, 2);
}

/* What another connection leaves in the scratch, and what the next read leaves in the input, does
 * not matter to a message that is under way. */
static void test_two_connections(void **state)
{
    static const char other[] = "DELETE /zzzzzzzzzzzzzzz HTTP/1.1\r\nHost: zzzzzzzzzz\r\n\r\n";
    static const char *const pieces[] = {"POST /pa",          "th?que",
                                         "ry HTTP/1.1\r\nHo", "st: a\r\nTransf",
                                         "er-Encoding",       ": chunked\r\nX: y\r\n\r\n",
                                         "3\r\nab",           "c\r\n2\r\nd",
                                         "e\r\n0\r\n",        "T: u\r\n\r\n"};
    enum { PIECES = sizeof pieces / sizeof *pieces };
    struct fixture *fixture = *state;
    const struct http_request *request = &fixture->parser.message.request;
    for (size_t i = 0; i < PIECES; i++) {
        assert_int_equal(feed(&fixture->other, other), HTTP_PARSER_MESSAGE);
        http_parser_next(&fixture->other);
        assert_int_equal(feed(&fixture->parser, pieces[i]),
                         i < PIECES - 1 ? HTTP_PARSER_MORE : HTTP_PARSER_MESSAGE);
    }
    assert_string_equal(request->path, "/path");
    assert_string_equal(request->query, "query");
    assert_string_equal(http_request_field(request, "host"), "a");
    assert_string_equal(http_request_field(request, "x"), "y");
    assert_null(http_request_field(request, "t")); /* trailers are no fields of the head */
    assert_int_equal(request->body_bytes, 5);
    assert_memory_equal(request->body, "abcde", 5);
}

/* Feeds it whole or byte by byte; returns the status that it is refused with, or 0. */
static int verdict(struct http_parser *parser, const char *text, bool bytewise)
{
    enum http_parser_event event = HTTP_PARSER_MORE;
    if (!bytewise)
        event = feed(parser, text);
    for (; bytewise && *text != '\0' && event == HTTP_PARSER_MORE; text++)
        event = feed(parser, (char[]){*text, '\0'});
    int status = parser->message.refusal.status;
    assert_int_equal(event, status != 0 ? HTTP_PARSER_REFUSED : HTTP_PARSER_MESSAGE);
    http_parser_next(parser);
    return status;
}

/* Around the limit, whatever takes the room, nothing is written behind it, the verdict does not
 * depend on the pieces, and there is one length up to which all is well. */
static void test_header_bound(void **state)
{
    static const struct {
        const char *shape;
        int status;
    } rows[] = {
        {"GET /%.*s HTTP/1.0\r\n\r\n", 414},
        {"GET / HTTP/1.0\r\nA: %.*s\r\n\r\n", 431},
        {"GET / HTTP/1.0\r\nA%.*s: \r\n\r\n", 431},
        {"GET / HTTP/1.0\r\nA%.*s:\r\n\r\n", 431},
        {"GET / HTTP/1.0\r\nA%.*s: b\r\n\r\n", 431},
        {"GET / HTTP/1.0\r\nA: %.*s\r\nB: c\r\n\r\n", 431},
        {"GET / HTTP/1.0\r\nA: %.*s\r\nB:\r\n\r\n", 431},
        {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA: %.*s\r\n\r\n",
         431},
        {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA%.*s:\r\n\r\n",
         431},
    };
    struct http_parser *parser = &((struct fixture *)*state)->parser;
    char filler[2 * HEADER_BYTES], text[4 * HEADER_BYTES];
    memset(filler, 'a', sizeof filler);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int accepted = -1;
        for (int length = 0; length < HEADER_BYTES + 10; length++) {
            snprintf(text, sizeof text, rows[i].shape, length, filler);
            int whole = verdict(parser, text, false);
            assert_int_equal(verdict(parser, text, true), whole);
            if (whole == 0)
                assert_int_equal(accepted++, length - 1); /* no gap */
            else
                assert_int_equal(whole, rows[i].status);
        }
        assert_in_range(accepted, 20, HEADER_BYTES);
    }
}

static void test_body_bound(void **state)
{
    struct http_parser *parser = &((struct fixture *)*state)->parser;
    for (int length = 0; length <= BODY_BYTES + 1; length++) {
        char text[200];
        int expected = length > BODY_BYTES ? 413 : 0;
        snprintf(text, sizeof text, "POST / HTTP/1.0\r\nContent-Length: %d\r\n\r\n%0*d", length + 1,
                 length + 1, 0);
        assert_int_equal(verdict(parser, text, true), length + 1 > BODY_BYTES ? 413 : 0);
        snprintf(text, sizeof text,
                 "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n%x\r\n"
                 "%0*d\r\n0\r\n\r\n",
                 (unsigned)length + 1, length + 1, 0);
        expected = length + 2 > BODY_BYTES ? 413 : 0;
        assert_int_equal(verdict(parser, text, false), expected);
        assert_int_equal(verdict(parser, text, true), expected);
    }
}

/* ------------------------------------------------------------------ any segmentation */

static const char stream[] = "GET /a?b HTTP/1.1\r\nHost: x\r\n\r\n"
                             "\r\nPOST /c HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nabcd"
                             "OPTIONS * HTTP/1.0\r\nA:\r\nB: \r\nC: \t d \t \r\n\r\n"
                             "PUT /e HTTP/1.1\r\nTransfer-Encoding: ,chunked\r\nHost: x\r\n\r\n"
                             "2;a=b\r\nab\r\n3;c\r\ncde\r\n00\r\nT: u\r\n\r\n"
                             "GET http://y:80?z HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

static void print_request(char *at, size_t size, const struct http_request *request)
{
    const char *c = http_request_field(request, "c");
    snprintf(at, size, "%d %u %d [%s] [%s] [%s] %.*s\n", (int)request->method,
             request->version_minor, request->keep_alive, request->path, request->query,
             c != NULL ? c : "", (int)request->body_bytes, (const char *)request->body);
}

/* Cuts the stream at random; spoils the scratch and frees the input between two reads. */
static void test_any_segmentation(void **state)
{
    static const char expected[] = "1 1 1 [/a] [b] [] \n4 1 1 [/c] [] [] abcd\n"
                                   "32 0 0 [] [] [d] \n8 1 1 [/e] [] [] abcde\n"
                                   "1 1 0 [/] [z] [] \n";
    struct fixture *fixture = *state;
    struct http_parser *parser = &fixture->parser;
    uint64_t random = random_seed();
    for (int round = 0; round < ROUNDS; round++) {
        char found[400] = "";
        size_t at = 0, length = sizeof stream - 1;
        unsigned longest = 1 + random_below(&random, 60);
        while (at < length) {
            size_t piece = 1 + random_below(&random, longest);
            piece = piece < length - at ? piece : length - at;
            char *bytes = malloc(piece);
            assert_non_null(bytes);
            memcpy(bytes, stream + at, piece);
            at += piece;
            for (size_t used = 0; used < piece;) {
                enum http_parser_event event;
                used += http_parser_feed(parser, bytes + used, piece - used, &event);
                assert_int_not_equal(event, HTTP_PARSER_REFUSED);
                if (event == HTTP_PARSER_MESSAGE) {
                    size_t end = strlen(found);
                    print_request(found + end, sizeof found - end, &parser->message.request);
                    http_parser_next(parser);
                }
            }
            free(bytes);
            memset(fixture->shared.scratch, 'Z', HEADER_BYTES);
        }
        assert_string_equal(found, expected);
        assert_false(http_parser_in_message(parser));
    }
}

/* The same bytes again are not parsed again, on whichever connection they come; but only while the
 * text of the first is still there, and only a message that began in the read. */
static void test_the_same_again(void **state)
{
    static const char text[] = "GET /a%20b?c HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    struct fixture *fixture = *state;
    const struct http_request *request = &fixture->other.message.request;
    assert_int_equal(feed(&fixture->parser, text), HTTP_PARSER_MESSAGE);
    assert_int_equal(fixture->shared.memo_length, sizeof text - 1);
    assert_int_equal(feed(&fixture->other, text), HTTP_PARSER_MESSAGE);
    assert_false(fixture->other.used);
    assert_string_equal(request->path, "/a b");
    assert_string_equal(request->query, "c");
    assert_false(request->keep_alive);
    assert_memory_equal(request->fields, "Host\0x\0Connection\0close\0", 25);
    http_parser_next(&fixture->other);
    http_parser_next(&fixture->parser);
    assert_int_equal(feed(&fixture->other, "GET /longer/than/that HTTP/1.1\r\nHost"),
                     HTTP_PARSER_MORE);
    assert_int_equal(fixture->shared.memo_length, 0);
    assert_int_equal(feed(&fixture->parser, text), HTTP_PARSER_MESSAGE);
    assert_string_equal(fixture->parser.message.request.path, "/a b");
    assert_int_equal(feed(&fixture->other, ": x\r\n\r\n"), HTTP_PARSER_MESSAGE);
    assert_string_equal(request->path, "/longer/than/that");
}

/* Behind the CR of an empty line that came before, a lone LF is good; it is not at the beginning.
 */
static void test_half_an_empty_line_is_not_remembered(void **state)
{
    static const char text[] = "\nGET / HTTP/1.1\r\nHost: x\r\n\r\n";
    struct fixture *fixture = *state;
    assert_int_equal(feed(&fixture->parser, "\r"), HTTP_PARSER_MORE);
    assert_int_equal(feed(&fixture->parser, text), HTTP_PARSER_MESSAGE);
    http_parser_next(&fixture->parser);
    assert_int_equal(feed(&fixture->parser, text), HTTP_PARSER_REFUSED);
}

/* Content is not remembered: it is not in the scratch. */
static void test_content_is_not_remembered(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(feed(&fixture->parser, "PUT / HTTP/1.0\r\nContent-Length: 1\r\n\r\na"),
                     HTTP_PARSER_MESSAGE);
    assert_int_equal(fixture->shared.memo_length, 0);
}

#define PARSER_TEST(test) cmocka_unit_test_setup_teardown(test, open_parsers, close_parsers)

int main(void)
{
    const struct CMUnitTest tests[] = {
        PARSER_TEST(test_a_request),
        PARSER_TEST(test_methods),
        PARSER_TEST(test_targets),
        PARSER_TEST(test_messages_end_the_feeding),
        PARSER_TEST(test_where_it_stands),
        PARSER_TEST(test_expectations),
        PARSER_TEST(test_no_memory_of_its_own),
        PARSER_TEST(test_two_connections),
        PARSER_TEST(test_header_bound),
        PARSER_TEST(test_body_bound),
        PARSER_TEST(test_any_segmentation),
        PARSER_TEST(test_the_same_again),
        PARSER_TEST(test_half_an_empty_line_is_not_remembered),
        PARSER_TEST(test_content_is_not_remembered),
    };
    return cmocka_run_group_tests_name("parser", tests, NULL, NULL);
}
