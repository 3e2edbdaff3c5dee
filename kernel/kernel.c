/* kernel.c – the table of kernels, the check of their arguments, and one run.
 *
 * Rejected: registration at run time (a table in one place can be read). */
#include "kernel/kernel.h"
#include "kernel/bounded.h"
#include "kernel/table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define KERNEL_ROW(id, name)  &kernel_##id,
#define KERNEL_LIST(id, name) ", " name

static const struct kernel *const table[] = {KERNEL_TABLE(KERNEL_ROW) NULL};
static const char names[] = KERNEL_TABLE(KERNEL_LIST);

/* ---------------------------------------------------------------- the table */

const struct kernel *kernel_at(size_t index)
{
    return index < sizeof table / sizeof *table ? table[index] : NULL;
}

size_t kernel_index(const struct kernel *kernel)
{
    size_t index = 0;
    while (kernel_at(index) != NULL && kernel_at(index) != kernel)
        index++;
    return index;
}

const struct kernel *kernel_find(const char *name)
{
    for (const struct kernel *const *row = table; *row != NULL; row++)
        if (strcmp((*row)->name, name) == 0)
            return *row;
    return NULL;
}

const char *kernel_names(void)
{
    return names + strlen(", ");
}

/* ---------------------------------------------------------------- arguments */

static bool parameter_exists(const struct kernel *kernel, size_t index)
{
    return index < KERNEL_PARAMETERS_MAX && kernel->parameters[index].name != NULL;
}

void kernel_arguments_init(struct kernel_arguments *arguments, const struct kernel *kernel)
{
    *arguments = (struct kernel_arguments){0};
    for (size_t i = 0; parameter_exists(kernel, i); i++)
        arguments->values[i] = kernel->parameters[i].fallback;
}

int kernel_argument_set(struct kernel_arguments *arguments, const struct kernel *kernel,
                        const char *name, const char *value, char *error, size_t error_bytes)
{
    size_t index = 0;
    while (parameter_exists(kernel, index) && strcmp(kernel->parameters[index].name, name) != 0)
        index++;
    if (!parameter_exists(kernel, index))
        return -ENOENT;

    const struct kernel_parameter *parameter = &kernel->parameters[index];
    return bounded_integer(name, parameter->min, parameter->max, value, &arguments->values[index],
                           error, error_bytes);
}

/* ---------------------------------------------------------------- one run */

int kernel_run_init(struct kernel_run *run, const struct kernel *kernel,
                    const struct kernel_arguments *arguments)
{
    *run = (struct kernel_run){.kernel = kernel, .state = calloc(1, kernel->state_bytes)};
    if (run->state == NULL)
        return -ENOMEM;
    int status = kernel->init(run->state, arguments, &run->total_units);
    if (status != 0) {
        free(run->state);
        run->state = NULL;
    }
    return status;
}

bool kernel_run_step(struct kernel_run *run, uint64_t budget)
{
    if (run->done_units < run->total_units)
        run->done_units += run->kernel->step(run->state, budget);
    return run->done_units < run->total_units;
}

int kernel_run_finish(struct kernel_run *run, struct kernel_result *result)
{
    *result = (struct kernel_result){0};
    return run->kernel->finish(run->state, result);
}

void kernel_run_close(struct kernel_run *run)
{
    if (run->state == NULL)
        return;
    run->kernel->close(run->state);
    free(run->state);
    run->state = NULL;
}

void kernel_result_close(struct kernel_result *result)
{
    free(result->image);
    free(result->names);
    *result = (struct kernel_result){0};
}
