/* fast.c – res.send('…'): answered at once, on the loop. Its latency is the loop's delay and
 * nothing else, which makes it the thermometer of every experiment here. */
#include "server/routes/routes.h"

#include <stdio.h>

static const char text[] = "fast: the event loop answered at once\n";

void routes_prepare(struct routes_context *context)
{
    size_t length = (size_t)snprintf(context->fast_fields, sizeof context->fast_fields,
                                     "Cache-Control: no-store\r\n");
    if (context->member > 0)
        snprintf(context->fast_fields + length, sizeof context->fast_fields - length,
                 "Offloop-Member: %u\r\n", context->member);
    const struct http_response response = {
        .status = 200,
        .content_type = "text/plain; charset=utf-8",
        .fields = context->fast_fields,
        .body = text,
        .body_bytes = sizeof text - 1,
    };
    http_prepare(&context->fast, &response, &routes_fields);
}

void fast_handler(struct http_exchange *exchange, void *context)
{
    const struct routes_context *routes_context = context;
    http_exchange_answer_prepared(exchange, &routes_context->fast);
}
