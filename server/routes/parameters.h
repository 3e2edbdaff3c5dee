/* parameters.h – the query string of a demo route, checked. */
#ifndef OFFLOOP_ROUTES_PARAMETERS_H
#define OFFLOOP_ROUTES_PARAMETERS_H

#include <stdbool.h>

#include "server/http/exchange.h"

/* Takes one parameter. Returns 0, or a negative errno with a sentence in `error` that names it. */
typedef int parameter_setter(void *data, const char *name, const char *value, char *error,
                             size_t error_size);

/* Gives every parameter of the request to `set`, in their order, but for cache busters, which pages
 * and tools add to make a URL unique (the list is in parameters.c). If one is wrong, or is there
 * twice, answers 400 with a sentence that names it and returns false. */
bool parameters_parse(struct http_exchange *exchange, parameter_setter *set, void *data);

#endif
