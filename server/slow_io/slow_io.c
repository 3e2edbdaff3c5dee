/* slow_io.c – the life of a query, and the table of sources. */
#include "server/slow_io/slow_io.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "server/slow_io/source.h"

#define SOURCE_ROW(name)  &source_##name,
#define SOURCE_NAME(name) ", " #name

static const struct source *const sources[] = {SOURCES(SOURCE_ROW)};
static const char names[] = SOURCES(SOURCE_NAME);

enum { SOURCE_COUNT = sizeof sources / sizeof *sources };

struct slow_io {
    uv_loop_t *loop;
    struct slow_io_options options;
    void *states[SOURCE_COUNT];
    bool started[SOURCE_COUNT];
    struct query *queries; /* all that are out */
    bool stopping;
};

const struct source *source_at(size_t index)
{
    return index < SOURCE_COUNT ? sources[index] : NULL;
}

const struct source *source_find(const char *name)
{
    for (size_t i = 0; i < SOURCE_COUNT; i++) {
        if (strcmp(sources[i]->name, name) == 0)
            return sources[i];
    }
    return NULL;
}

const char *source_names(void)
{
    return names + sizeof ", " - 1;
}

const char *source_name(const struct source *source)
{
    return source->name;
}

const char *source_help(const struct source *source)
{
    return source->help;
}

static size_t index_of(const struct source *source)
{
    size_t index = 0;
    while (sources[index] != source)
        index++;
    return index;
}

/* ------------------------------------------------------------------ out and back */

static void stop_sources(struct slow_io *slow_io)
{
    for (size_t i = 0; i < SOURCE_COUNT; i++) {
        if (slow_io->started[i])
            sources[i]->stop(slow_io->states[i]);
        slow_io->started[i] = false;
    }
}

void query_deliver(struct query *query, enum trip_outcome outcome)
{
    struct slow_io *slow_io = query->slow_io;
    query->outcome = outcome;
    trip_deliver(&query->trip, outcome);
    if (query->previous != NULL)
        query->previous->next = query->next;
    else
        slow_io->queries = query->next;
    if (query->next != NULL)
        query->next->previous = query->previous;
    query->done(query);
    if (slow_io->stopping && slow_io->queries == NULL)
        stop_sources(slow_io);
}

static int open_source(struct slow_io *slow_io, size_t index)
{
    if (slow_io->started[index])
        return 0;
    int rc = sources[index]->start(slow_io->loop, &slow_io->options, &slow_io->states[index]);
    slow_io->started[index] = rc == 0;
    return rc;
}

void slow_io_submit(struct slow_io *slow_io, const struct source *source, struct query *query)
{
    size_t index = index_of(source);
    query->slow_io = slow_io;
    query->source = source;
    trip_submit(&query->trip, slow_io->options.recording,
                (struct trip_subject){.work = (uint8_t)(slow_io->options.first_work + index),
                                      .size = query->ms});
    query->name[0] = query->problem[0] = '\0';
    query->previous = NULL;
    query->next = slow_io->queries;
    if (query->next != NULL)
        query->next->previous = query;
    slow_io->queries = query;
    query->error = open_source(slow_io, index);
    if (query->error == 0)
        query->error = source->submit(slow_io->states[index], query);
    if (query->error != 0)
        query_deliver(query, TRIP_REFUSED);
}

void slow_io_cancel(struct query *query)
{
    query->source->cancel(query->slow_io->states[index_of(query->source)], query);
}

/* ------------------------------------------------------------------ beginning and end */

int slow_io_new(struct slow_io **slow_io, uv_loop_t *loop, const struct slow_io_options *options)
{
    struct slow_io *made = calloc(1, sizeof *made);
    if (made == NULL)
        return UV_ENOMEM;
    made->loop = loop;
    made->options = *options;
    *slow_io = made;
    return 0;
}

void slow_io_stop(struct slow_io *slow_io)
{
    slow_io->stopping = true;
    for (struct query *query = slow_io->queries, *next; query != NULL; query = next) {
        next = query->next;
        slow_io_cancel(query);
    }
    if (slow_io->queries == NULL)
        stop_sources(slow_io);
}

void slow_io_free(struct slow_io *slow_io)
{
    free(slow_io);
}
