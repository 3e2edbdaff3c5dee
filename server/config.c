/* config.c – see config.h. */
#include "server/config.h"

#include <cjson/cJSON.h>

#include "server/http/json.h"
#include "server/machine/cores.h"
#include "server/observe/watchdog.h"
#include "server/routes/routes.h"

static void add_options(cJSON *document, const struct options *options)
{
    struct option_setting setting;
    cJSON *rows = cJSON_AddArrayToObject(document, "options");
    for (size_t i = 0; options_setting(options, i, &setting); i++) {
        cJSON *row = cJSON_CreateObject();
        cJSON_AddStringToObject(row, "name", setting.name);
        cJSON_AddStringToObject(row, "value", setting.value);
        cJSON_AddStringToObject(row, "origin", setting.origin);
        cJSON_AddStringToObject(row, "help", setting.help);
        json_append(rows, row);
    }
}

/* Where it lies, and what led there. */
static void add_database(cJSON *document, const struct options *options)
{
    if (options->database == NULL || options->database_origin == NULL)
        return;
    cJSON *database = cJSON_AddObjectToObject(document, "database");
    cJSON_AddStringToObject(database, "path", options->database);
    cJSON_AddStringToObject(database, "origin", options->database_origin);
}

static void add_named(cJSON *rows, const char *name, const char *help)
{
    cJSON *row = cJSON_CreateObject();
    cJSON_AddStringToObject(row, "name", name);
    cJSON_AddStringToObject(row, "help", help);
    json_append(rows, row);
}

static void add_works(cJSON *document)
{
    cJSON *strategies = cJSON_AddArrayToObject(document, "strategies");
    for (size_t i = 0; strategy_at(i) != NULL; i++)
        add_named(strategies, strategy_name(strategy_at(i)), strategy_help(strategy_at(i)));
    cJSON *sources = cJSON_AddArrayToObject(document, "sources");
    for (size_t i = 0; source_at(i) != NULL; i++)
        add_named(sources, source_name(source_at(i)), source_help(source_at(i)));
}

static void add_parameters(cJSON *row, const struct kernel *kernel)
{
    cJSON *parameters = cJSON_AddArrayToObject(row, "parameters");
    for (size_t i = 0; i < KERNEL_PARAMETERS_MAX && kernel->parameters[i].name != NULL; i++) {
        const struct kernel_parameter *parameter = &kernel->parameters[i];
        cJSON *object = cJSON_CreateObject();
        cJSON_AddStringToObject(object, "name", parameter->name);
        cJSON_AddNumberToObject(object, "min", (double)parameter->min);
        cJSON_AddNumberToObject(object, "max", (double)parameter->max);
        cJSON_AddNumberToObject(object, "default", (double)parameter->fallback);
        json_append(parameters, object);
    }
}

static void add_kernels(cJSON *document)
{
    cJSON *kernels = cJSON_AddArrayToObject(document, "kernels");
    for (size_t i = 0; kernel_at(i) != NULL; i++) {
        cJSON *row = cJSON_CreateObject();
        cJSON_AddStringToObject(row, "name", kernel_at(i)->name);
        add_parameters(row, kernel_at(i));
        json_append(kernels, row);
    }
}

static void add_routes(cJSON *document)
{
    cJSON *rows = cJSON_AddArrayToObject(document, "routes");
    for (size_t i = 0; i < routes.count; i++)
        json_append(rows, cJSON_CreateString(routes.routes[i].path));
}

char *config_json(const struct options *options, const char *patient, double epoch_unix_ms)
{
    cJSON *document = cJSON_CreateObject();
    cJSON_AddStringToObject(document, "version", OFFLOOP_VERSION);
    cJSON_AddNumberToObject(document, "epoch_unix_ms", epoch_unix_ms);
    cJSON_AddStringToObject(document, "patient", patient);
    cJSON_AddNumberToObject(document, "cores", cores_available());
    cJSON_AddNumberToObject(document, "cluster", options->cluster);
    cJSON_AddNumberToObject(document, "cell_ms", RECORDING_CELL_MS);
    cJSON_AddNumberToObject(document, "blocked_after_ms", WATCHDOG_BLOCKED_MS);
    add_options(document, options);
    add_database(document, options);
    add_works(document);
    add_kernels(document);
    add_routes(document);
    char *text = cJSON_PrintUnformatted(document);
    cJSON_Delete(document);
    return text;
}
