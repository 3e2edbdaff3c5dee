/* probe_stats.c – exact percentiles, by sorting all samples.
 *
 * A histogram would need less memory and round; the number of samples is bounded and known before
 * the run, so nothing here needs to round. */
#include "loadtest/probe_stats.h"

#include <math.h>
#include <stdlib.h>
#include <uv.h>

static double to_ms(int64_t ns)
{
    return (double)ns / 1e6;
}

static int compare(const void *left, const void *right)
{
    int64_t a = *(const int64_t *)left, b = *(const int64_t *)right;
    return (a > b) - (a < b);
}

int64_t stats_percentile(const int64_t *sorted, size_t count, double fraction)
{
    if (count == 0)
        return 0;
    /* 0.999 × 1000 is a little over 999 in binary and would round up to the next rank. */
    double rank = ceil(fraction * (double)count - 1e-6);
    size_t index = rank < 1 ? 0 : (size_t)rank - 1;
    return sorted[index < count ? index : count - 1];
}

static void count_outcome(struct summary *summary, const struct sample *sample)
{
    summary->count++;
    if (sample->status == SAMPLE_UNANSWERED)
        summary->unanswered++;
    else if (sample->status == SAMPLE_LOST)
        summary->lost++;
    else
        summary->answered++;
    if (sample->status > 0 && sample->status / 100 != 2)
        summary->non_2xx++;
}

/* In milliseconds; NAN if there is none. */
static double quantile(const int64_t *sorted, size_t count, double fraction)
{
    return count > 0 ? to_ms(stats_percentile(sorted, count, fraction)) : NAN;
}

static void summarize_latency(struct summary *summary, int64_t *values, size_t count)
{
    double sum = 0;
    qsort(values, count, sizeof *values, compare);
    for (size_t i = 0; i < count; i++)
        sum += to_ms(values[i]);
    summary->mean = count > 0 ? sum / (double)count : NAN;
    summary->p50 = quantile(values, count, 0.5);
    summary->p90 = quantile(values, count, 0.9);
    summary->p99 = quantile(values, count, 0.99);
    summary->p999 = quantile(values, count, 0.999);
    summary->max = quantile(values, count, 1);
}

static void summarize_lateness(struct summary *summary, int64_t *values, size_t count)
{
    qsort(values, count, sizeof *values, compare);
    summary->late_p99 = quantile(values, count, 0.99);
    summary->late_max = quantile(values, count, 1);
}

int stats_summarize(struct summary *summary, const struct sample *samples, size_t count)
{
    int64_t *values = malloc((count ? count : 1) * sizeof *values);
    if (!values)
        return UV_ENOMEM;
    *summary = (struct summary){0};
    int64_t last_ns = 0;
    size_t latencies = 0, noticed = 0;
    for (size_t i = 0; i < count; i++) {
        if (samples[i].intended_ns < 0)
            continue;
        count_outcome(summary, &samples[i]);
        if (samples[i].status != SAMPLE_LOST)
            values[latencies++] = samples[i].done_ns - samples[i].intended_ns;
        if (samples[i].status > 0 && samples[i].done_ns > last_ns)
            last_ns = samples[i].done_ns;
    }
    summarize_latency(summary, values, summary->answered > 0 ? latencies : 0);
    for (size_t i = 0; i < count; i++)
        if (samples[i].intended_ns >= 0)
            values[noticed++] = samples[i].noticed_ns - samples[i].intended_ns;
    summarize_lateness(summary, values, noticed);
    summary->rate = last_ns > 0 ? (double)summary->answered / ((double)last_ns / 1e9) : 0;
    free(values);
    return 0;
}

void stats_print_csv(FILE *out, const struct sample *samples, size_t count)
{
    fputs("intended_us,sent_us,latency_us,status\n", out);
    for (const struct sample *s = samples; s < samples + count; s++)
        fprintf(out, "%lld,%lld,%lld,%d\n", (long long)s->intended_ns / 1000,
                (long long)s->sent_ns / 1000, (long long)(s->done_ns - s->intended_ns) / 1000,
                s->status);
}

/* Beyond any duration of a run and its sign, point, decimals and NUL. */
enum { FIGURE_BYTES = 32 };

static const char *figure(char *text, double value, int decimals, const char *unit,
                          const char *none)
{
    if (isnan(value))
        return none;
    snprintf(text, FIGURE_BYTES, "%.*f%s", decimals, value, unit);
    return text;
}

#define IN_TABLE(value) figure((char[FIGURE_BYTES]){0}, value, 2, " ms", "-")
#define IN_JSON(value)  figure((char[FIGURE_BYTES]){0}, value, 3, "", "null")

void stats_print_table(FILE *out, const struct summary *s, const char *url)
{
    fprintf(out, "%s, open loop: latency from the instant at which each request was due\n\n", url);
    fprintf(out, "  requests   %zu  (answered %zu, not 2xx %zu, lost %zu, unanswered %zu)\n",
            s->count, s->answered, s->non_2xx, s->lost, s->unanswered);
    if (s->answered > 0)
        fprintf(out, "  rate       %.1f answers/s\n", s->rate);
    else
        fprintf(out, "  rate       no answers\n");
    fprintf(out, "  latency    p50 %s   p90 %s   p99 %s   p99.9 %s\n", IN_TABLE(s->p50),
            IN_TABLE(s->p90), IN_TABLE(s->p99), IN_TABLE(s->p999));
    fprintf(out, "             max %s   mean %s\n", IN_TABLE(s->max), IN_TABLE(s->mean));
    fprintf(out, "  the probe  was itself late by: p99 %s   max %s\n", IN_TABLE(s->late_p99),
            IN_TABLE(s->late_max));
}

/* A URL is printable ASCII without quotes or backslashes: the option parser sees to that. */
void stats_print_json(FILE *out, const struct summary *s, const char *url)
{
    fprintf(out,
            "{\"url\":\"%s\",\"count\":%zu,\"answered\":%zu,\"errors\":%zu,\"unanswered\":%zu,",
            url, s->count, s->answered, s->lost, s->unanswered);
    fprintf(out, "\"non_2xx\":%zu,\"rate\":%.1f,", s->non_2xx, s->rate);
    fprintf(out, "\"p50_ms\":%s,\"p90_ms\":%s,\"p99_ms\":%s,\"p999_ms\":%s,", IN_JSON(s->p50),
            IN_JSON(s->p90), IN_JSON(s->p99), IN_JSON(s->p999));
    fprintf(out, "\"max_ms\":%s,\"mean_ms\":%s,", IN_JSON(s->max), IN_JSON(s->mean));
    fprintf(out, "\"probe_late_p99_ms\":%s,\"probe_late_max_ms\":%s}\n", IN_JSON(s->late_p99),
            IN_JSON(s->late_max));
}
