/* slow.c – res.send(await someSlowDbCall()): the wait is somebody else's, the loop goes on. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/bounded.h"
#include "server/http/problem.h"
#include "server/routes/answer.h"
#include "server/routes/parameters.h"
#include "server/routes/routes.h"

enum { SLOW_MS_DEFAULT = 100, SLOW_MS_MAX = 60000 };

/* What the query string asks for. */
struct wish {
    const struct source *source;
    uint64_t ms, id;
};

static int set_parameter(void *data, const char *name, const char *value, char *error, size_t size)
{
    struct wish *wish = data;
    if (strcmp(name, "ms") == 0)
        return bounded_integer(name, 0, SLOW_MS_MAX, value, &wish->ms, error, size);
    if (strcmp(name, "id") == 0)
        return bounded_integer(name, 1, QUERY_USERS, value, &wish->id, error, size);
    if (strcmp(name, "via") != 0)
        return bounded_choice_error("a parameter of /slow", "ms, via, id", name, error, size);
    wish->source = source_find(value);
    if (wish->source == NULL)
        return bounded_choice_error(name, source_names(), value, error, size);
    return 0;
}

static cJSON *describe(const struct query *query)
{
    cJSON *document = cJSON_CreateObject();
    cJSON_AddStringToObject(document, "route", "/slow");
    cJSON_AddStringToObject(document, "via", source_name(query->source));
    cJSON_AddNumberToObject(document, "ms", query->ms);
    if (query->name[0] != '\0') {
        cJSON *user = cJSON_AddObjectToObject(document, "user");
        cJSON_AddNumberToObject(user, "id", query->id);
        cJSON_AddStringToObject(user, "name", query->name);
    }
    return document;
}

static void on_done(struct query *query)
{
    struct http_exchange *exchange = query->owner;
    if (exchange != NULL && query->outcome == TRIP_SUCCEEDED)
        answer_trip(exchange, describe(query), &query->trip, "");
    else if (exchange != NULL)
        answer_failed_trip(exchange, query->outcome, query->error, "the query", query->problem, "");
    free(query);
}

static void on_abandoned(void *data)
{
    struct query *query = data;
    query->owner = NULL;
    slow_io_cancel(query);
}

void slow_handler(struct http_exchange *exchange, void *context)
{
    const struct routes_context *routes_context = context;
    struct wish wish = {.source = routes_context->source, .ms = SLOW_MS_DEFAULT, .id = 1};
    if (!parameters_parse(exchange, set_parameter, &wish))
        return;
    struct query *query = calloc(1, sizeof *query);
    if (query == NULL) {
        http_problem(exchange, 503, "Retry-After: 1\r\n", "out of memory");
        return;
    }
    query->id = (unsigned)wish.id;
    query->ms = (unsigned)wish.ms;
    query->done = on_done;
    query->owner = exchange;
    http_exchange_defer(exchange, on_abandoned, query);
    slow_io_submit(routes_context->slow_io, wish.source, query);
}
