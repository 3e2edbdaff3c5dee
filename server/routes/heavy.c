/* heavy.c – res.send(doHeavyMathCalculations()), and the switch that moves the calculation
 * elsewhere.
 *
 * The handler is the same for every strategy: it makes a job, sends it out and answers when it is
 * back. With `none` that is before offload_submit returns, and the loop has stood still in between.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/bounded.h"
#include "kernel/crash.h"
#include "server/http/problem.h"
#include "server/routes/answer.h"
#include "server/routes/parameters.h"
#include "server/routes/routes.h"

enum { HEAVY_MS_DEFAULT = 200, HEAVY_MS_MAX = 60000 };

/* What the query string asks for. */
struct wish {
    const struct strategy *strategy;
    const struct kernel *kernel;
    struct kernel_arguments arguments;
    uint64_t ms;
    bool ms_given, arguments_given, format_given, allow_crash;
};

/* A job and what its answer will have to say beside the result. */
struct errand {
    struct job job;     /* the first member: `done` gets its address */
    uint64_t wait_ms;   /* what the client prefers; 0: it has not said */
    char preferred[32]; /* "wait=10" */
    char applied[64];   /* a field line, or "" */
};

/* ------------------------------------------------------------------ the question */

static int choose_kernel(void *data, const char *name, const char *value, char *error, size_t size)
{
    struct wish *wish = data;
    if (strcmp(name, "kernel") != 0)
        return 0;
    wish->kernel = kernel_find(value);
    if (wish->allow_crash && strcmp(value, kernel_crash.name) == 0)
        wish->kernel = &kernel_crash;
    if (wish->kernel == NULL)
        return bounded_choice_error(name, kernel_names(), value, error, size);
    return 0;
}

static int set_format(struct wish *wish, const char *value, char *error, size_t size)
{
    bool png = strcmp(value, "png") == 0;
    const char *choices = wish->kernel->image_type != NULL ? "json, png" : "json";
    if ((!png && strcmp(value, "json") != 0) || (png && wish->kernel->image_type == NULL))
        return bounded_choice_error("format", choices, value, error, size);
    wish->format_given = true;
    wish->arguments.image = png;
    return 0;
}

static int unknown_parameter(const struct kernel *kernel, const char *name, char *error,
                             size_t size)
{
    char choices[128] = "kernel, offload, ms, format";
    for (size_t i = 0; i < KERNEL_PARAMETERS_MAX && kernel->parameters[i].name != NULL; i++) {
        strncat(choices, ", ", sizeof choices - strlen(choices) - 1);
        strncat(choices, kernel->parameters[i].name, sizeof choices - strlen(choices) - 1);
    }
    return bounded_choice_error("a parameter of /heavy", choices, name, error, size);
}

static int set_parameter(void *data, const char *name, const char *value, char *error, size_t size)
{
    struct wish *wish = data;
    if (strcmp(name, "kernel") == 0)
        return 0;
    if (strcmp(name, "offload") == 0) {
        wish->strategy = strategy_find(value);
        return wish->strategy != NULL
                   ? 0
                   : bounded_choice_error(name, strategy_names(), value, error, size);
    }
    if (strcmp(name, "ms") == 0) {
        wish->ms_given = true;
        return bounded_integer(name, 1, HEAVY_MS_MAX, value, &wish->ms, error, size);
    }
    if (strcmp(name, "format") == 0)
        return set_format(wish, value, error, size);
    wish->arguments_given = true;
    int rc = kernel_argument_set(&wish->arguments, wish->kernel, name, value, error, size);
    return rc == -ENOENT ? unknown_parameter(wish->kernel, name, error, size) : rc;
}

/* Answers 400 and returns false if something is wrong. The kernel comes first: it says which other
 * parameters there are. */
static bool parse(struct http_exchange *exchange, struct wish *wish)
{
    if (!parameters_parse(exchange, choose_kernel, wish))
        return false;
    kernel_arguments_init(&wish->arguments, wish->kernel);
    if (!parameters_parse(exchange, set_parameter, wish))
        return false;
    if (wish->ms_given && wish->arguments_given) {
        http_problem(exchange, 400, NULL,
                     "ms sets how much %s has to do: give ms, or its own arguments, not both",
                     wish->kernel->name);
        return false;
    }
    if (wish->arguments_given)
        wish->ms = 0;
    const char *image_type = wish->kernel->image_type;
    if (!wish->format_given && image_type != NULL)
        wish->arguments.image =
            http_request_prefers(http_exchange_request(exchange), image_type, "application/json");
    return true;
}

/* ------------------------------------------------------------------ the answer */

static void add_arguments(cJSON *document, const struct job *job)
{
    cJSON *arguments = cJSON_AddObjectToObject(document, "arguments");
    const struct kernel_parameter *parameters = job->kernel->parameters;
    for (size_t i = 0; i < KERNEL_PARAMETERS_MAX && parameters[i].name != NULL; i++)
        cJSON_AddNumberToObject(arguments, parameters[i].name, (double)job->arguments.values[i]);
}

static void add_result(cJSON *document, const struct kernel_result *kernel_result)
{
    cJSON *result = cJSON_AddObjectToObject(document, "result");
    for (size_t i = 0; i < kernel_result->number_count; i++) {
        const struct kernel_number *number = &kernel_result->numbers[i];
        cJSON_AddNumberToObject(result, number->name,
                                number->type == KERNEL_REAL ? number->value.real
                                                            : (double)number->value.integer);
    }
}

static cJSON *describe(const struct job *job)
{
    cJSON *document = cJSON_CreateObject();
    cJSON_AddStringToObject(document, "route", "/heavy");
    cJSON_AddStringToObject(document, "kernel", job->kernel->name);
    add_arguments(document, job);
    add_result(document, &job->result);
    cJSON_AddStringToObject(document, "strategy", strategy_name(job->strategy));
    return document;
}

/* Of the two limits the shorter one was the job's. */
static void answer_expired(struct http_exchange *exchange, const struct errand *errand)
{
    const struct job *job = &errand->job;
    char limit[64];
    if (job->timeout_ms == errand->wait_ms)
        snprintf(limit, sizeof limit, "Prefer: %s", errand->preferred);
    else
        snprintf(limit, sizeof limit, "--job-timeout=%llu", (unsigned long long)job->timeout_ms);
    answer_expired_trip(exchange, &job->trip, "the job", limit, job->problem, errand->applied);
}

static void answer(struct http_exchange *exchange, const struct errand *errand)
{
    const struct job *job = &errand->job;
    const struct kernel_result *result = &job->result;
    if (job->outcome == TRIP_EXPIRED)
        answer_expired(exchange, errand);
    else if (job->outcome != TRIP_SUCCEEDED)
        answer_failed_trip(exchange, job->outcome, job->error, "the job",
                           job->outcome == TRIP_LOST ? job->problem : strerror(-job->error),
                           errand->applied);
    else if (result->image != NULL)
        answer_trip_bytes(exchange, result->image_type, result->image, result->image_bytes,
                          &job->trip, errand->applied);
    else
        answer_trip(exchange, describe(job), &job->trip, errand->applied);
}

static void on_done(struct job *job)
{
    struct errand *errand = (struct errand *)job;
    if (job->owner != NULL)
        answer(job->owner, errand);
    job_close(job);
    free(errand);
}

static void on_abandoned(void *data)
{
    struct job *job = data;
    job->owner = NULL;
    offload_cancel(job);
}

/* "Prefer: wait=N" is a deadline of the client's own; N = 0 leaves a millisecond. */
static void prefer(struct errand *errand, const struct http_request *request)
{
    uint64_t seconds;
    if (!http_request_wait(request, &seconds))
        return;
    errand->wait_ms = seconds > 0 ? seconds * 1000 : 1;
    errand->job.timeout_ms = errand->wait_ms;
    snprintf(errand->preferred, sizeof errand->preferred, "wait=%llu", (unsigned long long)seconds);
    snprintf(errand->applied, sizeof errand->applied, "Preference-Applied: %s\r\n",
             errand->preferred);
}

/* The lateness, rounded up to seconds, is also the guess of how long it will last. Only /heavy is
 * shed: what is cheap, or waits elsewhere, is served however late the server is. */
static void answer_shed(struct http_exchange *exchange, const struct strategy *strategy,
                        const struct lateness *lateness)
{
    uint64_t late_ms = (lateness_ns(lateness) + 999999) / 1000000;
    uint64_t retry_s = late_ms > 0 ? (late_ms + 999) / 1000 : 1;
    char fields[80], who[64] = "the event loop";
    if (lateness->queue_ns > lateness->loop_ns)
        snprintf(who, sizeof who, "the queue of %s", strategy_name(strategy));
    snprintf(fields, sizeof fields, "Cache-Control: no-store\r\nRetry-After: %llu\r\n",
             (unsigned long long)retry_s);
    http_problem(exchange, 503, fields,
                 late_ms >= lateness->limit_ms
                     ? "the server is late: %s by %llu ms, more than --shed-lag=%u allows"
                     : "the server has been late: %s is by %llu ms now, which must stay below half "
                       "of --shed-lag=%u for a while",
                 who, (unsigned long long)late_ms, lateness->limit_ms);
}

static void send_out(struct http_exchange *exchange, struct offload *offload,
                     const struct wish *wish)
{
    struct errand *errand = calloc(1, sizeof *errand);
    if (errand == NULL) {
        http_problem(exchange, 503, "Retry-After: 1\r\n", "out of memory");
        return;
    }
    struct job *job = &errand->job;
    job->kernel = wish->kernel;
    job->arguments = wish->arguments;
    job->ms = wish->ms;
    job->done = on_done;
    job->owner = exchange;
    prefer(errand, http_exchange_request(exchange));
    http_exchange_defer(exchange, on_abandoned, job);
    offload_submit(offload, wish->strategy, job);
}

void heavy_handler(struct http_exchange *exchange, void *context)
{
    const struct routes_context *routes_context = context;
    struct wish wish = {
        .strategy = routes_context->strategy,
        .kernel = kernel_at(0),
        .ms = HEAVY_MS_DEFAULT,
        .allow_crash = routes_context->allow_crash,
    };
    struct lateness lateness;
    if (!parse(exchange, &wish))
        return;
    if (offload_sheds(routes_context->offload, wish.strategy, &lateness))
        answer_shed(exchange, wish.strategy, &lateness);
    else
        send_out(exchange, routes_context->offload, &wish);
}
