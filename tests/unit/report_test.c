/* report_test.c – the members of a cluster, and what they come to. */
#include "server/observe/report.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct names NAMES = {
    .works = {"none", "worker"},
    .strategy_count = 2,
    .kernels = {"primes"},
    .routes = {"/fast"},
};

static const struct verdict VERDICT = {.title = "All calm", .text = "Nobody waits."};

#define HEAD "offloop " OFFLOOP_VERSION "\n\nAll calm\nNobody waits.\n\n"

struct observed {
    struct recordings recordings;
    struct survey survey;
    char *report;
};

static void open_observed(struct observed *observed, unsigned count)
{
    *observed = (struct observed){.report = NULL};
    assert_int_equal(recordings_init(&observed->recordings, count), 0);
    assert_int_equal(survey_init(&observed->survey, &observed->recordings, &NAMES, trip_clock_ns()),
                     0);
}

static void close_observed(struct observed *observed)
{
    survey_close(&observed->survey);
    recordings_close(&observed->recordings);
    free(observed->report);
}

static void write_report(struct observed *observed)
{
    size_t length;
    free(observed->report);
    FILE *out = open_memstream(&observed->report, &length);
    assert_non_null(out);
    survey_look(&observed->survey);
    assert_int_equal(report_write(out, &observed->survey, &VERDICT), 0);
    assert_int_equal(fclose(out), 0);
}

static void assert_words(const struct observed *observed, const char *words)
{
    if (strstr(observed->report, words) == NULL)
        fail_msg("there is no \"%s\" in\n%s", words, observed->report);
}

static struct recording *begin(struct observed *observed, unsigned index, uint64_t requests)
{
    struct recording *recording = &observed->recordings.table[index];
    recording_begin(recording, trip_clock_ns(), 0);
    counter_set(&recording->http.requests, requests);
    return recording;
}

static void test_a_server_alone_has_no_totals(void **state)
{
    struct observed observed;
    (void)state;
    open_observed(&observed, 1);
    begin(&observed, 0, 3);
    write_report(&observed);
    assert_ptr_equal(strstr(observed.report, HEAD), observed.report);
    assert_words(&observed, "\nmember 0 (pid ");
    assert_null(strstr(observed.report, "\nall "));
    close_observed(&observed);
}

static void test_numbers_are_added_up(void **state)
{
    struct observed observed;
    struct trip waits, runs;
    (void)state;
    open_observed(&observed, 4);
    trip_submit(&waits, begin(&observed, 0, 3), (struct trip_subject){.work = 1, .kernel = 1});
    trip_submit(&runs, begin(&observed, 1, 4), (struct trip_subject){.work = 1, .kernel = 1});
    trip_start(&runs, (struct lane){LANE_WORKER, 1});
    write_report(&observed);
    assert_words(&observed, "\nall 2 members\n");
    assert_words(&observed, " requests/s, 7 so far, 0 connections\n");
    assert_words(&observed, "  worker                1 waiting, 1 running, 0 succeeded\n");
    assert_words(&observed, "\nmember 1 (pid ");
    assert_words(&observed, "\nmember 2 (pid ");
    close_observed(&observed);
}

/* In a rolling restart the numbers of a process that is gone do not go with it. */
static void test_who_is_gone_has_counted(void **state)
{
    struct observed observed;
    (void)state;
    open_observed(&observed, 4);
    begin(&observed, 0, 100);
    begin(&observed, 1, 20);
    begin(&observed, 2, 3); /* the next process of the first place */
    recording_end(&observed.recordings.table[0]);
    write_report(&observed);
    assert_words(&observed, "\nall 2 members\n");
    assert_words(&observed, " 123 so far,");
    close_observed(&observed);
}

static void test_nothing_is_said_of_nothing(void **state)
{
    struct observed observed;
    (void)state;
    open_observed(&observed, 1);
    begin(&observed, 0, 0);
    write_report(&observed);
    assert_null(strstr(observed.report, "route"));
    assert_null(strstr(observed.report, "waiting"));
    assert_null(strstr(observed.report, "lanes"));
    close_observed(&observed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_server_alone_has_no_totals),
        cmocka_unit_test(test_numbers_are_added_up),
        cmocka_unit_test(test_who_is_gone_has_counted),
        cmocka_unit_test(test_nothing_is_said_of_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
