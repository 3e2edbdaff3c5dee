/* router.c – a linear walk: a handful of routes fit in two cache lines, a hash would not be faster.
 */
#include "server/http/router.h"

#include <stdio.h>
#include <string.h>

#include "server/http/problem.h"

/* The row of this path, or router->count. */
static size_t route_find(const struct http_router *router, const char *path)
{
    size_t i = 0;
    while (i < router->count && strcmp(router->routes[i].path, path) != 0)
        i++;
    return i;
}

/* "Allow: GET, HEAD, OPTIONS\r\n" (RFC 9110, section 10.2.1). */
static void allow_line(char *line, size_t size, unsigned methods)
{
    static const struct {
        unsigned method;
        const char *name;
    } names[] = {
        {HTTP_METHOD_GET, "GET, HEAD"},   {HTTP_METHOD_POST, "POST"},
        {HTTP_METHOD_PUT, "PUT"},         {HTTP_METHOD_DELETE, "DELETE"},
        {HTTP_METHOD_PATCH, "PATCH"},     {HTTP_METHOD_TRACE, "TRACE"},
        {HTTP_METHOD_OPTIONS, "OPTIONS"},
    };
    size_t at = (size_t)snprintf(line, size, "Allow: ");
    const char *separator = "";
    for (size_t i = 0; i < sizeof names / sizeof *names && at < size; i++) {
        if ((methods & names[i].method) == 0)
            continue;
        at += (size_t)snprintf(line + at, size - at, "%s%s", separator, names[i].name);
        separator = ", ";
    }
    if (at < size)
        snprintf(line + at, size - at, "\r\n");
}

static void answer_options(struct http_exchange *exchange, unsigned methods)
{
    char allow[80];
    allow_line(allow, sizeof allow, methods | HTTP_METHOD_OPTIONS);
    http_exchange_answer(exchange, &(struct http_response){.status = 204, .fields = allow});
}

static void refuse_method(struct http_exchange *exchange, const struct http_route *route)
{
    char allow[80];
    allow_line(allow, sizeof allow, route->methods | HTTP_METHOD_OPTIONS);
    http_problem(exchange, 405, allow, "%s does not answer this method", route->path);
}

static unsigned all_methods(const struct http_router *router)
{
    unsigned methods = 0;
    for (size_t i = 0; i < router->count; i++)
        methods |= router->routes[i].methods;
    return methods;
}

void http_router_dispatch(const struct http_router *router, struct http_exchange *exchange,
                          void *context)
{
    const struct http_request *request = http_exchange_request(exchange);
    if (request->asterisk) {
        http_exchange_routed(exchange, router->count);
        answer_options(exchange, all_methods(router));
        return;
    }
    size_t row = route_find(router, request->path);
    const struct http_route *route = &router->routes[row];
    unsigned method = request->method == HTTP_METHOD_HEAD ? HTTP_METHOD_GET : request->method;
    http_exchange_routed(exchange, row);
    if (row == router->count && router->otherwise != NULL)
        router->otherwise(exchange, context);
    else if (row == router->count)
        http_problem(exchange, 404, NULL, "there is nothing here; GET / lists the routes");
    else if (route->methods & method)
        route->handler(exchange, context);
    else if (method == HTTP_METHOD_OPTIONS)
        answer_options(exchange, route->methods);
    else
        refuse_method(exchange, route);
}
