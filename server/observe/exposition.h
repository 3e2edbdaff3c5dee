/* exposition.h – measurements as text, for Prometheus and its kin.
 *
 * Two formats that differ in small things: Prometheus' text format 0.0.4, which every collector and
 * every person with curl reads, and OpenMetrics 1.0, for whoever asks for it. The caller states
 * each family once, by the name that OpenMetrics would give it; the writer puts suffixes, units,
 * escapes and the end where the format wants them:
 *
 *     # TYPE http_requests counter        (OpenMetrics)
 *     # TYPE http_requests_total counter  (Prometheus)
 *     http_requests_total{method="GET"} 17
 *
 *     exposition_begin(&page, file, EXPOSITION_PROMETHEUS);
 *     exposition_family(&page, "http_requests", EXPOSITION_COUNTER, NULL, "Requests taken.");
 *     exposition_sample(&page, EXPOSITION_LABELS({"method", "GET"}), 17);
 *     error = exposition_end(&page);
 *
 * All samples of a family follow it, before the next family. Numbers are written by printf, so the
 * program must keep the C locale's decimal point. One thread at a time per page.
 *
 * Sources: prometheus.io/docs/instrumenting/exposition_formats and
 * prometheus.io/docs/specs/om/open_metrics_spec. */
#ifndef OFFLOOP_OBSERVE_EXPOSITION_H
#define OFFLOOP_OBSERVE_EXPOSITION_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "server/http/request.h"
#include "server/observe/histogram.h"

enum exposition_format { EXPOSITION_PROMETHEUS, EXPOSITION_OPENMETRICS };

enum exposition_type {
    EXPOSITION_COUNTER,   /* samples end in _total */
    EXPOSITION_GAUGE,     /* samples have the family's name */
    EXPOSITION_HISTOGRAM, /* written by exposition_histogram only */
    EXPOSITION_INFO, /* samples end in _info and are 1; the labels tell. A gauge to Prometheus */
};

/* A set of labels is an array that ends with a NULL name; NULL is the empty set. */
struct exposition_label {
    const char *name, *value;
};
#define EXPOSITION_LABELS(...) ((const struct exposition_label[]){__VA_ARGS__, {NULL, NULL}})

struct exposition {
    FILE *out; /* the caller's */
    enum exposition_format format;
    const char *family; /* the caller's, until the next family or the end */
    enum exposition_type type;
};

/* OpenMetrics for those who name it in Accept (RFC 9110, section 12.5.1), Prometheus otherwise. */
enum exposition_format exposition_format_for(const struct http_request *request);

/* The value of Content-Type. Static storage. */
const char *exposition_content_type(enum exposition_format format);

void exposition_begin(struct exposition *page, FILE *out, enum exposition_format format);

/* A family begins. `name` has no suffix of its type; if there is a `unit` ("seconds", "bytes"), it
 * is what the name ends in, behind an underscore. NULL stands for no unit. */
void exposition_family(struct exposition *page, const char *name, enum exposition_type type,
                       const char *unit, const char *help);

/* A sample of this family, which is no histogram. */
void exposition_sample(struct exposition *page, const struct exposition_label *labels,
                       double value);

/* The samples of one histogram, in seconds: a cumulative count for every bound, their sum, their
 * count. `bounds_ns` rise, and are bounds of buckets (histogram_bucket_low), so that the counts
 * are exact; the bound at infinity is added here. Labels must not name "le". */
void exposition_histogram(struct exposition *page, const struct exposition_label *labels,
                          const struct histogram_snapshot *snapshot, const uint64_t *bounds_ns,
                          size_t bounds);

/* Ends the page and flushes the file, which stays open. 0, or -EIO if anything could not be
 * written since the beginning. */
int exposition_end(struct exposition *page);

#endif
