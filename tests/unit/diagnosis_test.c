/* diagnosis_test.c – what is measured for the verdict, of recordings that the test writes itself.
 */
#include "server/observe/diagnosis.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const uint64_t MS = 1000000, S = 1000000000;

static const struct names NAMES = {
    .works = {"none", "process", "sqlite"},
    .strategy_count = 2,
    .kernels = {"primes", "sleep"},
    .routes = {"/fast", "/heavy"},
};

struct ward {
    struct recordings recordings;
    struct survey survey;
    struct diagnosis diagnosis;
    struct verdict verdict;
};

static void look(struct ward *ward)
{
    survey_look(&ward->survey);
    diagnosis_make(&ward->diagnosis, &ward->survey, &ward->verdict);
}

static struct ward *open_ward(unsigned recordings)
{
    struct ward *ward = calloc(1, sizeof *ward);
    uint64_t epoch_ns = trip_clock_ns() - 10 * S;
    assert_non_null(ward);
    assert_int_equal(recordings_init(&ward->recordings, recordings), 0);
    for (unsigned i = 0; i < (recordings + 1) / 2; i++)
        recording_begin(&ward->recordings.table[i], epoch_ns, 0);
    assert_int_equal(survey_init(&ward->survey, &ward->recordings, &NAMES, epoch_ns), 0);
    diagnosis_init(&ward->diagnosis);
    look(ward);
    return ward;
}

static void close_ward(struct ward *ward)
{
    survey_close(&ward->survey);
    recordings_close(&ward->recordings);
    free(ward);
}

static void assert_rule(const struct ward *ward, const char *rule)
{
    assert_string_equal(ward->verdict.rule, rule);
}

static void assert_says(const struct ward *ward, const char *words)
{
    if (strstr(ward->verdict.text, words) == NULL)
        fail_msg("there is no \"%s\" in \"%s\"", words, ward->verdict.text);
}

/* ------------------------------------------------------------------ how busy the loop is */

/* The cells of the last five seconds: the first ones idle, so many others busy. */
static void enter_cells(struct recording *recording, unsigned busy)
{
    uint64_t now_ns = trip_clock_ns();
    uint64_t end = (now_ns - counter_get(&recording->epoch_ns)) / (RECORDING_CELL_MS * MS);
    for (uint64_t i = 0; i < 100; i++)
        counter_set(&recording->watch.cells[end - 1 - i],
                    (end - i) << 16 | (i < busy ? 10000u : 0u));
    counter_set(&recording->watch.sampled_ns, now_ns);
}

static void busy_for(unsigned cells, uint64_t busy_ns, uint64_t idle_ns, const char *words)
{
    struct ward *ward = open_ward(1);
    struct recording *recording = ward->recordings.table;
    ward->diagnosis.past[0].at_ns -= 5 * S;
    enter_cells(recording, cells);
    counter_add(&recording->loop.busy_ns, busy_ns);
    counter_add(&recording->loop.idle_ns, idle_ns);
    counter_add(&recording->http.requests, 100);
    look(ward);
    assert_says(ward, words);
    close_ward(ward);
}

/* A poll, or a block, is counted when it is over, with all that it took before the window. */
static void test_only_the_window_counts(void **state)
{
    (void)state;
    busy_for(40, 2 * S, 3600 * S, "The loop is busy 40 % of the time");
    busy_for(20, 3600 * S, 4 * S, "The loop is busy 20 % of the time");
    busy_for(0, 0, 0, "The loop is busy 0 % of the time");
}

/* ------------------------------------------------------------------ lag and stalls */

static void enter_stall(struct recording *recording, uint64_t lasted_ns)
{
    uint64_t now_ns = trip_clock_ns();
    histogram_record_many(&recording->loop.lag, lasted_ns, 100);
    trace_write(&recording->trace, &(struct trace_record){
                                       .kind = TRACE_STALL,
                                       .began_ns = now_ns - lasted_ns,
                                       .ended_ns = now_ns,
                                       .kernel = 1,
                                       .size = 20000000,
                                       .times = 1,
                                   });
}

static void test_timers_that_were_late_are_forgotten(void **state)
{
    struct ward *ward = open_ward(1);
    (void)state;
    histogram_record_many(&ward->recordings.table->loop.lag, 30 * MS, 100);
    look(ward);
    assert_rule(ward, "timers-late");
    for (unsigned i = 0; i < DIAGNOSIS_LOOKS; i++)
        look(ward);
    assert_rule(ward, "idle");
    close_ward(ward);
}

/* The lag that a stall has left is never told without the stall, at whatever look that was. */
static void test_lag_is_forgotten_with_its_stall(void **state)
{
    (void)state;
    for (unsigned before = 0; before < 20; before++) {
        struct ward *ward = open_ward(1);
        for (unsigned i = 0; i < before; i++)
            look(ward);
        enter_stall(ward->recordings.table, 300 * MS);
        look(ward);
        assert_rule(ward, "loop-stalled");
        for (unsigned i = 0; i < DIAGNOSIS_LOOKS; i++) {
            look(ward);
            assert_string_not_equal(ward->verdict.rule, "timers-late");
        }
        assert_rule(ward, "idle");
        close_ward(ward);
    }
}

/* ------------------------------------------------------------------ who holds the loop */

static void block(struct recording *recording, uint64_t for_ns)
{
    counter_set(&recording->watch.blocked_since_ns, trip_clock_ns() - for_ns);
}

static void hold_loop(struct recording *recording, uint64_t size)
{
    struct trip trip;
    trip_submit(&trip, recording, (struct trip_subject){.work = 0, .kernel = 1, .size = size});
    trip_start(&trip, LANE_THE_LOOP);
}

static void test_who_held_the_loop_is_not_blamed_for_what_holds_it(void **state)
{
    struct ward *ward = open_ward(1);
    (void)state;
    enter_stall(ward->recordings.table, 300 * MS);
    block(ward->recordings.table, 400 * MS);
    look(ward);
    assert_rule(ward, "loop-blocked");
    assert_says(ward, "by a callback on the loop.");
    close_ward(ward);
}

/* What has held the loop for a moment is not what made the longest stall. */
static void test_who_holds_the_loop_for_a_moment_is_not_blamed_for_a_stall(void **state)
{
    struct ward *ward = open_ward(1);
    (void)state;
    enter_stall(ward->recordings.table, 300 * MS);
    hold_loop(ward->recordings.table, 7);
    block(ward->recordings.table, 60 * MS);
    look(ward);
    assert_rule(ward, "loop-stalled");
    assert_says(ward, "the longest 300 ms, by GET /heavy (primes n=20000000)");
    close_ward(ward);
}

static void test_the_member_that_is_blocked_for_longest(void **state)
{
    struct ward *ward = open_ward(4);
    struct recording *members = ward->recordings.table;
    (void)state;
    for (unsigned i = 0; i < 2; i++)
        hold_loop(&members[i], i + 1);
    block(&members[0], 500 * MS);
    block(&members[1], 3 * S);
    look(ward);
    assert_rule(ward, "all-members-blocked");
    assert_says(ward, "the longest for 3 s, by GET /heavy (primes n=2) in mode none");
    block(&members[1], 60 * MS);
    look(ward);
    assert_rule(ward, "member-blocked");
    assert_says(ward, "by GET /heavy (primes n=1) in mode none");
    close_ward(ward);
}

static void test_members_of_another_layout(void **state)
{
    struct ward *ward = open_ward(4);
    (void)state;
    recording_begin_foreign(&ward->recordings.table[3], 77);
    look(ward);
    assert_rule(ward, "members-unrecorded");
    assert_string_equal(ward->verdict.title, "1 of 3 members cannot be seen");
    assert_true(ward->survey.members[3].alive);
    assert_false(ward->survey.members[3].recorded);
    recording_end(&ward->recordings.table[3]);
    look(ward);
    assert_rule(ward, "idle");
    close_ward(ward);
}

/* Of all members together, the route that fails most; and only as long as it does. */
static void test_answers_that_are_errors(void **state)
{
    struct ward *ward = open_ward(4);
    struct recording *members = ward->recordings.table;
    (void)state;
    counter_add(&members[0].routes[0].answers[2], 50);
    counter_add(&members[0].routes[0].answers[5], 1);
    counter_add(&members[0].routes[1].answers[5], 2);
    counter_add(&members[1].routes[1].answers[5], 3);
    counter_add(&members[1].routes[1].answers[4], 1);
    look(ward);
    assert_rule(ward, "answers-fail");
    assert_says(ward, "5 of the last 6 answers of /heavy were errors");
    counter_add(&members[1].routes[RECORDING_ROUTES - 1].answers[5], 9);
    look(ward);
    assert_says(ward, "9 of the last 9 answers of other paths were errors");
    for (int i = 0; i < DIAGNOSIS_LOOKS; i++)
        look(ward);
    assert_rule(ward, "idle");
    close_ward(ward);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_only_the_window_counts),
        cmocka_unit_test(test_timers_that_were_late_are_forgotten),
        cmocka_unit_test(test_lag_is_forgotten_with_its_stall),
        cmocka_unit_test(test_who_held_the_loop_is_not_blamed_for_what_holds_it),
        cmocka_unit_test(test_who_holds_the_loop_for_a_moment_is_not_blamed_for_a_stall),
        cmocka_unit_test(test_the_member_that_is_blocked_for_longest),
        cmocka_unit_test(test_members_of_another_layout),
        cmocka_unit_test(test_answers_that_are_errors),
    };
    return cmocka_run_group_tests_name("diagnosis", tests, NULL, NULL);
}
