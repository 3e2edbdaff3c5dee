/* output.c – see output.h. */
#include "kernel/cli/output.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* As text of its own: cJSON keeps numbers as doubles and would round the largest integers. */
static bool add_integer(cJSON *object, const char *name, uint64_t value)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRIu64, value);
    return cJSON_AddRawToObject(object, name, text) != NULL;
}

static bool add_arguments(cJSON *object, const struct command *command)
{
    const struct kernel_parameter *parameters = command->kernel->parameters;
    bool ok = object != NULL;
    for (size_t i = 0; ok && i < KERNEL_PARAMETERS_MAX && parameters[i].name != NULL; i++)
        ok = add_integer(object, parameters[i].name, command->arguments.values[i]);
    return ok;
}

static bool add_numbers(cJSON *object, const struct kernel_result *result)
{
    bool ok = object != NULL;
    for (size_t i = 0; ok && i < result->number_count; i++) {
        const struct kernel_number *number = &result->numbers[i];
        if (number->type == KERNEL_INTEGER)
            ok = add_integer(object, number->name, number->value.integer);
        else
            ok = cJSON_AddNumberToObject(object, number->name, number->value.real) != NULL;
    }
    return ok;
}

static bool add_image(cJSON *object, const struct command *command,
                      const struct kernel_result *result)
{
    return cJSON_AddStringToObject(object, "file", command->image_path) != NULL &&
           cJSON_AddStringToObject(object, "type", result->image_type) != NULL &&
           add_integer(object, "bytes", result->image_bytes);
}

static bool fill_json(cJSON *root, const struct command *command,
                      const struct kernel_result *result, double elapsed_ms)
{
    bool ok = cJSON_AddStringToObject(root, "kernel", command->kernel->name) != NULL &&
              add_arguments(cJSON_AddObjectToObject(root, "arguments"), command) &&
              add_numbers(cJSON_AddObjectToObject(root, "numbers"), result);
    if (ok && result->image != NULL)
        ok = add_image(cJSON_AddObjectToObject(root, "image"), command, result);
    return ok &&
           cJSON_AddNumberToObject(root, "milliseconds", round(elapsed_ms * 1e3) / 1e3) != NULL;
}

static int print_json(const struct command *command, const struct kernel_result *result,
                      double elapsed_ms)
{
    cJSON *root = cJSON_CreateObject();
    char *text = NULL;
    if (fill_json(root, command, result, elapsed_ms))
        text = cJSON_PrintUnformatted(root);
    cJSON_Delete(root);
    if (text == NULL)
        return -ENOMEM;
    int written = puts(text) < 0 ? -EIO : 0;
    cJSON_free(text);
    return written;
}

static int write_bytes(FILE *file, const struct kernel_result *result)
{
    errno = 0;
    bool whole = fwrite(result->image, 1, result->image_bytes, file) == result->image_bytes;
    whole = fflush(file) == 0 && whole;
    return whole ? 0 : errno != 0 ? -errno : -EIO;
}

static int write_image(const char *path, const struct kernel_result *result)
{
    FILE *file = fopen(path, "wb");
    if (file == NULL)
        return -errno;
    int status = write_bytes(file, result);
    if (fclose(file) != 0 && status == 0)
        status = -errno;
    return status;
}

int output_result(const struct command *command, const struct kernel_result *result,
                  double elapsed_ms, const char **where)
{
    const char *path = command->image_path;
    bool to_stdout = path != NULL && strcmp(path, "-") == 0;
    if (path != NULL && !to_stdout) {
        *where = path;
        int status = write_image(path, result);
        if (status != 0)
            return status;
    }
    *where = "standard output";
    int status = to_stdout ? write_bytes(stdout, result) : print_json(command, result, elapsed_ms);
    return status == 0 && fflush(stdout) != 0 ? -errno : status;
}
