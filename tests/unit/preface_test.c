/* preface_test.c – the frames that a client of HTTP/2 gets, read as it reads them. */
#include "server/http/preface.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct frame {
    size_t length;
    unsigned type, flags, stream;
    const unsigned char *payload;
};

/* RFC 9113, section 4.1 */
static const unsigned char *read_frame(const unsigned char *at, struct frame *frame)
{
    frame->length = (size_t)(at[0] << 16 | at[1] << 8 | at[2]);
    frame->type = at[3];
    frame->flags = at[4];
    frame->stream = (unsigned)at[5] << 24 | (unsigned)at[6] << 16 | (unsigned)at[7] << 8 | at[8];
    frame->payload = at + 9;
    return frame->payload + frame->length;
}

static void check(const char *text, size_t shown)
{
    char answer[HTTP_PREFACE_ANSWER_BYTES];
    struct frame settings, goaway;
    static const unsigned char code[8] = {0, 0, 0, 0, 0, 0, 0, 0xd};
    size_t length = http_preface_answer(answer, text);
    const unsigned char *end = read_frame((unsigned char *)answer, &settings);
    end = read_frame(end, &goaway);
    assert_int_equal(end - (unsigned char *)answer, length);
    assert_true(length <= sizeof answer);
    assert_int_equal(settings.type, 4);
    assert_int_equal(settings.length + settings.flags + settings.stream, 0);
    assert_int_equal(goaway.type, 7);
    assert_int_equal(goaway.flags + goaway.stream, 0);
    assert_int_equal(goaway.length, sizeof code + shown);
    assert_memory_equal(goaway.payload, code, sizeof code);
    assert_memory_equal(goaway.payload + sizeof code, text, shown);
}

static void test_it_says_why(void **state)
{
    (void)state;
    check("speak HTTP/1.1", 14);
    check("", 0);
}

static void test_a_long_text_is_cut(void **state)
{
    char text[1000];
    (void)state;
    memset(text, 't', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    check(text, HTTP_PREFACE_ANSWER_BYTES - 9 - 9 - 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_it_says_why),
        cmocka_unit_test(test_a_long_text_is_cut),
    };
    return cmocka_run_group_tests_name("preface", tests, NULL, NULL);
}
