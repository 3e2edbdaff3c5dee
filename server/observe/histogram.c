/* histogram.c – see histogram.h.
 *
 * A value finds its bucket in three steps without a division: its length in bits gives its decade
 * or the one below, a comparison decides, and a multiplication with the reciprocal of the bucket's
 * width counts the widths. A width is 10^k = 2^k * 5^k, so ns / 10^k is (ns >> k) / 5^k; with
 * m = floor(2^55 / 5^k) + 1, (n * m) >> 55 is n / 5^k exactly as long as n * 5^k < 2^55 (Granlund
 * and Montgomery 1994, theorem 4.2). Here n < 100 * 5^k and k <= 10, so that n * 5^k < 2^54, and
 * n * m < 2^62. */
#include "server/observe/histogram.h"

#include <assert.h>

static const uint64_t FIRST_NS = 1000, END_NS = 1000000000000;

enum {
    RECIPROCAL_BITS = 55,
    WIDTHS_BELOW = 10, /* a decade begins ten of its widths above zero */
    LAST_BUCKET = HISTOGRAM_BUCKETS - 1,
};

struct decade {
    uint64_t end_ns;     /* where the next one begins */
    uint64_t width_ns;   /* of one bucket */
    uint64_t reciprocal; /* of the width's odd part, times 2^55 */
    unsigned shift;      /* the width's factors of two */
    unsigned first;      /* its first bucket */
};

/* One row per decade: its buckets' width as a power of ten, and that power without its twos. */
#define DECADE(power, ten, five)                                     \
    ((struct decade){                                                \
        .end_ns = 100 * (ten),                                       \
        .width_ns = (ten),                                           \
        .shift = (power),                                            \
        .reciprocal = (UINT64_C(1) << RECIPROCAL_BITS) / (five) + 1, \
        .first = HISTOGRAM_DECADE_BUCKETS * (power - 2) + 1,         \
    })

static const struct decade DECADES[HISTOGRAM_DECADES] = {
    DECADE(2, UINT64_C(100), 25),
    DECADE(3, UINT64_C(1000), 125),
    DECADE(4, UINT64_C(10000), 625),
    DECADE(5, UINT64_C(100000), 3125),
    DECADE(6, UINT64_C(1000000), 15625),
    DECADE(7, UINT64_C(10000000), 78125),
    DECADE(8, UINT64_C(100000000), 390625),
    DECADE(9, UINT64_C(1000000000), 1953125),
    DECADE(10, UINT64_C(10000000000), 9765625),
};

/* The decade of the smallest value of so many bits, from 1000 (10 bits) to 10^12 - 1 (40 bits). */
static const unsigned char DECADE_OF_BITS[41] = {
    [10] = 0, [11] = 0, [12] = 0, [13] = 0, [14] = 0, [15] = 1, [16] = 1, [17] = 1,
    [18] = 2, [19] = 2, [20] = 2, [21] = 3, [22] = 3, [23] = 3, [24] = 3, [25] = 4,
    [26] = 4, [27] = 4, [28] = 5, [29] = 5, [30] = 5, [31] = 6, [32] = 6, [33] = 6,
    [34] = 6, [35] = 7, [36] = 7, [37] = 7, [38] = 8, [39] = 8, [40] = 8,
};

unsigned histogram_bucket_of(uint64_t ns)
{
    if (ns < FIRST_NS)
        return 0;
    if (ns >= END_NS)
        return LAST_BUCKET;
    unsigned number = DECADE_OF_BITS[64 - __builtin_clzll(ns)];
    number += ns >= DECADES[number].end_ns;
    const struct decade *decade = &DECADES[number];
    uint64_t widths = (ns >> decade->shift) * decade->reciprocal >> RECIPROCAL_BITS;
    return decade->first + (unsigned)widths - WIDTHS_BELOW;
}

uint64_t histogram_bucket_low(unsigned bucket)
{
    assert(bucket < HISTOGRAM_BUCKETS);
    if (bucket == 0)
        return 0;
    if (bucket == LAST_BUCKET)
        return END_NS;
    const struct decade *decade = &DECADES[(bucket - 1) / HISTOGRAM_DECADE_BUCKETS];
    return (bucket - decade->first + WIDTHS_BELOW) * decade->width_ns;
}

uint64_t histogram_bucket_high(unsigned bucket)
{
    return bucket == LAST_BUCKET ? UINT64_MAX : histogram_bucket_low(bucket + 1);
}

/* ------------------------------------------------------------------ writing */

void histogram_record_many(struct histogram *histogram, uint64_t ns, uint64_t times)
{
    if (times == 0)
        return;
    counter_add(&histogram->buckets[histogram_bucket_of(ns)], times);
    counter_add(&histogram->sum_ns, ns * times);
    if (ns > counter_get(&histogram->max_ns))
        counter_set(&histogram->max_ns, ns);
}

void histogram_record(struct histogram *histogram, uint64_t ns)
{
    histogram_record_many(histogram, ns, 1);
}

/* ------------------------------------------------------------------ reading */

/* A value above zero shows in the sum, zero in the first bucket. */
bool histogram_is_empty(const struct histogram *histogram)
{
    return counter_get(&histogram->sum_ns) == 0 && counter_get(&histogram->buckets[0]) == 0;
}

/* The highest bucket that was hit. Only if there is one. */
static unsigned highest_bucket(const struct histogram_snapshot *snapshot)
{
    unsigned bucket = LAST_BUCKET;
    while (bucket > 0 && snapshot->counts[bucket] == 0)
        bucket--;
    return bucket;
}

static void count_up(struct histogram_snapshot *snapshot)
{
    snapshot->count = 0;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
        snapshot->count += snapshot->counts[i];
}

void histogram_read(const struct histogram *histogram, struct histogram_snapshot *snapshot)
{
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
        snapshot->counts[i] = counter_get(&histogram->buckets[i]);
    count_up(snapshot);
    snapshot->sum_ns = counter_get(&histogram->sum_ns);
    snapshot->max_ns = counter_get(&histogram->max_ns);
    /* The counts may be ahead of the maximum, which must not lie below a value that is counted. */
    uint64_t low_ns = histogram_bucket_low(highest_bucket(snapshot));
    if (snapshot->max_ns < low_ns)
        snapshot->max_ns = low_ns;
}

void histogram_merge(struct histogram_snapshot *snapshot, const struct histogram_snapshot *other)
{
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
        snapshot->counts[i] += other->counts[i];
    snapshot->count += other->count;
    snapshot->sum_ns += other->sum_ns;
    if (snapshot->max_ns < other->max_ns)
        snapshot->max_ns = other->max_ns;
}

static uint64_t since(uint64_t later, uint64_t earlier)
{
    return later > earlier ? later - earlier : 0;
}

static uint64_t max_since(const struct histogram_snapshot *between, uint64_t earlier_max_ns)
{
    if (between->count == 0)
        return 0;
    if (between->max_ns > earlier_max_ns)
        return between->max_ns;
    uint64_t last_ns = histogram_bucket_high(highest_bucket(between)) - 1;
    return last_ns < between->max_ns ? last_ns : between->max_ns;
}

void histogram_subtract(struct histogram_snapshot *later, const struct histogram_snapshot *earlier)
{
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
        later->counts[i] = since(later->counts[i], earlier->counts[i]);
    count_up(later);
    later->sum_ns = since(later->sum_ns, earlier->sum_ns);
    later->max_ns = max_since(later, earlier->max_ns);
}

/* The place of the value of this rank within its bucket, whose values are taken to lie evenly. */
static uint64_t within_bucket(const struct histogram_snapshot *snapshot, unsigned bucket,
                              double share)
{
    uint64_t low_ns = histogram_bucket_low(bucket), high_ns = histogram_bucket_high(bucket);
    if (high_ns > snapshot->max_ns)
        high_ns = snapshot->max_ns;
    if (share <= 0 || high_ns <= low_ns)
        return low_ns;
    return share >= 1 ? high_ns : low_ns + (uint64_t)((double)(high_ns - low_ns) * share);
}

uint64_t histogram_quantile(const struct histogram_snapshot *snapshot, double q)
{
    const double rank = q * (double)snapshot->count;
    uint64_t below = 0;
    if (snapshot->count == 0)
        return 0;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        uint64_t here = snapshot->counts[i];
        if (here > 0 && (double)(below + here) >= rank)
            return within_bucket(snapshot, i, (rank - (double)below) / (double)here);
        below += here;
    }
    return snapshot->max_ns;
}

uint64_t histogram_count_to(const struct histogram_snapshot *snapshot, uint64_t ns)
{
    uint64_t count = 0;
    for (unsigned i = 0, end = histogram_bucket_of(ns); i < end; i++)
        count += snapshot->counts[i];
    return count;
}
