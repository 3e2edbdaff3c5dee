/* histogram.h – how long things took: a log-linear histogram of nanoseconds.
 *
 * Every decade from 1 µs to 1000 s has 90 buckets of equal width, as Circonus' histograms have
 * (Hartmann and Schlossnagle, "Circllhist", arXiv:2001.06561): 1.0 to 1.1 µs, 1.1 to 1.2 µs, … 9.9
 * to 10 µs, 10 to 11 µs. A bucket is 1 to 10 % of its values wide, its bounds are round numbers
 * that a person and Prometheus can name, and histograms of several threads, members or minutes add
 * up without a loss. What is shorter than 1 µs is one bucket, what is longer than 1000 s another.
 *
 * A histogram is 6.5 KB of counters with one writer, and all zero is an empty one: it may lie in
 * zero-filled shared memory, and any thread of any process may read it while it is written. Such a
 * reading is not of one instant; it may miss a value that is being recorded, or have it in the
 * count and not yet in the sum.
 *
 * Rejected: HdrHistogram's buckets, as precise but with powers of two for bounds, which no `le` of
 * Prometheus can state; a sorted window of samples, which costs at every reading and cannot be
 * added up. */
#ifndef OFFLOOP_OBSERVE_HISTOGRAM_H
#define OFFLOOP_OBSERVE_HISTOGRAM_H

#include <stdbool.h>

#include "server/http/counter.h"

enum {
    HISTOGRAM_DECADES = 9,
    HISTOGRAM_DECADE_BUCKETS = 90,
    HISTOGRAM_BUCKETS = 1 + HISTOGRAM_DECADES * HISTOGRAM_DECADE_BUCKETS + 1,
};

struct histogram {
    struct counter buckets[HISTOGRAM_BUCKETS];
    struct counter sum_ns, max_ns;
};

/* What a reader works with: plain numbers of its own. All zero is an empty one. */
struct histogram_snapshot {
    uint64_t counts[HISTOGRAM_BUCKETS], count, sum_ns, max_ns;
};

/* ------------------------------------------------------------------ the writer's thread */

/* A value, or the same value several times. Takes a few nanoseconds and cannot fail. */
void histogram_record(struct histogram *histogram, uint64_t ns);
void histogram_record_many(struct histogram *histogram, uint64_t ns, uint64_t times);

/* ------------------------------------------------------------------ any thread */

/* The bucket of a value, 0 … HISTOGRAM_BUCKETS - 1. Bucket i holds low(i) <= ns < high(i), and
 * high(i) is low(i + 1); the last one's high is UINT64_MAX, which it holds as well. */
unsigned histogram_bucket_of(uint64_t ns);
uint64_t histogram_bucket_low(unsigned bucket);
uint64_t histogram_bucket_high(unsigned bucket);

/* What has been recorded up to about now. */
void histogram_read(const struct histogram *histogram, struct histogram_snapshot *snapshot);

/* Whether nothing has been recorded yet; cheaper than to read it. */
bool histogram_is_empty(const struct histogram *histogram);

/* Adds what `other` has seen. */
void histogram_merge(struct histogram_snapshot *snapshot, const struct histogram_snapshot *other);

/* Leaves in `later` what came since `earlier`, a reading of the same histogram. The greatest value
 * of that time is known exactly if it was the greatest ever; otherwise max_ns is the end of the
 * highest bucket that was hit. If the histogram has been emptied in between, nothing is below
 * zero. */
void histogram_subtract(struct histogram_snapshot *later, const struct histogram_snapshot *earlier);

/* The value in ns that `q` of all values do not exceed (0 <= q <= 1), 0 if there are none. It is
 * interpolated within the bucket of the value of rank ceil(q * count), so it is off by less than
 * the width of that bucket: at most 10 % of the true value from 1 µs to 1000 s, less than 1 µs
 * below. Never above max_ns; q = 1 gives max_ns itself. */
uint64_t histogram_quantile(const struct histogram_snapshot *snapshot, double q);

/* How many values are below `ns`, which should be the bound of a bucket (otherwise: below that
 * bucket). For Prometheus this is the count of le="…": it differs only by values that are exactly
 * the bound, to the nanosecond, and count as above it. */
uint64_t histogram_count_to(const struct histogram_snapshot *snapshot, uint64_t ns);

#endif
