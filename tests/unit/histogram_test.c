/* histogram_test.c – every bucket's bounds, quantiles against sorted data, and readers beside a
 * writer. */
#include "server/observe/histogram.h"

#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/random.h"

static const uint64_t US = 1000, MS = 1000000, SECOND = 1000000000;

enum { LAST = HISTOGRAM_BUCKETS - 1 };

static struct histogram_snapshot reading(const struct histogram *histogram)
{
    struct histogram_snapshot snapshot;
    histogram_read(histogram, &snapshot);
    return snapshot;
}

/* ------------------------------------------------------------------ counters */

static void *add_shared(void *data)
{
    for (unsigned i = 0; i < 10000; i++)
        counter_add_shared(data, 2);
    return NULL;
}

static void test_a_counter_of_one_writer(void **state)
{
    struct counter counter = {0};
    (void)state;
    assert_int_equal(counter_get(&counter), 0);
    counter_add(&counter, 3);
    counter_add(&counter, 4);
    assert_int_equal(counter_get(&counter), 7);
    counter_set(&counter, 5);
    assert_int_equal(counter_get(&counter), 5);
}

static void test_a_counter_of_many_writers(void **state)
{
    struct counter counter = {0};
    pthread_t threads[2];
    (void)state;
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, add_shared, &counter), 0);
    for (unsigned i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(counter_get(&counter), 40000);
}

/* ------------------------------------------------------------------ buckets */

static void test_every_bucket_holds_what_is_between_its_bounds(void **state)
{
    (void)state;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        uint64_t low = histogram_bucket_low(i), high = histogram_bucket_high(i);
        assert_true(low < high);
        assert_int_equal(histogram_bucket_of(low), i);
        assert_int_equal(histogram_bucket_of(low + (high - low) / 2), i);
        assert_int_equal(histogram_bucket_of(high - 1), i);
        if (i < LAST) {
            assert_int_equal(histogram_bucket_of(high), i + 1);
            assert_int_equal(histogram_bucket_low(i + 1), high);
        }
    }
    assert_int_equal(histogram_bucket_of(UINT64_MAX), LAST);
}

static void test_bounds_are_round_numbers(void **state)
{
    (void)state;
    assert_int_equal(histogram_bucket_low(0), 0);
    assert_int_equal(histogram_bucket_low(1), 1 * US);
    assert_int_equal(histogram_bucket_low(2), 1100);
    assert_int_equal(histogram_bucket_low(90), 9900);
    assert_int_equal(histogram_bucket_low(91), 10 * US);
    assert_int_equal(histogram_bucket_low(92), 11 * US);
    assert_int_equal(histogram_bucket_low(LAST - 1), 990 * SECOND);
    assert_int_equal(histogram_bucket_low(LAST), 1000 * SECOND);
    assert_true(histogram_bucket_high(LAST) == UINT64_MAX);
}

static void test_a_bucket_is_at_most_a_tenth_of_its_values_wide(void **state)
{
    (void)state;
    for (unsigned i = 1; i < LAST; i++) {
        uint64_t low = histogram_bucket_low(i);
        assert_true((histogram_bucket_high(i) - low) * 10 <= low);
    }
}

/* The multiplication by a reciprocal against the division that it stands for. */
static void test_random_values_find_their_buckets(void **state)
{
    uint64_t random = random_seed();
    (void)state;
    for (unsigned i = 0; i < 1000000; i++) {
        uint64_t ns = (uint64_t)random_below(&random, 1u << 31) << random_below(&random, 12);
        unsigned bucket = histogram_bucket_of(ns);
        assert_true(histogram_bucket_low(bucket) <= ns && ns < histogram_bucket_high(bucket));
    }
}

/* ------------------------------------------------------------------ recording */

static void test_all_zero_is_an_empty_one(void **state)
{
    static struct histogram histogram;
    (void)state;
    struct histogram_snapshot snapshot = reading(&histogram);
    assert_int_equal(snapshot.count, 0);
    assert_int_equal(snapshot.max_ns, 0);
    assert_int_equal(histogram_quantile(&snapshot, 0.5), 0);
    assert_int_equal(histogram_count_to(&snapshot, UINT64_MAX), 0);
    assert_true(histogram_is_empty(&histogram));
    histogram_record(&histogram, 0);
    assert_false(histogram_is_empty(&histogram));
}

static void test_what_is_recorded_can_be_read(void **state)
{
    static struct histogram histogram;
    (void)state;
    histogram_record(&histogram, 5 * MS);
    histogram_record_many(&histogram, 2 * MS, 3);
    histogram_record_many(&histogram, 9 * MS, 0);
    struct histogram_snapshot snapshot = reading(&histogram);
    assert_int_equal(snapshot.count, 4);
    assert_int_equal(snapshot.sum_ns, 11 * MS);
    assert_int_equal(snapshot.max_ns, 5 * MS);
    assert_int_equal(snapshot.counts[histogram_bucket_of(2 * MS)], 3);
}

static void test_values_outside_the_decades_are_kept(void **state)
{
    static struct histogram histogram;
    (void)state;
    histogram_record(&histogram, 0);
    histogram_record(&histogram, 999);
    histogram_record(&histogram, 3000 * SECOND);
    struct histogram_snapshot snapshot = reading(&histogram);
    assert_int_equal(snapshot.counts[0], 2);
    assert_int_equal(snapshot.counts[LAST], 1);
    assert_true(histogram_quantile(&snapshot, 0.5) < US);
    assert_int_equal(histogram_quantile(&snapshot, 1), 3000 * SECOND);
}

/* A reader may see the count of a value before it sees that value as the maximum. */
static void test_the_maximum_is_never_below_what_is_counted(void **state)
{
    static struct histogram histogram;
    (void)state;
    counter_add(&histogram.buckets[histogram_bucket_of(7 * MS)], 1);
    struct histogram_snapshot snapshot = reading(&histogram);
    assert_int_equal(snapshot.max_ns, 7 * MS);
    assert_int_equal(histogram_quantile(&snapshot, 0.5), 7 * MS);
}

/* ------------------------------------------------------------------ quantiles */

static int by_size(const void *a, const void *b)
{
    const uint64_t *left = a, *right = b;
    return (*left > *right) - (*left < *right);
}

/* Off by less than the width of the true value's bucket, and never above the maximum. */
static void assert_quantile(const struct histogram_snapshot *snapshot, const uint64_t *sorted,
                            double q)
{
    uint64_t rank = (uint64_t)ceil(q * (double)snapshot->count);
    uint64_t truth = sorted[rank > 0 ? rank - 1 : 0], told = histogram_quantile(snapshot, q);
    unsigned bucket = histogram_bucket_of(truth);
    uint64_t width = histogram_bucket_high(bucket) - histogram_bucket_low(bucket);
    uint64_t error = told > truth ? told - truth : truth - told;
    assert_true(error <= width);
    assert_true(told <= snapshot->max_ns);
    if (truth >= US && truth < 1000 * SECOND)
        assert_true((double)error <= 0.1 * (double)truth);
}

static void assert_quantiles(uint64_t *values, size_t count)
{
    static const double quantiles[] = {0, 0.01, 0.25, 0.5, 0.9, 0.99, 0.999, 1};
    struct histogram *histogram = calloc(1, sizeof *histogram);
    assert_non_null(histogram);
    for (size_t i = 0; i < count; i++)
        histogram_record(histogram, values[i]);
    struct histogram_snapshot snapshot = reading(histogram);
    qsort(values, count, sizeof *values, by_size);
    for (size_t i = 0; i < sizeof quantiles / sizeof *quantiles; i++)
        assert_quantile(&snapshot, values, quantiles[i]);
    assert_int_equal(histogram_quantile(&snapshot, 1), values[count - 1]);
    free(histogram);
}

static void test_quantiles_keep_the_promised_error(void **state)
{
    uint64_t values[2000], random = random_seed();
    (void)state;
    for (unsigned round = 0; round < 200; round++) {
        size_t count = 1 + random_below(&random, 2000);
        unsigned widest = 1 + random_below(&random, 40);
        for (size_t i = 0; i < count; i++)
            values[i] =
                random_below(&random, 1u << 31) * UINT64_C(0x200) >> random_below(&random, widest);
        assert_quantiles(values, count);
    }
}

static void test_a_quantile_lies_evenly_within_its_bucket(void **state)
{
    static struct histogram histogram;
    (void)state;
    for (uint64_t i = 0; i < 100; i++)
        histogram_record(&histogram, 10 * MS + i * 10 * US); /* one bucket, up to 11 ms */
    struct histogram_snapshot snapshot = reading(&histogram);
    assert_int_equal(histogram_quantile(&snapshot, 0.5), 10 * MS + 495 * US);
    assert_int_equal(histogram_quantile(&snapshot, 1), 10 * MS + 990 * US);
}

static void test_one_value_is_every_quantile_within_its_bucket(void **state)
{
    static struct histogram histogram;
    (void)state;
    histogram_record(&histogram, 598 * MS);
    struct histogram_snapshot snapshot = reading(&histogram);
    assert_in_range(histogram_quantile(&snapshot, 0.5), 590 * MS, 598 * MS);
    assert_int_equal(histogram_quantile(&snapshot, 1), 598 * MS);
}

/* ------------------------------------------------------------------ cumulative counts */

static void test_counts_to_a_bound_are_exact(void **state)
{
    static struct histogram histogram;
    static const uint64_t bounds_ns[] = {0, 1000, 5000000, 10000000, 2500000000, 1000000000000};
    uint64_t random = random_seed(), below[6] = {0};
    (void)state;
    for (unsigned i = 0; i < 50000; i++) {
        uint64_t ns = (uint64_t)random_below(&random, 1u << 30) << random_below(&random, 12);
        histogram_record(&histogram, ns);
        for (unsigned k = 0; k < 6; k++)
            below[k] += ns < bounds_ns[k];
    }
    struct histogram_snapshot snapshot = reading(&histogram);
    for (unsigned k = 0; k < 6; k++)
        assert_int_equal(histogram_count_to(&snapshot, bounds_ns[k]), below[k]);
}

/* ------------------------------------------------------------------ adding and taking away */

static void test_merging_is_recording_into_one(void **state)
{
    static struct histogram parts[2], whole;
    uint64_t random = random_seed();
    (void)state;
    for (unsigned i = 0; i < 1000; i++) {
        uint64_t ns = (uint64_t)random_below(&random, 1u << 30) * 100;
        histogram_record(&parts[i % 2], ns);
        histogram_record(&whole, ns);
    }
    struct histogram_snapshot merged = reading(&parts[0]), other = reading(&parts[1]);
    struct histogram_snapshot expected = reading(&whole);
    histogram_merge(&merged, &other);
    assert_memory_equal(&merged, &expected, sizeof merged);
}

static void test_subtracting_leaves_what_came_in_between(void **state)
{
    static struct histogram histogram;
    (void)state;
    histogram_record(&histogram, 5 * MS);
    struct histogram_snapshot earlier = reading(&histogram);
    histogram_record(&histogram, 8 * MS);
    histogram_record(&histogram, 2 * MS);
    struct histogram_snapshot between = reading(&histogram);
    histogram_subtract(&between, &earlier);
    assert_int_equal(between.count, 2);
    assert_int_equal(between.sum_ns, 10 * MS);
    assert_int_equal(between.max_ns, 8 * MS);
    assert_int_equal(between.counts[histogram_bucket_of(5 * MS)], 0);
}

static void test_a_maximum_that_did_not_grow_is_the_end_of_a_bucket(void **state)
{
    static struct histogram histogram;
    (void)state;
    histogram_record(&histogram, 5 * MS);
    struct histogram_snapshot earlier = reading(&histogram);
    histogram_record(&histogram, 2 * MS);
    struct histogram_snapshot between = reading(&histogram);
    histogram_subtract(&between, &earlier);
    assert_int_equal(between.max_ns, 2 * MS + 100 * US - 1);
    histogram_record(&histogram, 5 * MS - 1);
    histogram_record(&histogram, 5 * MS); /* in the bucket of the maximum, which is known */
    between = reading(&histogram);
    histogram_subtract(&between, &earlier);
    assert_int_equal(between.max_ns, 5 * MS);
}

static void test_nothing_in_between(void **state)
{
    static struct histogram histogram;
    static const struct histogram_snapshot empty;
    (void)state;
    histogram_record(&histogram, 5 * MS);
    struct histogram_snapshot earlier = reading(&histogram), between = earlier;
    histogram_subtract(&between, &earlier);
    assert_memory_equal(&between, &empty, sizeof between);
}

/* As when a member was started anew, and its numbers began at zero. */
static void test_an_emptied_histogram_is_not_below_zero(void **state)
{
    static struct histogram histogram;
    struct histogram_snapshot earlier = {.count = 9, .sum_ns = SECOND, .max_ns = SECOND};
    (void)state;
    earlier.counts[histogram_bucket_of(2 * MS)] = 9;
    histogram_record(&histogram, 2 * MS);
    struct histogram_snapshot between = reading(&histogram);
    histogram_subtract(&between, &earlier);
    assert_int_equal(between.count, 0);
    assert_int_equal(between.sum_ns, 0);
}

/* ------------------------------------------------------------------ readers elsewhere */

enum { RECORDED = 200000 };

static void *record_many(void *data)
{
    for (uint64_t i = 1; i <= RECORDED; i++)
        histogram_record(data, i * US);
    return NULL;
}

static void assert_all_recorded(const struct histogram *histogram)
{
    struct histogram_snapshot snapshot = reading(histogram);
    assert_int_equal(snapshot.count, RECORDED);
    assert_int_equal(snapshot.max_ns, RECORDED * US);
    assert_int_equal(snapshot.sum_ns, RECORDED * (RECORDED + UINT64_C(1)) / 2 * US);
}

static void test_a_reader_beside_the_writer(void **state)
{
    static struct histogram histogram;
    struct histogram_snapshot now = {0};
    pthread_t writer;
    (void)state;
    assert_int_equal(pthread_create(&writer, NULL, record_many, &histogram), 0);
    while (now.count < RECORDED) {
        uint64_t before = now.count;
        now = reading(&histogram);
        assert_in_range(now.count, before, RECORDED);
        assert_true(histogram_quantile(&now, 0.99) <= now.max_ns);
    }
    pthread_join(writer, NULL);
    assert_all_recorded(&histogram);
}

static void test_a_reader_in_another_process(void **state)
{
    struct histogram *histogram =
        mmap(NULL, sizeof *histogram, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int status = -1;
    (void)state;
    assert_true(histogram != MAP_FAILED);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        record_many(histogram);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_all_recorded(histogram);
    munmap(histogram, sizeof *histogram);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_counter_of_one_writer),
        cmocka_unit_test(test_a_counter_of_many_writers),
        cmocka_unit_test(test_every_bucket_holds_what_is_between_its_bounds),
        cmocka_unit_test(test_bounds_are_round_numbers),
        cmocka_unit_test(test_a_bucket_is_at_most_a_tenth_of_its_values_wide),
        cmocka_unit_test(test_random_values_find_their_buckets),
        cmocka_unit_test(test_all_zero_is_an_empty_one),
        cmocka_unit_test(test_what_is_recorded_can_be_read),
        cmocka_unit_test(test_values_outside_the_decades_are_kept),
        cmocka_unit_test(test_the_maximum_is_never_below_what_is_counted),
        cmocka_unit_test(test_quantiles_keep_the_promised_error),
        cmocka_unit_test(test_a_quantile_lies_evenly_within_its_bucket),
        cmocka_unit_test(test_one_value_is_every_quantile_within_its_bucket),
        cmocka_unit_test(test_counts_to_a_bound_are_exact),
        cmocka_unit_test(test_merging_is_recording_into_one),
        cmocka_unit_test(test_subtracting_leaves_what_came_in_between),
        cmocka_unit_test(test_a_maximum_that_did_not_grow_is_the_end_of_a_bucket),
        cmocka_unit_test(test_nothing_in_between),
        cmocka_unit_test(test_an_emptied_histogram_is_not_below_zero),
        cmocka_unit_test(test_a_reader_beside_the_writer),
        cmocka_unit_test(test_a_reader_in_another_process),
    };
    return cmocka_run_group_tests_name("histogram", tests, NULL, NULL);
}
