/* about.c – what the server says of itself: the list of routes, where it is watched, and that it is
 * alive. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "server/http/problem.h"
#include "server/observe/recording.h"
#include "server/routes/answer.h"
#include "server/routes/routes.h"

enum { INDEX_BYTES = 2560, URL_BYTES = 300 };

/* ------------------------------------------------------------------ the observer */

/* "http://127.0.0.1:8081". Returns false if nobody shows this server. */
static bool find_observer(const struct routes_context *context, char url[URL_BYTES])
{
    uint64_t port = context->shown != NULL ? counter_get(&context->shown->observer_port) : 0;
    const char *host = context->observer_host;
    bool literal = port != 0 && strchr(host, ':') != NULL; /* an IPv6 address */
    if (port != 0)
        snprintf(url, URL_BYTES, "http://%s%s%s:%" PRIu64, literal ? "[" : "", host,
                 literal ? "]" : "", port);
    return port != 0;
}

static bool is_observers(const char *path)
{
    static const char *const paths[] = {"/metrics", "/events", "/trace.json", "/report", "/config"};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        if (strcmp(path, paths[i]) == 0)
            return true;
    }
    return false;
}

/* What others ask a server for, this one's observer has. */
void elsewhere_handler(struct http_exchange *exchange, void *context)
{
    const char *path = http_exchange_request(exchange)->path;
    char url[URL_BYTES];
    if (!is_observers(path))
        http_problem(exchange, 404, NULL, "there is nothing here; GET / lists the routes");
    else if (find_observer(context, url))
        http_problem(exchange, 404, NULL, "the observer answers that: %s%s", url, path);
    else
        http_problem(exchange, 404, NULL, "the observer would answer that, but there is none");
}

/* ------------------------------------------------------------------ the index */

static void print_observer(const struct routes_context *context, char *text, size_t size)
{
    char url[URL_BYTES];
    if (find_observer(context, url))
        snprintf(text, size,
                 "\nWatch it on %s, from a thread of its own:\n"
                 "/ /report /metrics /trace.json /events /config /healthz\n",
                 url);
}

void index_handler(struct http_exchange *exchange, void *context)
{
    char text[INDEX_BYTES];
    size_t length = (size_t)snprintf(
        text, sizeof text, "offloop %s: the event loop that you can see\n\n", OFFLOOP_VERSION);
    for (size_t i = 0; i < routes.count && length < sizeof text; i++) {
        const struct http_route *route = &routes.routes[i];
        length +=
            (size_t)snprintf(text + length, sizeof text - length, "%-9s %s\n%s%s%s", route->path,
                             route->help, *route->parameters ? "          ?" : "",
                             route->parameters, *route->parameters ? "\n" : "");
    }
    if (length < sizeof text)
        print_observer(context, text + length, sizeof text - length);
    http_exchange_answer(exchange, &(struct http_response){
                                       .status = 200,
                                       .content_type = "text/plain; charset=utf-8",
                                       .body = text,
                                       .body_bytes = strlen(text),
                                   });
}

/* ------------------------------------------------------------------ health */

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
