/* metrics_page_test.c – what is said of the members of a cluster, of which some are gone. */
#include "server/observe/metrics_page.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const struct names NAMES = {
    .works = {"none", "worker"},
    .strategy_count = 2,
    .kernels = {"primes"},
    .routes = {"/fast"},
};

/* Two members. */
struct cluster {
    struct recordings recordings;
    struct recording *first, *second, *first_again; /* "1", "2" and "1b" */
    struct survey survey;
    char *page;
};

static int open_cluster(void **state)
{
    struct cluster *cluster = calloc(1, sizeof *cluster);
    assert_non_null(cluster);
    assert_int_equal(recordings_init(&cluster->recordings, 4), 0);
    cluster->first = &cluster->recordings.table[0];
    cluster->second = &cluster->recordings.table[1];
    cluster->first_again = &cluster->recordings.table[2];
    recording_begin(cluster->first, trip_clock_ns(), 0);
    recording_begin(cluster->second, trip_clock_ns(), 0);
    counter_set(&cluster->first->loop.turns, 7);
    assert_int_equal(survey_init(&cluster->survey, &cluster->recordings, &NAMES, trip_clock_ns()),
                     0);
    *state = cluster;
    return 0;
}

static int close_cluster(void **state)
{
    struct cluster *cluster = *state;
    survey_close(&cluster->survey);
    recordings_close(&cluster->recordings);
    free(cluster->page);
    free(cluster);
    return 0;
}

static void write_page(struct cluster *cluster)
{
    size_t length;
    free(cluster->page);
    FILE *out = open_memstream(&cluster->page, &length);
    assert_non_null(out);
    survey_look(&cluster->survey);
    assert_int_equal(metrics_page_write(out, EXPOSITION_PROMETHEUS, &cluster->survey), 0);
    assert_int_equal(fclose(out), 0);
}

static void assert_line(const struct cluster *cluster, const char *line)
{
    const char *at = strstr(cluster->page, line);
    if (at == NULL || at[-1] != '\n' || at[strlen(line)] != '\n')
        fail_msg("there is no line %s", line);
}

static void assert_nothing(const struct cluster *cluster, const char *sample)
{
    if (strstr(cluster->page, sample) != NULL)
        fail_msg("there is %.120s", strstr(cluster->page, sample));
}

static void submit(struct recording *recording)
{
    struct trip trip;
    trip_submit(&trip, recording, (struct trip_subject){.work = 1, .kernel = 1, .size = 1});
}

static void test_members(void **state)
{
    struct cluster *cluster = *state;
    submit(cluster->first);
    write_page(cluster);
    assert_line(cluster, "offloop_member_alive{member=\"1\"} 1");
    assert_line(cluster, "offloop_member_alive{member=\"2\"} 1");
    assert_nothing(cluster, "member=\"1b\"");
    assert_line(cluster, "offloop_jobs{member=\"1\",work=\"worker\",place=\"waiting\"} 1");
    assert_line(cluster, "nodejs_eventloop_lag_seconds{member=\"1\"} 0");
    assert_nothing(cluster, "process_start_time_seconds{member=\"1\"} 0");
}

/* It is known what it did; what it does, or is, cannot be said any more. */
static void test_a_member_that_was_killed(void **state)
{
    struct cluster *cluster = *state;
    submit(cluster->first);
    recording_end(cluster->first);
    write_page(cluster);
    assert_line(cluster, "offloop_member_alive{member=\"1\"} 0");
    assert_line(cluster, "offloop_member_alive{member=\"2\"} 1");
    assert_line(cluster, "offloop_loop_turns_total{member=\"1\"} 7");
    assert_line(cluster,
                "offloop_jobs_done_total{member=\"1\",work=\"worker\",outcome=\"lost\"} 1");
    assert_nothing(cluster, "offloop_jobs{member=\"1\"");
    assert_nothing(cluster, "nodejs_eventloop_lag_seconds{member=\"1\"}");
    assert_nothing(cluster, "process_start_time_seconds{member=\"1\"}");
    assert_nothing(cluster, "process_cpu_seconds_total{member=\"1\"}");
}

/* In a rolling restart a place has two processes, and then one in its other recording. */
static void test_a_member_that_was_replaced(void **state)
{
    struct cluster *cluster = *state;
    recording_begin(cluster->first_again, trip_clock_ns(), 0);
    write_page(cluster);
    assert_line(cluster, "offloop_member_alive{member=\"1\"} 1");
    assert_line(cluster, "offloop_member_alive{member=\"1b\"} 1");
    recording_end(cluster->first);
    write_page(cluster);
    assert_nothing(cluster, "offloop_member_alive{member=\"1\"}");
    assert_line(cluster, "offloop_member_alive{member=\"1b\"} 1");
    assert_line(cluster, "offloop_loop_turns_total{member=\"1\"} 7");
    recording_end(cluster->first_again);
    write_page(cluster);
    assert_line(cluster, "offloop_member_alive{member=\"1\"} 0");
    assert_nothing(cluster, "offloop_member_alive{member=\"1b\"}");
}

/* Of a process that does not write its recording only what the system knows is told. */
static void test_a_member_of_another_layout(void **state)
{
    struct cluster *cluster = *state;
    recording_begin_foreign(&cluster->recordings.table[1], (int)getpid());
    write_page(cluster);
    assert_line(cluster, "offloop_member_alive{member=\"2\"} 1");
    assert_non_null(strstr(cluster->page, "process_open_fds{member=\"2\"}"));
    assert_nothing(cluster, "nodejs_eventloop_utilization{member=\"2\"}");
    assert_nothing(cluster, "offloop_connections{member=\"2\"}");
}

#define CLUSTER_TEST(name) cmocka_unit_test_setup_teardown(name, open_cluster, close_cluster)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CLUSTER_TEST(test_members),
        CLUSTER_TEST(test_a_member_that_was_killed),
        CLUSTER_TEST(test_a_member_that_was_replaced),
        CLUSTER_TEST(test_a_member_of_another_layout),
    };
    return cmocka_run_group_tests_name("metrics page", tests, NULL, NULL);
}
