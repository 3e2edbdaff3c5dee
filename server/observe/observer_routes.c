/* observer_routes.c – what the observer answers. Every handler only reads. */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/http/json.h"
#include "server/http/problem.h"
#include "server/observe/dashboard.h"
#include "server/observe/exposition.h"
#include "server/observe/metrics_page.h"
#include "server/observe/observer_state.h"
#include "server/observe/report.h"

#define NO_STORE "Cache-Control: no-store\r\n"

static void answer_text(struct http_exchange *exchange, int status, const char *content_type,
                        const char *text, size_t length)
{
    http_exchange_answer(exchange, &(struct http_response){
                                       .status = status,
                                       .content_type = content_type,
                                       .fields = NO_STORE,
                                       .body = text,
                                       .body_bytes = length,
                                   });
}

static void answer_no_memory(struct http_exchange *exchange)
{
    http_problem(exchange, 503, "Retry-After: 1\r\n", "out of memory");
}

/* ------------------------------------------------------------------ documents that are written */

static int write_prometheus(FILE *out, void *context)
{
    struct observer *observer = context;
    survey_glance(&observer->survey);
    return metrics_page_write(out, EXPOSITION_PROMETHEUS, &observer->survey);
}

static int write_openmetrics(FILE *out, void *context)
{
    struct observer *observer = context;
    survey_glance(&observer->survey);
    return metrics_page_write(out, EXPOSITION_OPENMETRICS, &observer->survey);
}

static void metrics_handler(struct http_exchange *exchange, void *context)
{
    enum exposition_format format = exposition_format_for(http_exchange_request(exchange));
    pages_answer(&((struct observer *)context)->pages, exchange, exposition_content_type(format),
                 format == EXPOSITION_OPENMETRICS ? write_openmetrics : write_prometheus);
}

static void trace_handler(struct http_exchange *exchange, void *context)
{
    traces_answer(&((struct observer *)context)->traces, exchange);
}

static int write_report(FILE *out, void *context)
{
    struct observer *observer = context;
    return report_write(out, &observer->survey, &observer->verdict);
}

static void report_handler(struct http_exchange *exchange, void *context)
{
    pages_answer(&((struct observer *)context)->pages, exchange, "text/plain; charset=utf-8",
                 write_report);
}

/* ------------------------------------------------------------------ documents that are there */

static void config_handler(struct http_exchange *exchange, void *context)
{
    const struct observer *observer = context;
    const char *config = observer->options.config;
    answer_text(exchange, 200, "application/json", config, strlen(config));
}

static void events_handler(struct http_exchange *exchange, void *context)
{
    struct observer *observer = context;
    events_answer(&observer->events, exchange);
}

static void asset_handler(struct http_exchange *exchange, void *context)
{
    const char *path = http_exchange_request(exchange)->path;
    struct dashboard_file file;
    (void)context;
    if (dashboard_find(path, &file))
        answer_text(exchange, 200, file.content_type, file.bytes, file.length);
    else
        http_problem(exchange, 404, NULL, "there is nothing here");
}

/* ------------------------------------------------------------------ health */

static bool is_ill(const struct observer *observer, const struct survey_member *member)
{
    uint64_t bound_ns = (uint64_t)observer->options.blocked_after_ms * 1000000u;
    return !member->alive || member->blocked_ns >= bound_ns;
}

static cJSON *describe_health(const struct survey_member *member)
{
    cJSON *object = cJSON_CreateObject();
    cJSON_AddNumberToObject(object, "member", member->number);
    cJSON_AddNumberToObject(object, "pid", member->pid);
    cJSON_AddBoolToObject(object, "alive", member->alive);
    cJSON_AddBoolToObject(object, "recorded", member->recorded);
    cJSON_AddNumberToObject(object, "blocked_ms", (double)(member->blocked_ns / 1000000u));
    return object;
}

static void healthz_handler(struct http_exchange *exchange, void *context)
{
    struct observer *observer = context;
    survey_glance(&observer->survey);
    bool ill = observer->survey.present == 0; /* a cluster that has lost them all */
    cJSON *document = cJSON_CreateObject();
    cJSON *members = cJSON_AddArrayToObject(document, "members");
    for (unsigned i = 0; i < observer->survey.recordings->count; i++) {
        const struct survey_member *member = &observer->survey.members[i];
        if (member->pid == 0)
            continue;
        ill |= is_ill(observer, member);
        json_append(members, describe_health(member));
    }
    cJSON_AddStringToObject(document, "status", ill ? "blocked" : "ok");
    char *text = cJSON_PrintUnformatted(document);
    if (text != NULL)
        answer_text(exchange, ill ? 503 : 200, "application/json", text, strlen(text));
    else
        answer_no_memory(exchange);
    cJSON_free(text);
    cJSON_Delete(document);
}

/* path, methods, handler, parameters, help – see router.h. */
static const struct http_route table[] = {
    {"/", HTTP_METHOD_GET, asset_handler, "", "the page"},
    {"/events", HTTP_METHOD_GET, events_handler, "", "batches, ten times a second (SSE)"},
    {"/metrics", HTTP_METHOD_GET, metrics_handler, "", "for Prometheus"},
    {"/trace.json", HTTP_METHOD_GET, trace_handler, "", "for Perfetto"},
    {"/healthz", HTTP_METHOD_GET, healthz_handler, "", "503 while a loop is blocked"},
    {"/report", HTTP_METHOD_GET, report_handler, "", "what the page says, as text"},
    {"/config", HTTP_METHOD_GET, config_handler, "", "what is set, and by what"},
#define DASHBOARD_ROUTE(symbol, name, type) {"/app/" name, HTTP_METHOD_GET, asset_handler, "", ""},
    DASHBOARD_FILES(DASHBOARD_ROUTE)
#undef DASHBOARD_ROUTE
};

const struct http_router observer_routes = {table, sizeof table / sizeof *table, NULL};
