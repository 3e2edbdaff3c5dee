/* exposition.c – see exposition.h. */
#include "server/observe/exposition.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* What the types are called, and how their samples end. */
static const struct type {
    const char *openmetrics, *prometheus, *suffix;
} TYPES[] = {
    [EXPOSITION_COUNTER] = {"counter", "counter", "_total"},
    [EXPOSITION_GAUGE] = {"gauge", "gauge", ""},
    [EXPOSITION_HISTOGRAM] = {"histogram", "histogram", ""},
    [EXPOSITION_INFO] = {"info", "gauge", "_info"},
};

const char *exposition_content_type(enum exposition_format format)
{
    return format == EXPOSITION_OPENMETRICS
               ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
               : "text/plain; version=0.0.4; charset=utf-8";
}

enum exposition_format exposition_format_for(const struct http_request *request)
{
    return http_request_prefers(request, exposition_content_type(EXPOSITION_OPENMETRICS),
                                exposition_content_type(EXPOSITION_PROMETHEUS))
               ? EXPOSITION_OPENMETRICS
               : EXPOSITION_PROMETHEUS;
}

void exposition_begin(struct exposition *page, FILE *out, enum exposition_format format)
{
    *page = (struct exposition){.out = out, .format = format};
}

/* ------------------------------------------------------------------ text and numbers */

/* Quotes are escaped everywhere but in a help text of Prometheus' format, which would show the
 * backslash. */
static void put_escaped(FILE *out, const char *text, bool quotes)
{
    for (; *text != '\0'; text++) {
        if (*text == '\n')
            fputs("\\n", out);
        else if (*text == '\\' || (*text == '"' && quotes))
            fprintf(out, "\\%c", *text);
        else
            putc(*text, out);
    }
}

enum { NUMBER_SIZE = 32 };

/* The shortest of the decimal forms that give the same double again. */
static void write_number(char text[NUMBER_SIZE], double value)
{
    if (isnan(value)) {
        strcpy(text, "NaN");
    } else if (isinf(value)) {
        strcpy(text, value > 0 ? "+Inf" : "-Inf");
    } else {
        for (int digits = 15; digits <= 17; digits++) {
            snprintf(text, NUMBER_SIZE, "%.*g", digits, value);
            if (strtod(text, NULL) == value)
                break;
        }
    }
}

/* A bound is a label, so it is compared as text: OpenMetrics asks for "1.0" where Prometheus'
 * clients write "1". */
static void write_bound(char text[NUMBER_SIZE], enum exposition_format format, double seconds)
{
    write_number(text, seconds);
    if (format == EXPOSITION_OPENMETRICS && strpbrk(text, ".eIN") == NULL)
        strcat(text, ".0");
}

/* ------------------------------------------------------------------ lines */

static void put_labels(struct exposition *page, const struct exposition_label *labels,
                       const char *bound)
{
    char before = '{';
    for (; labels != NULL && labels->name != NULL; labels++, before = ',') {
        fprintf(page->out, "%c%s=\"", before, labels->name);
        put_escaped(page->out, labels->value, true);
        putc('"', page->out);
    }
    if (bound != NULL) {
        fprintf(page->out, "%cle=\"%s\"", before, bound);
        before = ',';
    }
    if (before == ',')
        putc('}', page->out);
}

static void put_sample(struct exposition *page, const char *suffix,
                       const struct exposition_label *labels, const char *bound, double value)
{
    char number[NUMBER_SIZE];
    write_number(number, value);
    fprintf(page->out, "%s%s", page->family, suffix);
    put_labels(page, labels, bound);
    fprintf(page->out, " %s\n", number);
}

static void put_help(struct exposition *page, const char *suffix, const char *help)
{
    fprintf(page->out, "# HELP %s%s ", page->family, suffix);
    put_escaped(page->out, help, page->format == EXPOSITION_OPENMETRICS);
    putc('\n', page->out);
}

static bool ends_in_unit(const char *name, const char *unit)
{
    size_t name_length = strlen(name), unit_length = strlen(unit);
    return name_length > unit_length + 1 && name[name_length - unit_length - 1] == '_' &&
           strcmp(name + name_length - unit_length, unit) == 0;
}

void exposition_family(struct exposition *page, const char *name, enum exposition_type type,
                       const char *unit, const char *help)
{
    const struct type *row = &TYPES[type];
    assert(unit == NULL || ends_in_unit(name, unit));
    page->family = name;
    page->type = type;
    if (page->format == EXPOSITION_PROMETHEUS) {
        put_help(page, row->suffix, help);
        fprintf(page->out, "# TYPE %s%s %s\n", name, row->suffix, row->prometheus);
        return;
    }
    fprintf(page->out, "# TYPE %s %s\n", name, row->openmetrics);
    if (unit != NULL)
        fprintf(page->out, "# UNIT %s %s\n", name, unit);
    put_help(page, "", help);
}

void exposition_sample(struct exposition *page, const struct exposition_label *labels, double value)
{
    assert(page->family != NULL && page->type != EXPOSITION_HISTOGRAM);
    put_sample(page, TYPES[page->type].suffix, labels, NULL, value);
}

void exposition_histogram(struct exposition *page, const struct exposition_label *labels,
                          const struct histogram_snapshot *snapshot, const uint64_t *bounds_ns,
                          size_t bounds)
{
    char bound[NUMBER_SIZE];
    assert(page->family != NULL && page->type == EXPOSITION_HISTOGRAM);
    for (size_t i = 0; i < bounds; i++) {
        assert(histogram_bucket_low(histogram_bucket_of(bounds_ns[i])) == bounds_ns[i]);
        assert(i == 0 || bounds_ns[i - 1] < bounds_ns[i]);
        write_bound(bound, page->format, (double)bounds_ns[i] / 1e9);
        put_sample(page, "_bucket", labels, bound,
                   (double)histogram_count_to(snapshot, bounds_ns[i]));
    }
    put_sample(page, "_bucket", labels, "+Inf", (double)snapshot->count);
    put_sample(page, "_sum", labels, NULL, (double)snapshot->sum_ns / 1e9);
    put_sample(page, "_count", labels, NULL, (double)snapshot->count);
}

int exposition_end(struct exposition *page)
{
    if (page->format == EXPOSITION_OPENMETRICS)
        fputs("# EOF\n", page->out);
    return fflush(page->out) != 0 || ferror(page->out) ? -EIO : 0;
}
