/* lane_test.c – every lane that has a place has one of its own, and the way back. */
#include "server/observe/lane.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static void assert_lane(struct lane lane, enum lane_kind kind, unsigned number)
{
    assert_int_equal(lane.kind, kind);
    assert_int_equal(lane.number, number);
}

static void test_every_index_has_a_lane_and_every_lane_its_index(void **state)
{
    (void)state;
    for (int i = 0; i < LANE_COUNT; i++)
        assert_int_equal(lane_index(lane_at(i)), i);
}

static void test_the_loop_comes_first_and_then_the_numbered_kinds(void **state)
{
    (void)state;
    assert_lane(lane_at(0), LANE_LOOP, 0);
    assert_lane(lane_at(1), LANE_POOL, 1);
    assert_lane(lane_at(LANE_NUMBER_MAX), LANE_POOL, LANE_NUMBER_MAX);
    assert_lane(lane_at(LANE_NUMBER_MAX + 1), LANE_WORKER, 1);
    assert_lane(lane_at(LANE_COUNT - 1), LANE_CHILD, LANE_NUMBER_MAX);
}

static void test_nobody_has_no_index(void **state)
{
    static const struct lane without[] = {
        {LANE_NONE, 0},  {LANE_NONE, 1},   {LANE_TIMER, 0},
        {LANE_TIMER, 1}, {LANE_POOL, 0},   {LANE_POOL, LANE_NUMBER_MAX + 1},
        {LANE_CHILD, 0}, {LANE_WORKER, 0}, {LANE_WORKER, LANE_NUMBER_MAX + 1},
        {LANE_CHILD, 0}, {LANE_POOL, -1u}, {LANE_CHILD, LANE_NUMBER_MAX + 1},
    };
    (void)state;
    for (size_t i = 0; i < sizeof without / sizeof *without; i++)
        assert_int_equal(lane_index(without[i]), -1);
}

static void test_names(void **state)
{
    char name[16];
    (void)state;
    lane_name(LANE_THE_LOOP, name, sizeof name);
    assert_string_equal(name, "loop");
    lane_name((struct lane){LANE_CHILD, 64}, name, sizeof name);
    assert_string_equal(name, "child 64");
    lane_name((struct lane){LANE_TIMER, 0}, name, sizeof name);
    assert_string_equal(name, "timer");
    lane_name((struct lane){LANE_WORKER, 12}, name, 8);
    assert_string_equal(name, "worker ");
    assert_string_equal(lane_kind_name(LANE_POOL), "pool");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_index_has_a_lane_and_every_lane_its_index),
        cmocka_unit_test(test_the_loop_comes_first_and_then_the_numbered_kinds),
        cmocka_unit_test(test_nobody_has_no_index),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests_name("lane", tests, NULL, NULL);
}
