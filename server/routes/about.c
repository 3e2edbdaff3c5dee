/* about.c – what the server says of itself: the list of routes, and that it is alive. */
#include <stdio.h>
#include <string.h>

#include "server/routes/answer.h"
#include "server/routes/routes.h"

enum { INDEX_BYTES = 2048 };

void index_handler(struct http_exchange *exchange, void *context)
{
    char text[INDEX_BYTES];
    size_t length = (size_t)snprintf(
        text, sizeof text, "offloop %s: the event loop that you can see\n\n", OFFLOOP_VERSION);
    (void)context;
    for (size_t i = 0; i < routes.count && length < sizeof text; i++) {
        const struct http_route *route = &routes.routes[i];
        length +=
            (size_t)snprintf(text + length, sizeof text - length, "%-9s %s\n%s%s%s", route->path,
                             route->help, *route->parameters ? "          ?" : "",
                             route->parameters, *route->parameters ? "\n" : "");
    }
    http_exchange_answer(exchange, &(struct http_response){
                                       .status = 200,
                                       .content_type = "text/plain; charset=utf-8",
                                       .body = text,
                                       .body_bytes = strlen(text),
                                   });
}

static void add_http(cJSON *document, const struct http_counters *counters)
{
    cJSON *http = cJSON_AddObjectToObject(document, "http");
#define ADD_COUNTER(name) \
    cJSON_AddNumberToObject(http, #name, (double)counter_get(&counters->name));
    HTTP_COUNTERS(ADD_COUNTER)
#undef ADD_COUNTER
}

static void add_jobs(cJSON *document, const struct offload *offload)
{
    cJSON *jobs = cJSON_AddObjectToObject(document, "jobs");
    const struct strategy *strategy;
    for (size_t i = 0; (strategy = strategy_at(i)) != NULL; i++) {
        cJSON *row = cJSON_AddObjectToObject(jobs, strategy_name(strategy));
        const struct offload_counters *counters = offload_counters(offload, strategy);
#define ADD_COUNTER(name) cJSON_AddNumberToObject(row, #name, (double)counters->name);
        OFFLOAD_COUNTERS(ADD_COUNTER)
#undef ADD_COUNTER
    }
}

void healthz_handler(struct http_exchange *exchange, void *context)
{
    const struct routes_context *routes_context = context;
    uint64_t up_ns = trip_clock_ns() - routes_context->started_ns;
    cJSON *document = cJSON_CreateObject();
    cJSON_AddStringToObject(document, "status", "alive");
    answer_add_process(document, routes_context);
    cJSON_AddNumberToObject(document, "uptime_s", (double)(up_ns / 1000000000u));
    cJSON_AddStringToObject(document, "offload", strategy_name(routes_context->strategy));
    add_http(document, routes_context->counters);
    add_jobs(document, routes_context->offload);
    answer_json(exchange, document);
}
