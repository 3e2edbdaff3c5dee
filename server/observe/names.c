/* names.c – see names.h. */
#include "server/observe/names.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static size_t count(const char *const *table)
{
    size_t n = 0;
    while (table[n] != NULL)
        n++;
    return n;
}

size_t names_work_count(const struct names *names)
{
    return count(names->works);
}

size_t names_route_count(const struct names *names)
{
    return count(names->routes);
}

const char *names_work(const struct names *names, unsigned work)
{
    return work < names_work_count(names) ? names->works[work] : "unknown";
}

static uint64_t add_table(uint64_t fingerprint, const char *const *table)
{
    for (; *table != NULL; table++)
        fingerprint = fingerprint_add(fingerprint, *table, strlen(*table) + 1);
    return fingerprint_add(fingerprint, "", 1); /* an empty name: the end */
}

uint64_t names_fingerprint(const struct names *names)
{
    uint64_t fingerprint = add_table(FINGERPRINT_EMPTY, names->works);
    fingerprint = add_table(fingerprint, names->kernels);
    return add_table(fingerprint, names->routes);
}

const char *names_kernel(const struct names *names, unsigned kernel)
{
    return kernel > 0 && kernel <= count(names->kernels) ? names->kernels[kernel - 1] : NULL;
}

void names_subject(const struct names *names, const struct trip_subject *subject, char *text,
                   size_t size)
{
    const char *kernel = names_kernel(names, subject->kernel);
    if (kernel != NULL)
        snprintf(text, size, "GET /heavy (%s n=%" PRIu64 ")", kernel, subject->size);
    else
        snprintf(text, size, "GET /slow (%s, %" PRIu64 " ms)", names_work(names, subject->work),
                 subject->size);
}

static void name_route(const struct names *names, unsigned route, char *text, size_t size)
{
    if (route > 0 && route <= names_route_count(names))
        snprintf(text, size, "requests to %s", names->routes[route - 1]);
    else
        snprintf(text, size, "something that is no request");
}

void names_stall(const struct names *names, const struct trace_record *stall, char *text,
                 size_t size)
{
    const struct trip_subject subject = {stall->work, stall->kernel, stall->size};
    int length = stall->times > 1 ? snprintf(text, size, "%" PRIu32 " × ", stall->times) : 0;
    size_t used = (size_t)length < size ? (size_t)length : size;
    if (stall->kernel > 0 || stall->times > 0)
        names_subject(names, &subject, text + used, size - used);
    else
        name_route(names, stall->route, text, size);
}

const char *names_stall_strategy(const struct names *names, const struct trace_record *stall)
{
    return stall->kernel > 0 ? names_work(names, stall->work) : NULL;
}
