/* chrome_trace.c – see chrome_trace.h. Written by hand and not through cJSON: a trace has many
 * thousands of small events, and a tree of them all would be built only to be printed. */
#include "server/observe/chrome_trace.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>

/* ------------------------------------------------------------------ JSON's strings and numbers */

static bool is_continuation(unsigned char c)
{
    return (c & 0xc0) == 0x80;
}

/* The length of the UTF-8 sequence that begins here, 0 if there is none (RFC 3629, section 4). */
static unsigned sequence_bytes(const unsigned char *text)
{
    const unsigned char c = text[0];
    if (c < 0x80)
        return 1;
    if (c < 0xc2 || c > 0xf4)
        return 0;
    unsigned bytes = c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
    for (unsigned i = 1; i < bytes; i++)
        if (!is_continuation(text[i]))
            return 0;
    const bool overlong = (c == 0xe0 && text[1] < 0xa0) || (c == 0xf0 && text[1] < 0x90);
    const bool surrogate = c == 0xed && text[1] > 0x9f, beyond = c == 0xf4 && text[1] > 0x8f;
    return overlong || surrogate || beyond ? 0 : bytes;
}

static void put_string(FILE *out, const char *string)
{
    const unsigned char *text = (const unsigned char *)string;
    putc('"', out);
    while (*text != '\0') {
        unsigned bytes = sequence_bytes(text);
        if (bytes == 0)
            fputs("\\ufffd", out);
        else if (*text < 0x20)
            fprintf(out, "\\u%04x", *text);
        else if (*text == '"' || *text == '\\')
            fprintf(out, "\\%c", *text);
        else
            fwrite(text, 1, bytes, out);
        text += bytes > 0 ? bytes : 1;
    }
    putc('"', out);
}

static void put_number(FILE *out, double number)
{
    if (isfinite(number))
        fprintf(out, "%.15g", number);
    else
        fputs("null", out);
}

/* ------------------------------------------------------------------ events */

static void put_arguments(FILE *out, const struct chrome_trace_argument *argument)
{
    const char *between = "";
    fputs(",\"args\":{", out);
    for (; argument != NULL && argument->key != NULL; argument++, between = ",") {
        fputs(between, out);
        put_string(out, argument->key);
        putc(':', out);
        if (argument->text != NULL)
            put_string(out, argument->text);
        else
            put_number(out, argument->number);
    }
    putc('}', out);
}

/* Begins an event of this phase; its own members follow. */
static void open_event(struct chrome_trace *trace, char phase, unsigned pid, unsigned tid,
                       const char *name)
{
    fprintf(trace->out,
            "%s\n{\"ph\":\"%c\",\"pid\":%u,\"tid\":%u,\"name\":", trace->events > 0 ? "," : "",
            phase, pid, tid);
    put_string(trace->out, name);
    trace->events++;
}

static void close_event(struct chrome_trace *trace, const struct chrome_trace_argument *arguments)
{
    if (arguments != NULL)
        put_arguments(trace->out, arguments);
    putc('}', trace->out);
}

static void open_timed(struct chrome_trace *trace, char phase,
                       const struct chrome_trace_event *event, double at_us)
{
    open_event(trace, phase, event->pid, event->tid, event->name);
    if (event->category != NULL) {
        fputs(",\"cat\":", trace->out);
        put_string(trace->out, event->category);
    }
    fprintf(trace->out, ",\"ts\":%.3f", at_us);
}

static double duration_us(const struct chrome_trace_event *event)
{
    return event->duration_us > 0 ? event->duration_us : 0;
}

void chrome_trace_span(struct chrome_trace *trace, const struct chrome_trace_event *event)
{
    open_timed(trace, 'X', event, event->at_us);
    fprintf(trace->out, ",\"dur\":%.3f", duration_us(event));
    close_event(trace, event->arguments);
}

/* An id of this process only: members of a cluster count alike. */
static void put_id(struct chrome_trace *trace, uint64_t id)
{
    fprintf(trace->out, ",\"id2\":{\"local\":\"0x%" PRIx64 "\"}", id);
}

void chrome_trace_async(struct chrome_trace *trace, uint64_t id,
                        const struct chrome_trace_event *event)
{
    open_timed(trace, 'b', event, event->at_us);
    put_id(trace, id);
    close_event(trace, event->arguments);
    open_timed(trace, 'e', event, event->at_us + duration_us(event));
    put_id(trace, id);
    close_event(trace, NULL);
}

void chrome_trace_instant(struct chrome_trace *trace, const struct chrome_trace_event *event)
{
    open_timed(trace, 'i', event, event->at_us);
    fputs(",\"s\":\"t\"", trace->out);
    close_event(trace, event->arguments);
}

void chrome_trace_counter(struct chrome_trace *trace, unsigned pid, const char *name, double at_us,
                          double value)
{
    open_timed(trace, 'C', &(struct chrome_trace_event){.pid = pid, .name = name}, at_us);
    close_event(trace, CHROME_TRACE_ARGUMENTS({.key = "value", .number = value}));
}

/* ------------------------------------------------------------------ names, beginning, end */

void chrome_trace_process(struct chrome_trace *trace, unsigned pid, const char *name)
{
    open_event(trace, 'M', pid, 0, "process_name");
    close_event(trace, CHROME_TRACE_ARGUMENTS({.key = "name", .text = name}));
}

void chrome_trace_label(struct chrome_trace *trace, unsigned pid, const char *label)
{
    open_event(trace, 'M', pid, 0, "process_labels");
    close_event(trace, CHROME_TRACE_ARGUMENTS({.key = "labels", .text = label}));
}

void chrome_trace_track(struct chrome_trace *trace, unsigned pid, unsigned tid, const char *name,
                        int sort_index)
{
    open_event(trace, 'M', pid, tid, "thread_name");
    close_event(trace, CHROME_TRACE_ARGUMENTS({.key = "name", .text = name}));
    open_event(trace, 'M', pid, tid, "thread_sort_index");
    close_event(trace, CHROME_TRACE_ARGUMENTS({.key = "sort_index", .number = sort_index}));
}

void chrome_trace_begin(struct chrome_trace *trace, FILE *out)
{
    *trace = (struct chrome_trace){.out = out};
    fputs("{\"displayTimeUnit\":\"ms\",\"traceEvents\":[", out);
}

int chrome_trace_end(struct chrome_trace *trace)
{
    fputs("\n]}\n", trace->out);
    return fflush(trace->out) != 0 || ferror(trace->out) ? -EIO : 0;
}
