/* parameters.c – see parameters.h. An unknown parameter is an error too: `?offlod=worker` would
 * otherwise show a class the opposite of what it should see. */
#include "server/routes/parameters.h"

#include <stdio.h>

#include "server/http/problem.h"

enum { NAME_MAX_BYTES = 32, VALUE_MAX_BYTES = 64, ERROR_MAX_BYTES = 300 };

bool parameters_parse(struct http_exchange *exchange, parameter_setter *set, void *data)
{
    const char *query = http_exchange_request(exchange)->query;
    char name[NAME_MAX_BYTES], value[VALUE_MAX_BYTES], error[ERROR_MAX_BYTES];
    int rc;
    while ((rc = http_query_next(&query, name, sizeof name, value, sizeof value)) > 0) {
        if (name[0] != '_' && set(data, name, value, error, sizeof error) < 0) {
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
