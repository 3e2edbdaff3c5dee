/* traces.c – see traces.h. */
#include "server/observe/traces.h"

#include <errno.h>
#include <stdlib.h>

#include "server/http/problem.h"

static void on_turn(uv_idle_t *turn);

void traces_init(struct traces *traces, uv_loop_t *loop, const struct survey *survey)
{
    *traces = (struct traces){.survey = survey};
    uv_idle_init(loop, &traces->turn);
    traces->turn.data = traces;
    for (size_t i = 0; i < TRACES_MAX; i++)
        traces->readers[i].traces = traces;
}

void traces_close(struct traces *traces)
{
    uv_close((uv_handle_t *)&traces->turn, NULL);
}

/* ------------------------------------------------------------------ one reader */

static void reader_free(struct trace_reader *reader)
{
    trace_page_close(reader->page);
    reader->page = NULL;
    reader->exchange = NULL;
}

static void reader_cut(struct trace_reader *reader)
{
    http_exchange_cut(reader->exchange);
    reader_free(reader);
}

static void on_gone(void *data)
{
    reader_free(data);
}

static void on_drained(void *data)
{
    struct trace_reader *reader = data;
    reader->waits = false;
    uv_idle_start(&reader->traces->turn, on_turn);
}

/* Returns what trace_page_write does. The text is the caller's. */
static int make_piece(struct trace_reader *reader, char **text, size_t *length)
{
    FILE *out = open_memstream(text, length);
    if (out == NULL)
        return -ENOMEM;
    int rc = trace_page_write(reader->page, out);
    return fclose(out) == 0 ? rc : -ENOMEM;
}

static void write_piece(struct trace_reader *reader)
{
    char *text = NULL;
    size_t length = 0;
    int more = make_piece(reader, &text, &length);
    ssize_t unread = more >= 0 ? http_exchange_write(reader->exchange, text, length) : 0;
    free(text);
    if (unread < 0) {
        reader_free(reader);
    } else if (more < 0) {
        reader_cut(reader);
    } else if (more == 0) {
        http_exchange_end(reader->exchange);
        reader_free(reader);
    } else {
        reader->waits = unread > 0;
    }
}

/* ------------------------------------------------------------------ all of them */

static struct trace_reader *next_reader(struct traces *traces)
{
    for (size_t i = 0; i < TRACES_MAX; i++) {
        traces->last = (traces->last + 1) % TRACES_MAX;
        struct trace_reader *reader = &traces->readers[traces->last];
        if (reader->exchange != NULL && !reader->waits)
            return reader;
    }
    return NULL;
}

static void on_turn(uv_idle_t *turn)
{
    struct trace_reader *reader = next_reader(turn->data);
    if (reader != NULL)
        write_piece(reader);
    else
        uv_idle_stop(turn);
}

static struct trace_reader *free_reader(struct traces *traces)
{
    for (size_t i = 0; i < TRACES_MAX; i++) {
        if (traces->readers[i].exchange == NULL)
            return &traces->readers[i];
    }
    return NULL;
}

static void begin(struct trace_reader *reader, struct http_exchange *exchange)
{
    static const struct http_response head = {
        .status = 200,
        .content_type = "application/json",
        .fields = "Cache-Control: no-store\r\n",
    };
    reader->waits = false;
    reader->exchange = exchange;
    if (!http_exchange_stream(exchange, &head, on_gone, reader)) {
        reader_free(reader);
        return;
    }
    http_exchange_on_drained(exchange, on_drained);
    uv_idle_start(&reader->traces->turn, on_turn);
}

void traces_answer(struct traces *traces, struct http_exchange *exchange)
{
    struct trace_reader *reader = free_reader(traces);
    if (reader == NULL) {
        http_problem(exchange, 503, "Retry-After: 5\r\n", "%d readers have a trace already",
                     TRACES_MAX);
        return;
    }
    reader->page = trace_page_open(traces->survey);
    if (reader->page != NULL)
        begin(reader, exchange);
    else
        http_problem(exchange, 503, "Retry-After: 1\r\n", "out of memory");
}

void traces_cut(struct traces *traces)
{
    for (size_t i = 0; i < TRACES_MAX; i++) {
        if (traces->readers[i].exchange != NULL)
            reader_cut(&traces->readers[i]);
    }
}
