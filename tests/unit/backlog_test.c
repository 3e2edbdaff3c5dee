/* backlog_test.c – how late a queue is, from the jobs that are out. Times are made up. */
#include "server/offload/backlog.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

enum { JOBS = 5, SECOND = 1000000000 };

/* Job i came at the second i + 1. */
static void fill(struct backlog *backlog, struct job *jobs)
{
    for (unsigned i = 0; i < JOBS; i++) {
        jobs[i].trip.submitted_ns = (uint64_t)(i + 1) * SECOND;
        backlog_add(backlog, &jobs[i]);
    }
}

static void begins(struct job *job, uint64_t second)
{
    atomic_store(&job->begun, true);
    job->trip.started_ns = second * SECOND;
}

static unsigned lateness(struct backlog *backlog, uint64_t second)
{
    return (unsigned)(backlog_lateness_ns(backlog, second * SECOND) / SECOND);
}

static void test_the_oldest_that_waits_counts(void **state)
{
    struct backlog backlog = {0};
    struct job jobs[JOBS] = {0};
    (void)state;
    assert_int_equal(lateness(&backlog, 10), 0);
    fill(&backlog, jobs);
    assert_int_equal(lateness(&backlog, 10), 9);
    begins(&jobs[0], 10);
    assert_int_equal(lateness(&backlog, 10), 8);
    begins(&jobs[2], 10); /* out of turn */
    assert_int_equal(lateness(&backlog, 10), 8);
    begins(&jobs[1], 10);
    assert_int_equal(lateness(&backlog, 10), 6);
    begins(&jobs[3], 10);
    begins(&jobs[4], 10);
    assert_int_equal(lateness(&backlog, 10), 0);
}

static void test_one_that_comes_when_all_have_begun(void **state)
{
    struct backlog backlog = {0};
    struct job jobs[JOBS] = {0}, late = {.trip.submitted_ns = 20 * (uint64_t)SECOND};
    (void)state;
    fill(&backlog, jobs);
    for (int i = 0; i < JOBS; i++)
        begins(&jobs[i], 10);
    assert_int_equal(lateness(&backlog, 10), 0);
    backlog_add(&backlog, &late);
    assert_int_equal(lateness(&backlog, 23), 3);
}

/* It may leave without having begun, from anywhere. */
static void test_one_that_leaves(void **state)
{
    static const unsigned expected[JOBS] = {8, 9, 9, 9, 9};
    (void)state;
    for (unsigned leaver = 0; leaver < JOBS; leaver++) {
        struct backlog backlog = {0};
        struct job jobs[JOBS] = {0};
        fill(&backlog, jobs);
        backlog_remove(&backlog, &jobs[leaver]);
        assert_int_equal(lateness(&backlog, 10), expected[leaver]);
        for (unsigned i = 0; i < JOBS; i++) {
            if (i != leaver)
                backlog_remove(&backlog, &jobs[i]);
        }
        assert_int_equal(lateness(&backlog, 10), 0);
        assert_null(backlog.oldest);
        assert_null(backlog.newest);
        assert_null(backlog.waiting);
    }
}

/* The queue is empty, but whoever came out of it last had waited, and that was just now. */
static void test_the_last_one_that_began_counts_for_a_second(void **state)
{
    struct backlog backlog = {0};
    struct job jobs[JOBS] = {0};
    (void)state;
    fill(&backlog, jobs);
    for (unsigned i = 0; i < JOBS; i++)
        begins(&jobs[i], 10 + i);
    backlog_remove(&backlog, &jobs[4]); /* waited from 5 to 14 */
    backlog_remove(&backlog, &jobs[0]); /* began before that, and says nothing any more */
    assert_int_equal(backlog_lateness_ns(&backlog, UINT64_C(14999999999)) / SECOND, 9);
    assert_int_equal(lateness(&backlog, 15), 0);
}

/* The stamps are of the loop's thread and of a lane's. */
static void test_stamps_that_go_back(void **state)
{
    struct backlog backlog = {0};
    struct job jobs[JOBS] = {0};
    (void)state;
    fill(&backlog, jobs);
    assert_int_equal(lateness(&backlog, 0), 0);
    for (unsigned i = 0; i < JOBS; i++) {
        jobs[i].trip.submitted_ns = 20 * (uint64_t)SECOND + 1;
        begins(&jobs[i], 20);
    }
    backlog_remove(&backlog, &jobs[0]);
    assert_int_equal(lateness(&backlog, 20), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_oldest_that_waits_counts),
        cmocka_unit_test(test_one_that_comes_when_all_have_begun),
        cmocka_unit_test(test_one_that_leaves),
        cmocka_unit_test(test_the_last_one_that_began_counts_for_a_second),
        cmocka_unit_test(test_stamps_that_go_back),
    };
    return cmocka_run_group_tests_name("backlog", tests, NULL, NULL);
}
