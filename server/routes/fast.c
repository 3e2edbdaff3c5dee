/* fast.c – res.send('…'): answered at once, on the loop. Its latency is the loop's delay and
 * nothing else, which makes it the thermometer of every experiment here. */
#include "server/routes/routes.h"

static const char text[] = "fast: the event loop answered at once\n";

void routes_prepare(struct routes_context *context)
{
    http_prepare(&context->fast, &(struct http_response){
                                     .status = 200,
                                     .content_type = "text/plain; charset=utf-8",
                                     .fields = "Cache-Control: no-store\r\n",
                                     .body = text,
                                     .body_bytes = sizeof text - 1,
                                 });
}

void fast_handler(struct http_exchange *exchange, void *context)
{
    const struct routes_context *routes_context = context;
    http_exchange_answer_prepared(exchange, &routes_context->fast);
}
