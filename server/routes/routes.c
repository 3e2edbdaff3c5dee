/* routes.c – the route table. */
#include "server/routes/routes.h"

/* path, methods, handler, parameters, help – see router.h.
 * To add a route: write its handler in the file of its family, declare it in routes.h, add a row.
 */
static const struct http_route table[] = {
    {"/fast", HTTP_METHOD_GET, fast_handler, "", "answers at once"},
    {"/slow", HTTP_METHOD_GET, slow_handler, "ms=100&via=sqlite|timer&id=1",
     "awaits a slow database; blocks nobody"},
    {"/heavy", HTTP_METHOD_GET, heavy_handler,
     "ms=200|n=…&kernel=primes|square-roots|mandelbrot|sleep&offload=none|deferred|sliced|"
     "threadpool|worker|process",
     "computes; whom it blocks depends on where"},
    {"/", HTTP_METHOD_GET, index_handler, "", "this list"},
    {"/healthz", HTTP_METHOD_GET, healthz_handler, "",
     "alive, says the event loop itself: it hangs when the loop does"},
};

const struct http_fields routes_fields = HTTP_FIELDS("Access-Control-Allow-Origin: *\r\n");

const struct http_router routes = {table, sizeof table / sizeof *table, elsewhere_handler};
