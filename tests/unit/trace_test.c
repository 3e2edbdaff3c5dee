/* trace_test.c – a ring that is written faster than it is read, and never torn. */
#include "server/observe/trace.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Every word of a record is its number, so a mixture of two records cannot go unnoticed. */
static void write_number(struct trace *trace, uint64_t number)
{
    uint64_t words[TRACE_WORDS];
    struct trace_record record;
    for (size_t i = 0; i < TRACE_WORDS; i++)
        words[i] = number;
    memcpy(&record, words, sizeof record);
    trace_write(trace, &record);
}

static void write_numbers(struct trace *trace, uint64_t first, uint64_t last)
{
    for (uint64_t number = first; number <= last; number++)
        write_number(trace, number);
}

static bool is_whole(const struct trace_record *record)
{
    uint64_t words[TRACE_WORDS];
    memcpy(words, record, sizeof words);
    for (size_t i = 1; i < TRACE_WORDS; i++) {
        if (words[i] != words[0])
            return false;
    }
    return true;
}

struct reader {
    const struct trace *trace;
    uint64_t cursor, missed, read;
    uint64_t last; /* the last number that was read */
    bool torn;     /* or out of order */
};

static bool read_one(struct reader *reader)
{
    struct trace_record record;
    if (!trace_read(reader->trace, &reader->cursor, &record, &reader->missed))
        return false;
    reader->torn |= !is_whole(&record) || record.id <= reader->last;
    reader->last = record.id;
    reader->read++;
    return true;
}

static void assert_state(const struct reader *reader, uint64_t read, uint64_t missed, uint64_t last)
{
    assert_false(reader->torn);
    assert_int_equal(reader->read, read);
    assert_int_equal(reader->missed, missed);
    assert_int_equal(reader->last, last);
}

static int open_trace(void **state)
{
    *state = calloc(1, sizeof(struct trace));
    return *state == NULL;
}

static int close_trace(void **state)
{
    free(*state);
    return 0;
}

/* ------------------------------------------------------------------ one thread */

static void test_zero_is_an_empty_one(void **state)
{
    struct reader reader = {.trace = *state};
    assert_false(read_one(&reader));
    assert_state(&reader, 0, 0, 0);
    assert_int_equal(reader.cursor, 0);
}

static void test_records_come_in_order_and_once(void **state)
{
    struct reader reader = {.trace = *state};
    for (uint64_t first = 1; first <= 100; first += 10) {
        write_numbers(*state, first, first + 9);
        for (uint64_t number = first; number <= first + 9; number++) {
            assert_true(read_one(&reader));
            assert_int_equal(reader.last, number);
        }
        assert_false(read_one(&reader));
    }
    assert_state(&reader, 100, 0, 100);
}

/* Everything that is read is there, everything that is not is counted, and the newest are kept. */
static void assert_read_after(struct trace *trace, uint64_t written)
{
    struct reader reader = {.trace = trace};
    while (read_one(&reader))
        continue;
    assert_state(&reader, reader.read, written - reader.read, written);
    assert_true(reader.read >= TRACE_SLOTS - 1 || reader.missed == 0);
    assert_true(reader.read <= TRACE_SLOTS);
}

static void test_what_was_overwritten_is_counted(void **state)
{
    static const uint64_t counts[] = {
        TRACE_SLOTS - 1,     TRACE_SLOTS,         TRACE_SLOTS + 1,
        2 * TRACE_SLOTS - 1, 2 * TRACE_SLOTS + 5, 5 * TRACE_SLOTS + 777,
    };
    uint64_t written = 0;
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        write_numbers(*state, written + 1, counts[i]);
        written = counts[i];
        assert_read_after(*state, written);
    }
}

static void test_a_slow_reader_misses_only_what_it_was_too_slow_for(void **state)
{
    struct reader reader = {.trace = *state};
    write_numbers(*state, 1, 10);
    while (read_one(&reader))
        continue;
    write_numbers(*state, 11, 10 + TRACE_SLOTS - 1);
    assert_true(read_one(&reader));
    assert_state(&reader, 11, 0, 11);
    write_numbers(*state, 10 + TRACE_SLOTS, 11 + 3 * TRACE_SLOTS);
    assert_true(read_one(&reader));
    assert_int_equal(reader.missed, reader.last - 12);
    assert_in_range(reader.last, 12 + 2 * TRACE_SLOTS, 13 + 2 * TRACE_SLOTS);
}

static void test_two_readers_do_not_disturb_each_other(void **state)
{
    struct reader first = {.trace = *state}, second = {.trace = *state};
    write_numbers(*state, 1, 3);
    assert_true(read_one(&first) && read_one(&first));
    assert_true(read_one(&second));
    assert_state(&first, 2, 0, 2);
    assert_state(&second, 1, 0, 1);
    while (read_one(&first))
        continue;
    write_numbers(*state, 4, 4 + TRACE_SLOTS);
    assert_true(read_one(&second));
    assert_state(&first, 3, 0, 3);
    assert_int_equal(second.missed, second.last - 2);
}

/* ------------------------------------------------------------------ readers beside the writer */

enum { MANY = 2000000 };

static void *read_all(void *data)
{
    struct reader *reader = data;
    while (reader->cursor < MANY)
        read_one(reader);
    return NULL;
}

static void test_readers_beside_the_writer_see_no_torn_record(void **state)
{
    struct reader readers[2] = {{.trace = *state}, {.trace = *state}};
    pthread_t threads[2];
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, read_all, &readers[i]), 0);
    write_numbers(*state, 1, MANY);
    for (size_t i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    for (size_t i = 0; i < 2; i++)
        assert_state(&readers[i], readers[i].read, MANY - readers[i].read, MANY);
}

/* Reads where the writer writes: always one of the oldest that are still there. */
static void *read_at_the_edge(void *data)
{
    struct reader *reader = data;
    uint64_t distance = 1;
    while (reader->cursor < MANY) {
        uint64_t written = counter_get(&reader->trace->written);
        if (written > TRACE_SLOTS && written < MANY)
            reader->cursor = written - TRACE_SLOTS + distance++ % 64;
        reader->last = 0; /* it goes back and forth */
        read_one(reader);
    }
    return NULL;
}

static void test_a_reader_whose_records_are_overwritten_sees_no_torn_one(void **state)
{
    struct reader reader = {.trace = *state};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, read_at_the_edge, &reader), 0);
    write_numbers(*state, 1, MANY);
    pthread_join(thread, NULL);
    assert_false(reader.torn);
}

/* A reader that keeps up: nothing may count as missed that has only not quite been written. */
static void *write_within_reach(void *data)
{
    struct reader *reader = data;
    struct trace *trace = (struct trace *)(uintptr_t)reader->trace;
    for (uint64_t number = 1; number < TRACE_SLOTS; number++)
        write_number(trace, number);
    return NULL;
}

static void test_nothing_is_missed_that_was_not_overwritten(void **state)
{
    struct reader reader = {.trace = *state};
    pthread_t writer;
    assert_int_equal(pthread_create(&writer, NULL, write_within_reach, &reader), 0);
    while (reader.cursor < TRACE_SLOTS - 1)
        read_one(&reader);
    pthread_join(writer, NULL);
    assert_state(&reader, TRACE_SLOTS - 1, 0, TRACE_SLOTS - 1);
}

#define TRACE_TEST(name) cmocka_unit_test_setup_teardown(name, open_trace, close_trace)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TRACE_TEST(test_zero_is_an_empty_one),
        TRACE_TEST(test_records_come_in_order_and_once),
        TRACE_TEST(test_what_was_overwritten_is_counted),
        TRACE_TEST(test_a_slow_reader_misses_only_what_it_was_too_slow_for),
        TRACE_TEST(test_two_readers_do_not_disturb_each_other),
        TRACE_TEST(test_readers_beside_the_writer_see_no_torn_record),
        TRACE_TEST(test_a_reader_whose_records_are_overwritten_sees_no_torn_one),
        TRACE_TEST(test_nothing_is_missed_that_was_not_overwritten),
    };
    return cmocka_run_group_tests_name("trace", tests, NULL, NULL);
}
