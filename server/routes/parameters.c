/* parameters.c – see parameters.h. An unknown parameter is an error too: `?offlod=worker` would
 * otherwise show a class the opposite of what it should see. So is one that is given twice: some
 * servers take the first, some the last. */
#include "server/routes/parameters.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "kernel/bounded.h"
#include "server/http/problem.h"

enum { NAME_MAX_BYTES = 32, VALUE_MAX_BYTES = 64, ERROR_MAX_BYTES = 300 };

/* What pages and load generators append to make every URL another one, besides names that begin
 * with '_' (jQuery's "_=1733011200") or a digit ("?1733011200"). No route has such a parameter. */
static const char *const cache_busters[] = {
    "cb", "cachebust", "cachebuster", "nocache", "rand", "random", "rnd", "t", "ts",
};

static bool is_cache_buster(const char *name)
{
    if (name[0] == '_' || (name[0] >= '0' && name[0] <= '9'))
        return true;
    for (size_t i = 0; i < sizeof cache_busters / sizeof *cache_busters; i++) {
        if (strcmp(name, cache_busters[i]) == 0)
            return true;
    }
    return false;
}

static bool comes_again(const char *query, const char *name)
{
    char other[NAME_MAX_BYTES], value[VALUE_MAX_BYTES];
    int rc;
    while ((rc = http_query_next(&query, other, sizeof other, value, sizeof value)) > 0) {
        if (strcmp(other, name) == 0)
            return true;
    }
    return false;
}

/* Returns 0, or a negative errno with a sentence. */
static int take(const char *name, const char *value, const char *rest, parameter_setter *set,
                void *data, char error[ERROR_MAX_BYTES])
{
    char shown[BOUNDED_SHOWN_BYTES];
    if (is_cache_buster(name))
        return 0;
    int rc = set(data, name, value, error, ERROR_MAX_BYTES);
    if (rc < 0 || !comes_again(rest, name))
        return rc;
    bounded_show(shown, name);
    snprintf(error, ERROR_MAX_BYTES, "%s is given more than once", shown);
    return -EINVAL;
}

bool parameters_parse(struct http_exchange *exchange, parameter_setter *set, void *data)
{
    const char *query = http_exchange_request(exchange)->query;
    char name[NAME_MAX_BYTES], value[VALUE_MAX_BYTES], error[ERROR_MAX_BYTES];
    int rc;
    while ((rc = http_query_next(&query, name, sizeof name, value, sizeof value)) > 0) {
        if (take(name, value, query, set, data, error) < 0) {
            http_problem(exchange, 400, NULL, "%s", error);
            return false;
        }
    }
    if (rc < 0)
        http_problem(
            exchange, 400, NULL,
            "the query string must be name=value pairs joined by &, names of at most %d and "
            "values of at most %d bytes, with %%XX for bytes that are special",
            NAME_MAX_BYTES - 1, VALUE_MAX_BYTES - 1);
    return rc == 0;
}
