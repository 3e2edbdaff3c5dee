/* wire.c – see wire.h. */
#include "kernel/wire.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/crash.h"

static const uint32_t MAGIC = 0x314b464f; /* "OFK1" in memory */

struct wire_head wire_head(enum wire_type type, uint64_t body_bytes)
{
    return (struct wire_head){.magic = MAGIC, .type = (uint32_t)type, .body_bytes = body_bytes};
}

int wire_head_check(const struct wire_head *head, enum wire_type awaited)
{
    uint64_t least = awaited == WIRE_RUN      ? sizeof(struct wire_job)
                     : awaited == WIRE_RESULT ? sizeof(struct wire_result)
                                              : 0;
    uint64_t most = awaited == WIRE_RESULT ? least + WIRE_IMAGE_BYTES_MAX : least;
    bool fits = head->magic == MAGIC && head->type == (uint32_t)awaited &&
                head->body_bytes >= least && head->body_bytes <= most;
    return fits ? 0 : -EBADMSG;
}

/* ------------------------------------------------------------------ names */

static void put_name(char *field, const char *name)
{
    size_t length = strlen(name);
    memset(field, 0, WIRE_NAME_BYTES);
    memcpy(field, name, length < WIRE_NAME_BYTES ? length : WIRE_NAME_BYTES - 1);
}

/* Plain characters, and an end: a name goes into JSON and to lookups as it is. */
static bool is_name(const char *field)
{
    size_t length = 0;
    while (length < WIRE_NAME_BYTES && field[length] > ' ' && field[length] <= '~')
        length++;
    return length > 0 && length < WIRE_NAME_BYTES && field[length] == '\0';
}

/* ------------------------------------------------------------------ jobs */

struct wire_job wire_job_from(const struct kernel *kernel, const struct kernel_arguments *arguments)
{
    struct wire_job wire = {.image = arguments->image};
    put_name(wire.kernel, kernel->name);
    memcpy(wire.values, arguments->values, sizeof wire.values);
    return wire;
}

static bool arguments_are_bounded(const struct kernel *kernel,
                                  const struct kernel_arguments *arguments)
{
    for (size_t i = 0; i < KERNEL_PARAMETERS_MAX && kernel->parameters[i].name != NULL; i++) {
        const struct kernel_parameter *parameter = &kernel->parameters[i];
        if (arguments->values[i] < parameter->min || arguments->values[i] > parameter->max)
            return false;
    }
    return true;
}

int wire_job_read(const struct wire_job *wire, const struct kernel **kernel,
                  struct kernel_arguments *arguments)
{
    if (!is_name(wire->kernel))
        return -EBADMSG;
    *kernel =
        strcmp(wire->kernel, kernel_crash.name) == 0 ? &kernel_crash : kernel_find(wire->kernel);
    if (*kernel == NULL)
        return -EBADMSG;
    memcpy(arguments->values, wire->values, sizeof arguments->values);
    arguments->image = wire->image != 0;
    return arguments_are_bounded(*kernel, arguments) ? 0 : -EBADMSG;
}

/* ------------------------------------------------------------------ results */

struct wire_result wire_result_from(const struct kernel_result *result)
{
    struct wire_result wire = {.number_count = result->number_count,
                               .image_bytes = result->image_bytes};
    for (size_t i = 0; i < result->number_count; i++) {
        const struct kernel_number *number = &result->numbers[i];
        put_name(wire.numbers[i].name, number->name);
        wire.numbers[i].type = (uint64_t)number->type;
        if (number->type == KERNEL_REAL)
            memcpy(&wire.numbers[i].bits, &number->value.real, sizeof number->value.real);
        else
            wire.numbers[i].bits = number->value.integer;
    }
    return wire;
}

static int read_number(const struct wire_number *wire, char *name, struct kernel_number *number)
{
    if (!is_name(wire->name) || wire->type > KERNEL_REAL)
        return -EBADMSG;
    memcpy(name, wire->name, WIRE_NAME_BYTES);
    number->name = name;
    if (wire->type == KERNEL_REAL) {
        number->type = KERNEL_REAL;
        memcpy(&number->value.real, &wire->bits, sizeof wire->bits);
    } else {
        number->type = KERNEL_INTEGER;
        number->value.integer = wire->bits;
    }
    return 0;
}

int wire_result_read(const struct wire_result *wire, const char *image_type, unsigned char *image,
                     struct kernel_result *result)
{
    *result = (struct kernel_result){0};
    if (wire->number_count > KERNEL_NUMBERS_MAX || (image != NULL && image_type == NULL))
        return -EBADMSG;
    char *names = calloc(KERNEL_NUMBERS_MAX, WIRE_NAME_BYTES);
    if (names == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < wire->number_count; i++) {
        if (read_number(&wire->numbers[i], names + i * WIRE_NAME_BYTES, &result->numbers[i]) != 0) {
            free(names);
            return -EBADMSG;
        }
    }
    result->number_count = (size_t)wire->number_count;
    result->names = names;
    result->image = image;
    result->image_bytes = image != NULL ? (size_t)wire->image_bytes : 0;
    result->image_type = image != NULL ? image_type : NULL;
    return 0;
}
