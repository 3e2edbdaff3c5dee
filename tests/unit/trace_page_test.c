/* trace_page_test.c – what the trace says of a recording that the test writes itself: also of what
 * is not over. */
#include "server/observe/trace_page.h"

#include <cjson/cJSON.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const uint64_t MS = 1000000;

static const struct names NAMES = {
    .works = {"none", "worker"},
    .strategy_count = 2,
    .kernels = {"primes"},
    .routes = {"/heavy"},
};

struct traced {
    struct recordings recordings;
    struct recording *recording;
    struct survey survey;
    cJSON *trace;
};

static int open_traced(void **state)
{
    struct traced *traced = calloc(1, sizeof *traced);
    uint64_t epoch_ns = trip_clock_ns();
    assert_non_null(traced);
    assert_int_equal(recordings_init(&traced->recordings, 1), 0);
    traced->recording = traced->recordings.table;
    recording_begin(traced->recording, epoch_ns, 0);
    assert_int_equal(survey_init(&traced->survey, &traced->recordings, &NAMES, epoch_ns), 0);
    *state = traced;
    return 0;
}

static int close_traced(void **state)
{
    struct traced *traced = *state;
    cJSON_Delete(traced->trace);
    survey_close(&traced->survey);
    recordings_close(&traced->recordings);
    free(traced);
    return 0;
}

/* Writes what is left of a page, and parses all of it. */
static void finish_trace(struct trace_page *page, FILE *out)
{
    int more = 1;
    while (more == 1)
        more = trace_page_write(page, out);
    assert_int_equal(more, 0);
    trace_page_close(page);
}

static void take_trace(struct traced *traced)
{
    char *text;
    size_t length;
    FILE *out = open_memstream(&text, &length);
    struct trace_page *page = trace_page_open(&traced->survey);
    assert_non_null(out);
    assert_non_null(page);
    finish_trace(page, out);
    assert_int_equal(fclose(out), 0);
    cJSON_Delete(traced->trace);
    traced->trace = cJSON_Parse(text);
    assert_non_null(traced->trace);
    free(text);
}

/* ------------------------------------------------------------------ what is in it */

static bool is_named(const cJSON *event, const char *phase, const char *name)
{
    return strcmp(cJSON_GetObjectItem(event, "ph")->valuestring, phase) == 0 &&
           strcmp(cJSON_GetObjectItem(event, "name")->valuestring, name) == 0;
}

static unsigned count_of(const struct traced *traced, const char *phase, const char *name)
{
    unsigned count = 0;
    const cJSON *event;
    cJSON_ArrayForEach(event, cJSON_GetObjectItem(traced->trace, "traceEvents"))
    {
        count += is_named(event, phase, name);
    }
    return count;
}

struct values {
    double greatest, last;
};

static struct values values_of(const struct traced *traced, const char *counter)
{
    struct values values = {0};
    const cJSON *event;
    cJSON_ArrayForEach(event, cJSON_GetObjectItem(traced->trace, "traceEvents"))
    {
        if (!is_named(event, "C", counter))
            continue;
        values.last = cJSON_GetObjectItem(cJSON_GetObjectItem(event, "args"), "value")->valuedouble;
        if (values.last > values.greatest)
            values.greatest = values.last;
    }
    return values;
}

/* ------------------------------------------------------------------ the tests */

static void submit(struct traced *traced, struct trip *trip)
{
    trip_submit(trip, traced->recording, (struct trip_subject){.work = 1, .kernel = 1, .size = 9});
}

/* One is on its way back, one runs, two wait. */
static void test_what_is_not_over(void **state)
{
    struct traced *traced = *state;
    struct trip trips[4];
    for (size_t i = 0; i < 4; i++)
        submit(traced, &trips[i]);
    trip_start(&trips[0], (struct lane){LANE_WORKER, 1});
    trip_finish(&trips[0]);
    trip_start(&trips[1], (struct lane){LANE_WORKER, 1});
    survey_look(&traced->survey);
    take_trace(traced);
    assert_int_equal(count_of(traced, "X", "primes"), 1);
    assert_int_equal(count_of(traced, "b", "queue worker"), 3);
    assert_int_equal(count_of(traced, "e", "queue worker"), 3);
    assert_int_equal((int)values_of(traced, "waiting for worker").last, 2);
}

/* It ends between the last look and the trace: it is told once. */
static void test_what_is_over_since_the_look(void **state)
{
    struct traced *traced = *state;
    struct trip trips[2];
    for (size_t i = 0; i < 2; i++)
        submit(traced, &trips[i]);
    survey_look(&traced->survey);
    for (size_t i = 0; i < 2; i++)
        trip_start(&trips[i], (struct lane){LANE_WORKER, (unsigned)i + 1});
    trip_finish(&trips[0]);
    trip_deliver(&trips[0], TRIP_SUCCEEDED);
    trip_finish(&trips[1]);
    trip_deliver(&trips[1], TRIP_SUCCEEDED);
    take_trace(traced);
    assert_int_equal(count_of(traced, "X", "primes"), 2);
    assert_int_equal(count_of(traced, "b", "queue worker"), 2);
    assert_int_equal((int)values_of(traced, "waiting for worker").last, 0);
}

static double longest_ms(const struct traced *traced)
{
    double longest_us = 0;
    const cJSON *event;
    cJSON_ArrayForEach(event, cJSON_GetObjectItem(traced->trace, "traceEvents"))
    {
        const cJSON *duration = cJSON_GetObjectItem(event, "dur");
        if (duration != NULL && duration->valuedouble > longest_us)
            longest_us = duration->valuedouble;
    }
    return longest_us / 1e3;
}

/* Stamps of different threads: it begins behind the moment at which the page is written. */
static void test_what_begins_meanwhile_lasts_no_time(void **state)
{
    struct traced *traced = *state;
    struct trip trip;
    submit(traced, &trip);
    trip_start(&trip, (struct lane){LANE_WORKER, 1});
    counter_set(&traced->recording->lanes[lane_index(trip.lane)].since_ns,
                trip_clock_ns() + 3600000 * MS);
    survey_look(&traced->survey);
    take_trace(traced);
    assert_int_equal(count_of(traced, "X", "primes"), 1);
    assert_true(longest_ms(traced) <= 0);
}

/* Each leg, of a trip whose stamps are in no order at all. */
static void test_a_trip_that_goes_back_lasts_no_time(void **state)
{
    struct traced *traced = *state;
    uint64_t now_ns = trip_clock_ns();
    trace_write(&traced->recording->trace, &(struct trace_record){
                                               .id = 1,
                                               .kind = TRACE_TRIP,
                                               .work = 1,
                                               .kernel = 1,
                                               .lane_kind = LANE_WORKER,
                                               .number = 1,
                                               .submitted_ns = now_ns,
                                               .started_ns = now_ns - 1,
                                               .finished_ns = now_ns - 2,
                                               .delivered_ns = now_ns - 3,
                                           });
    survey_look(&traced->survey);
    take_trace(traced);
    const cJSON *event;
    cJSON_ArrayForEach(event, cJSON_GetObjectItem(traced->trace, "traceEvents"))
    {
        if (!is_named(event, "X", "primes"))
            continue;
        const cJSON *arguments = cJSON_GetObjectItem(event, "args");
        assert_true(cJSON_GetObjectItem(event, "dur")->valuedouble <= 0);
        assert_true(cJSON_GetObjectItem(arguments, "wait_ms")->valuedouble <= 0);
        assert_true(cJSON_GetObjectItem(arguments, "return_ms")->valuedouble <= 0);
    }
    assert_int_equal(count_of(traced, "X", "primes"), 1);
}

/* What an earlier process had is not over, and goes on nowhere. */
static void test_what_was_lost(void **state)
{
    struct traced *traced = *state;
    struct trip trip;
    submit(traced, &trip);
    survey_look(&traced->survey);
    recording_end(traced->recording);
    recording_begin(traced->recording, 0, 0);
    survey_look(&traced->survey);
    take_trace(traced);
    assert_int_equal(count_of(traced, "b", "queue worker"), 0);
}

/* The lag can be seen: it grows step by step, to the length of the stall. */
static void stall_for(struct traced *traced, uint64_t ms, unsigned steps)
{
    trace_write(&traced->recording->trace, &(struct trace_record){
                                               .kind = TRACE_STALL,
                                               .began_ns = traced->survey.epoch_ns,
                                               .ended_ns = traced->survey.epoch_ns + ms * MS,
                                           });
    unsigned before = traced->trace != NULL ? count_of(traced, "C", "loop lag (ms)") : 0;
    survey_look(&traced->survey);
    take_trace(traced);
    struct values lag = values_of(traced, "loop lag (ms)");
    assert_true(lag.greatest > (double)ms - 0.001 && lag.greatest < (double)ms + 0.001);
    assert_true(lag.last <= 0);
    assert_int_equal(count_of(traced, "C", "loop lag (ms)") - before, steps + 1);
}

static void test_lag_grows(void **state)
{
    stall_for(*state, 60, 3);
    stall_for(*state, 3000, 20);
}

#define TRACED_TEST(name) cmocka_unit_test_setup_teardown(name, open_traced, close_traced)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TRACED_TEST(test_what_is_not_over),
        TRACED_TEST(test_what_is_over_since_the_look),
        TRACED_TEST(test_what_begins_meanwhile_lasts_no_time),
        TRACED_TEST(test_a_trip_that_goes_back_lasts_no_time),
        TRACED_TEST(test_what_was_lost),
        TRACED_TEST(test_lag_grows),
    };
    return cmocka_run_group_tests_name("trace page", tests, NULL, NULL);
}
