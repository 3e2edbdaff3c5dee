/* stalls_test.c – the lines for a loop that is blocked, and for one that is free again: what they
 * say, and how often. */
#include "server/stalls.h"

#include <cjson/cJSON.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "server/log.h"

static const uint64_t MS = 1000000, S = 1000000000;

static const struct names NAMES = {
    .works = {"none", "worker", "sqlite"},
    .strategy_count = 2,
    .kernels = {"primes", "sleep"},
    .routes = {"/fast", "/heavy"},
};

struct listening {
    struct stalls stalls;
    struct watchdog_listener listener;
};

static void begin(struct listening *listening)
{
    listening->stalls = (struct stalls){.names = &NAMES, .who = "loop"};
    listening->listener = stalls_listener(&listening->stalls);
    assert_ptr_equal(listening->listener.data, &listening->stalls);
    assert_int_equal(listening->listener.patience_ms, 100);
}

/* ------------------------------------------------------------------ what comes out of stderr */

struct capture {
    int saved;
    FILE *file;
};

static struct capture capture_begin(void)
{
    struct capture capture = {.saved = dup(STDERR_FILENO), .file = tmpfile()};
    assert_true(capture.saved >= 0);
    assert_non_null(capture.file);
    fflush(stderr);
    assert_true(dup2(fileno(capture.file), STDERR_FILENO) >= 0);
    return capture;
}

/* All that was written, one line or none. */
static const char *capture_end(struct capture *capture)
{
    static char text[2048];
    log_flush();
    dup2(capture->saved, STDERR_FILENO);
    close(capture->saved);
    rewind(capture->file);
    size_t length = fread(text, 1, sizeof text - 1, capture->file);
    text[length] = '\0';
    fclose(capture->file);
    return text;
}

static cJSON *parse_line(const char *text, const char *event)
{
    cJSON *line = cJSON_Parse(text);
    if (line == NULL)
        fail_msg("no line, but \"%s\"", text);
    assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
    assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItem(line, "event")), event);
    assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItem(line, "level")), "warning");
    return line;
}

static const char *message_of(const cJSON *line)
{
    return cJSON_GetStringValue(cJSON_GetObjectItem(line, "message"));
}

static double number_of(const cJSON *line, const char *name)
{
    assert_true(cJSON_IsNumber(cJSON_GetObjectItem(line, name)));
    return cJSON_GetObjectItem(line, name)->valuedouble;
}

/* ------------------------------------------------------------------ blocked */

static const struct lane_view primes_view = {.trip = 7,
                                             .subject = {.work = 0, .kernel = 1, .size = 20000000}};

static cJSON *say_blocked(struct listening *listening, const struct lane_view *view)
{
    struct capture capture = capture_begin();
    assert_true(
        listening->listener.on_blocked(listening->listener.data, trip_clock_ns() - 100 * MS, view));
    return parse_line(capture_end(&capture), "loop_blocked");
}

static void test_who_blocks(void **state)
{
    struct listening listening;
    unsigned ms = 0;
    (void)state;
    begin(&listening);
    cJSON *line = say_blocked(&listening, &primes_view);
    assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItem(line, "by")),
                        "GET /heavy (primes n=20000000)");
    assert_true(number_of(line, "blocked_ms") >= 100);
    assert_int_equal(sscanf(message_of(line), "loop blocked for %u ms so far, by ", &ms), 1);
    assert_true(ms >= 100);
    assert_non_null(strstr(message_of(line), "so far, by GET /heavy (primes n=20000000)"));
    cJSON_Delete(line);
}

static void test_nobody_known_blocks(void **state)
{
    struct listening listening;
    (void)state;
    begin(&listening);
    listening.stalls.who = "loop of member 3";
    cJSON *line = say_blocked(&listening, &(struct lane_view){0});
    assert_memory_equal(message_of(line), "loop of member 3 blocked for ", 29);
    assert_non_null(strstr(message_of(line), "by something that is no job"));
    cJSON_Delete(line);
}

/* The watchdog's stamp may be later than that of whoever reads it. */
static void test_a_block_that_is_still_to_come(void **state)
{
    struct listening listening;
    (void)state;
    begin(&listening);
    struct capture capture = capture_begin();
    assert_true(
        listening.listener.on_blocked(&listening.stalls, trip_clock_ns() + 3600 * S, &primes_view));
    cJSON *line = parse_line(capture_end(&capture), "loop_blocked");
    assert_true(number_of(line, "blocked_ms") <= 0);
    cJSON_Delete(line);
}

/* ------------------------------------------------------------------ stopped */

static void test_a_stop_accuses_nobody(void **state)
{
    struct listening listening;
    (void)state;
    begin(&listening);
    struct capture capture = capture_begin();
    listening.listener.on_stopped(&listening.stalls, 11975 * MS);
    cJSON *line = parse_line(capture_end(&capture), "process_stopped");
    assert_int_equal((int)number_of(line, "stopped_ms"), 11975);
    assert_memory_equal(message_of(line), "loop did not run for 11975 ms", 29);
    assert_null(strstr(message_of(line), "blocked"));
    cJSON_Delete(line);
}

/* ------------------------------------------------------------------ free again */

static struct trace_record stall_of(uint32_t waited, uint64_t longest_ms)
{
    return (struct trace_record){
        .kind = TRACE_STALL,
        .began_ns = 5 * S,
        .ended_ns = 5 * S + 612 * MS,
        .kernel = 1,
        .size = 20000000,
        .times = 1,
        .waited = waited,
        .longest_wait_ns = longest_ms * MS,
    };
}

static const char *tell(struct listening *listening, const struct trace_record *stall)
{
    struct capture capture = capture_begin();
    listening->listener.on_stall(listening->listener.data, stall);
    return capture_end(&capture);
}

static void check_stall(struct trace_record stall, const char *message)
{
    struct listening listening;
    begin(&listening);
    cJSON *line = parse_line(tell(&listening, &stall), "loop_free");
    assert_string_equal(message_of(line), message);
    assert_int_equal((int)number_of(line, "waited"), stall.waited);
    assert_int_equal((int)number_of(line, "blocked_ms"), 612);
    assert_int_equal((uint64_t)(number_of(line, "longest_wait_ms") * (double)MS),
                     stall.longest_wait_ns);
    cJSON_Delete(line);
}

static void test_a_stall_that_goes_back(void **state)
{
    struct listening listening;
    struct trace_record stall = stall_of(0, 0);
    (void)state;
    begin(&listening);
    stall.ended_ns = stall.began_ns - 1;
    cJSON *line = parse_line(tell(&listening, &stall), "loop_free");
    assert_true(number_of(line, "blocked_ms") <= 0);
    cJSON_Delete(line);
}

static void test_who_waited(void **state)
{
    (void)state;
    check_stall(stall_of(37, 598), "loop blocked 612 ms by GET /heavy (primes n=20000000); "
                                   "37 requests waited, the longest 598 ms");
    check_stall(stall_of(1, 598), "loop blocked 612 ms by GET /heavy (primes n=20000000); "
                                  "1 request waited 598 ms");
    check_stall(stall_of(0, 0), "loop blocked 612 ms by GET /heavy (primes n=20000000); "
                                "nobody waited");
}

static void test_several_after_each_other(void **state)
{
    struct trace_record stall = stall_of(2, 100);
    (void)state;
    stall.times = 4;
    check_stall(stall, "loop blocked 612 ms by 4 × GET /heavy (primes n=20000000); "
                       "2 requests waited, the longest 100 ms");
}

static void test_no_job_but_requests(void **state)
{
    struct trace_record stall = stall_of(0, 0);
    (void)state;
    stall.kernel = 0;
    stall.times = 0;
    stall.route = 1;
    check_stall(stall, "loop blocked 612 ms by requests to /fast; nobody waited");
}

/* ------------------------------------------------------------------ how often */

/* The clock of the rate is the real one; instead of waiting the last line is made older. */
static void test_most_are_left_out_and_counted(void **state)
{
    struct listening listening;
    const struct trace_record stall = stall_of(0, 0);
    (void)state;
    begin(&listening);
    assert_true(strlen(tell(&listening, &stall)) > 0);
    for (int i = 0; i < 5; i++)
        assert_string_equal(tell(&listening, &stall), "");
    listening.stalls.told_stall_ns -= S;
    cJSON *line = parse_line(tell(&listening, &stall), "loop_free");
    assert_non_null(
        strstr(message_of(line), "nobody waited (and 5 more stalls since the last line)"));
    cJSON_Delete(line);
    assert_string_equal(tell(&listening, &stall), "");
    listening.stalls.told_stall_ns -= S;
    line = parse_line(tell(&listening, &stall), "loop_free");
    assert_non_null(strstr(message_of(line), "(and 1 more stall since the last line)"));
    cJSON_Delete(line);
    listening.stalls.told_stall_ns -= S;
    line = parse_line(tell(&listening, &stall), "loop_free");
    assert_null(strstr(message_of(line), "more stall"));
    cJSON_Delete(line);
}

/* What is said of blocks does not silence what is said of stalls. */
static void test_each_kind_has_its_own_rate(void **state)
{
    struct listening listening;
    const struct trace_record stall = stall_of(0, 0);
    (void)state;
    begin(&listening);
    cJSON_Delete(say_blocked(&listening, &primes_view));
    cJSON_Delete(parse_line(tell(&listening, &stall), "loop_free"));
    struct capture capture = capture_begin();
    assert_false(
        listening.listener.on_blocked(listening.listener.data, trip_clock_ns(), &primes_view));
    assert_string_equal(capture_end(&capture), "");
    listening.stalls.told_blocked_ns -= S;
    cJSON_Delete(say_blocked(&listening, &primes_view));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_who_blocks),
        cmocka_unit_test(test_nobody_known_blocks),
        cmocka_unit_test(test_a_block_that_is_still_to_come),
        cmocka_unit_test(test_a_stop_accuses_nobody),
        cmocka_unit_test(test_a_stall_that_goes_back),
        cmocka_unit_test(test_who_waited),
        cmocka_unit_test(test_several_after_each_other),
        cmocka_unit_test(test_no_job_but_requests),
        cmocka_unit_test(test_most_are_left_out_and_counted),
        cmocka_unit_test(test_each_kind_has_its_own_rate),
    };
    return cmocka_run_group_tests_name("stalls", tests, NULL, NULL);
}
