/* probe_stats.h – the samples of one run, their exact percentiles, and how they are written down.
 */
#ifndef OFFLOOP_PROBE_STATS_H
#define OFFLOOP_PROBE_STATS_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* What `status` of a sample may be besides an HTTP status. */
enum { SAMPLE_LOST = 0, SAMPLE_UNANSWERED = -1 };

/* One request. Instants are nanoseconds since the measurement began; negative in the warm-up. */
struct sample {
    int64_t intended_ns;
    int64_t noticed_ns; /* when the probe saw that it was due: later than intended if the probe is
                           late */
    int64_t sent_ns;    /* when a connection was free and the bytes left */
    int64_t done_ns;    /* answered, or given up */
    int status;
};

/* Durations are milliseconds. */
struct summary {
    size_t count;      /* requests that were due in the measurement */
    size_t answered;   /* with any status */
    size_t lost;       /* connection refused or broken, or not an answer */
    size_t unanswered; /* still without an answer when the probe gave up */
    size_t non_2xx;
    double rate;                           /* answers per second, until the last of them */
    double p50, p90, p99, p999, max, mean; /* NAN if there were no answers */
    double late_p99, late_max; /* of the probe itself, see `noticed_ns`; NAN if nothing was due */
};

/* The smallest value that at least this fraction (0–1] of the sorted values does not exceed
 * (nearest rank). 0 if there are none. */
int64_t stats_percentile(const int64_t *sorted, size_t count, double fraction);

/* Sums up the samples that were due at 0 or later. An unanswered request counts as having waited
 * until the probe gave up, since leaving out the slowest would flatter; lost ones have no latency.
 * If nothing was answered nothing has one: the probe's own patience is no figure of a server.
 * Returns 0 or UV_ENOMEM. */
int stats_summarize(struct summary *summary, const struct sample *samples, size_t count);

/* All samples: intended_us,sent_us,latency_us,status. The latency counts from the intended instant.
 */
void stats_print_csv(FILE *out, const struct sample *samples, size_t count);

/* A figure that there is not is a - in the table, and null in JSON. */
void stats_print_table(FILE *out, const struct summary *summary, const char *url);
void stats_print_json(FILE *out, const struct summary *summary, const char *url);

#endif
