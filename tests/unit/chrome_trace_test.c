/* chrome_trace_test.c – the trace is JSON, its events have what their phases need, and what goes in
 * comes out. */
#include "server/observe/chrome_trace.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct memory_trace {
    struct chrome_trace trace;
    FILE *file;
    char *text;
    size_t length;
};

static void begin(struct memory_trace *memory)
{
    memory->file = open_memstream(&memory->text, &memory->length);
    assert_non_null(memory->file);
    chrome_trace_begin(&memory->trace, memory->file);
}

/* The whole trace, parsed; cJSON_Delete it. */
static cJSON *end(struct memory_trace *memory)
{
    const char *rest = NULL;
    assert_int_equal(chrome_trace_end(&memory->trace), 0);
    fclose(memory->file);
    cJSON *root = cJSON_ParseWithOpts(memory->text, &rest, false);
    assert_non_null(root);
    assert_string_equal(rest, "\n");
    assert_true(cJSON_IsArray(cJSON_GetObjectItemCaseSensitive(root, "traceEvents")));
    free(memory->text);
    return root;
}

static const cJSON *event_at(const cJSON *root, int index)
{
    return cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(root, "traceEvents"), index);
}

static int events(const cJSON *root)
{
    return cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(root, "traceEvents"));
}

static void assert_text(const cJSON *object, const char *name, const char *expected)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));
    assert_non_null(text);
    assert_string_equal(text, expected);
}

static double number(const cJSON *object, const char *name)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);
    assert_true(cJSON_IsNumber(item));
    return item->valuedouble;
}

static const cJSON *arguments(const cJSON *event)
{
    return cJSON_GetObjectItemCaseSensitive(event, "args");
}

/* ------------------------------------------------------------------ one event of each kind */

static void test_an_empty_trace(void **state)
{
    struct memory_trace memory;
    (void)state;
    begin(&memory);
    cJSON *root = end(&memory);
    assert_int_equal(events(root), 0);
    assert_text(root, "displayTimeUnit", "ms");
    cJSON_Delete(root);
}

static void test_processes_and_tracks_have_names(void **state)
{
    struct memory_trace memory;
    (void)state;
    begin(&memory);
    chrome_trace_process(&memory.trace, 7, "offloop");
    chrome_trace_track(&memory.trace, 7, 3, "pool 1", -2);
    cJSON *root = end(&memory);
    assert_int_equal(events(root), 3);
    assert_text(event_at(root, 0), "name", "process_name");
    assert_text(arguments(event_at(root, 0)), "name", "offloop");
    assert_text(event_at(root, 1), "name", "thread_name");
    assert_text(arguments(event_at(root, 1)), "name", "pool 1");
    assert_text(event_at(root, 2), "name", "thread_sort_index");
    assert_true(number(arguments(event_at(root, 2)), "sort_index") == -2);
    for (int i = 0; i < 3; i++) {
        assert_text(event_at(root, i), "ph", "M");
        assert_true(number(event_at(root, i), "pid") == 7);
        assert_true(number(event_at(root, i), "tid") == (i == 0 ? 0 : 3));
    }
    cJSON_Delete(root);
}

static void test_a_span(void **state)
{
    struct memory_trace memory;
    (void)state;
    begin(&memory);
    chrome_trace_span(
        &memory.trace,
        &(struct chrome_trace_event){
            .pid = 1,
            .tid = 2,
            .name = "primes",
            .category = "heavy",
            .at_us = 123456789012.345, /* a day and a half of uptime, and its nanoseconds */
            .duration_us = 0.001,
            .arguments = CHROME_TRACE_ARGUMENTS({.key = "n", .number = 20000000},
                                                {.key = "outcome", .text = "succeeded"})});
    assert_non_null(memory.file);
    fflush(memory.file);
    assert_non_null(strstr(memory.text, "\"ts\":123456789012.345,\"dur\":0.001"));
    cJSON *root = end(&memory);
    const cJSON *span = event_at(root, 0);
    assert_text(span, "ph", "X");
    assert_text(span, "name", "primes");
    assert_text(span, "cat", "heavy");
    assert_true(number(span, "pid") == 1 && number(span, "tid") == 2);
    assert_true(number(arguments(span), "n") == 20000000);
    assert_text(arguments(span), "outcome", "succeeded");
    cJSON_Delete(root);
}

static void test_a_wait_is_a_pair(void **state)
{
    struct memory_trace memory;
    const struct chrome_trace_event wait = {
        .pid = 1,
        .tid = 9,
        .name = "waits for the pool",
        .category = "wait",
        .at_us = 10,
        .duration_us = 5.5,
        .arguments = CHROME_TRACE_ARGUMENTS({.key = "job", .text = "primes"})};
    (void)state;
    begin(&memory);
    chrome_trace_async(&memory.trace, 0xffffffffffff, &wait);
    cJSON *root = end(&memory);
    assert_int_equal(events(root), 2);
    const cJSON *first = event_at(root, 0), *last = event_at(root, 1);
    assert_text(first, "ph", "b");
    assert_text(last, "ph", "e");
    assert_true(number(first, "ts") == 10 && number(last, "ts") == 15.5);
    assert_text(arguments(first), "job", "primes");
    for (int i = 0; i < 2; i++) { /* what makes them a pair */
        const cJSON *event = event_at(root, i);
        assert_text(event, "name", "waits for the pool");
        assert_text(event, "cat", "wait");
        assert_text(cJSON_GetObjectItemCaseSensitive(event, "id2"), "local", "0xffffffffffff");
        assert_true(number(event, "pid") == 1);
    }
    cJSON_Delete(root);
}

static void test_an_instant_and_a_counter(void **state)
{
    struct memory_trace memory;
    (void)state;
    begin(&memory);
    chrome_trace_instant(&memory.trace, &(struct chrome_trace_event){
                                            .pid = 1, .tid = 2, .name = "stalled", .at_us = 3.25});
    chrome_trace_counter(&memory.trace, 1, "waiting", 4, 212);
    cJSON *root = end(&memory);
    assert_text(event_at(root, 0), "ph", "i");
    assert_text(event_at(root, 0), "s", "t");
    assert_true(number(event_at(root, 0), "ts") == 3.25);
    assert_null(arguments(event_at(root, 0)));
    assert_text(event_at(root, 1), "ph", "C");
    assert_text(event_at(root, 1), "name", "waiting");
    assert_true(number(arguments(event_at(root, 1)), "value") == 212);
    cJSON_Delete(root);
}

/* ------------------------------------------------------------------ what may go wrong */

static void test_no_duration_is_negative(void **state)
{
    struct memory_trace memory;
    const struct chrome_trace_event event = {
        .pid = 1, .tid = 1, .name = "x", .at_us = 10, .duration_us = -3};
    (void)state;
    begin(&memory);
    chrome_trace_span(&memory.trace, &event);
    chrome_trace_async(&memory.trace, 1, &event);
    cJSON *root = end(&memory);
    assert_true(number(event_at(root, 0), "dur") == 0);
    assert_true(number(event_at(root, 2), "ts") == 10);
    cJSON_Delete(root);
}

static void assert_name(const char *name, const char *expected)
{
    struct memory_trace memory;
    begin(&memory);
    chrome_trace_process(&memory.trace, 1, name);
    cJSON *root = end(&memory);
    assert_text(arguments(event_at(root, 0)), "name", expected);
    cJSON_Delete(root);
}

static void test_any_text_is_a_json_string(void **state)
{
    (void)state;
    assert_name("GET /heavy?a=\"b\\c\"", "GET /heavy?a=\"b\\c\"");
    assert_name("line\nbreak\ttab\x01\x1f\x7f", "line\nbreak\ttab\x01\x1f\x7f");
    assert_name("µ € \xf0\x9f\x98\x80 \xf4\x8f\xbf\xbf", "µ € \xf0\x9f\x98\x80 \xf4\x8f\xbf\xbf");
}

#define REPLACED "\xef\xbf\xbd"

static void test_what_is_not_utf8_is_replaced(void **state)
{
    (void)state;
    assert_name("a\xff"
                "b",
                "a" REPLACED "b");
    assert_name("\xc3", REPLACED);                                        /* cut off */
    assert_name("\xe2\x82", REPLACED REPLACED);                           /* cut off */
    assert_name("\xc0\xaf", REPLACED REPLACED);                           /* overlong */
    assert_name("\xe0\x80\x80", REPLACED REPLACED REPLACED);              /* overlong */
    assert_name("\xed\xa0\x80", REPLACED REPLACED REPLACED);              /* a surrogate */
    assert_name("\xf4\x90\x80\x80", REPLACED REPLACED REPLACED REPLACED); /* beyond U+10FFFF */
    assert_name("\x80", REPLACED);
}

static void test_numbers_that_json_lacks(void **state)
{
    struct memory_trace memory;
    (void)state;
    begin(&memory);
    chrome_trace_counter(&memory.trace, 1, "n", 0, NAN);
    chrome_trace_counter(&memory.trace, 1, "n", 0, INFINITY);
    cJSON *root = end(&memory);
    for (int i = 0; i < 2; i++)
        assert_true(
            cJSON_IsNull(cJSON_GetObjectItemCaseSensitive(arguments(event_at(root, i)), "value")));
    cJSON_Delete(root);
}

static void test_a_file_that_takes_no_more_is_reported(void **state)
{
    struct chrome_trace trace;
    FILE *full = fopen("/dev/full", "w");
    (void)state;
    assert_non_null(full);
    chrome_trace_begin(&trace, full);
    chrome_trace_process(&trace, 1, "x");
    assert_int_equal(chrome_trace_end(&trace), -EIO);
    fclose(full);
}

/* ------------------------------------------------------------------ a whole trace */

/* Two turns of the loop, each with two callbacks that fill it to the nanosecond, while jobs wait.
 */
static void write_turns(struct chrome_trace *trace)
{
    for (unsigned i = 0; i < 2; i++) {
        struct chrome_trace_event event = {
            .pid = 1, .tid = 1, .name = "turn", .at_us = 1000.1 * i, .duration_us = 1000.1};
        chrome_trace_span(trace, &event);
        event.name = "on_read";
        event.duration_us = 333.333;
        chrome_trace_span(trace, &event);
        event.name = "on_results";
        event.at_us += 333.333;
        event.duration_us = 1000.1 - 333.333;
        chrome_trace_span(trace, &event);
        event = (struct chrome_trace_event){.pid = 1,
                                            .tid = 5,
                                            .name = "waits",
                                            .category = "wait",
                                            .at_us = 200 * i,
                                            .duration_us = 1500};
        chrome_trace_async(trace, i, &event);
    }
}

/* Perfetto drops a span that overlaps another of its track by a part. Half a nanosecond is below
 * what the file tells. */
static void assert_nested(const cJSON *one, const cJSON *other)
{
    const double slack_us = 0.0005;
    double begin_us = number(one, "ts"), end_us = begin_us + number(one, "dur");
    double from_us = number(other, "ts"), to_us = from_us + number(other, "dur");
    bool apart = end_us <= from_us + slack_us || to_us <= begin_us + slack_us;
    bool inside = from_us + slack_us >= begin_us && to_us <= end_us + slack_us;
    bool around = begin_us + slack_us >= from_us && end_us <= to_us + slack_us;
    assert_true(apart || inside || around);
}

static bool is_span(const cJSON *event)
{
    return strcmp(cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(event, "ph")), "X") == 0;
}

static void test_spans_of_a_track_nest(void **state)
{
    struct memory_trace memory;
    unsigned spans = 0;
    (void)state;
    begin(&memory);
    write_turns(&memory.trace);
    cJSON *root = end(&memory);
    for (int i = 0; i < events(root); i++) {
        spans += is_span(event_at(root, i));
        for (int k = 0; k < i; k++)
            if (is_span(event_at(root, i)) && is_span(event_at(root, k)))
                assert_nested(event_at(root, k), event_at(root, i));
    }
    assert_int_equal(spans, 6);
    assert_int_equal(events(root), 10);
    cJSON_Delete(root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_empty_trace),
        cmocka_unit_test(test_processes_and_tracks_have_names),
        cmocka_unit_test(test_a_span),
        cmocka_unit_test(test_a_wait_is_a_pair),
        cmocka_unit_test(test_an_instant_and_a_counter),
        cmocka_unit_test(test_no_duration_is_negative),
        cmocka_unit_test(test_any_text_is_a_json_string),
        cmocka_unit_test(test_what_is_not_utf8_is_replaced),
        cmocka_unit_test(test_numbers_that_json_lacks),
        cmocka_unit_test(test_a_file_that_takes_no_more_is_reported),
        cmocka_unit_test(test_spans_of_a_track_nest),
    };
    return cmocka_run_group_tests_name("chrome_trace", tests, NULL, NULL);
}
