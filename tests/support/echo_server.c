/* echo_server.c – see echo_server.h. One client at a time: each deferring route has one place. */
#include "tests/support/echo_server.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void answer(struct http_exchange *exchange, const char *text, size_t length)
{
    http_exchange_answer(exchange, &(struct http_response){.status = 200,
                                                           .content_type = "text/plain",
                                                           .body = text,
                                                           .body_bytes = length});
}

static void on_fast(struct http_exchange *exchange, void *context)
{
    (void)context;
    answer(exchange, "fast", 4);
}

static void on_echo(struct http_exchange *exchange, void *context)
{
    const struct http_request *request = http_exchange_request(exchange);
    (void)context;
    if (request->body_bytes > 0)
        answer(exchange, (const char *)request->body, request->body_bytes);
    else
        answer(exchange, request->query, strlen(request->query));
}

static void on_field(struct http_exchange *exchange, void *context)
{
    const struct http_request *request = http_exchange_request(exchange);
    const char *value = http_request_field(request, request->query);
    char text[1000] = "none";
    (void)context;
    if (value != NULL)
        snprintf(text, sizeof text, "[%s]", value);
    answer(exchange, text, strlen(text));
}

static void on_big(struct http_exchange *exchange, void *context)
{
    enum { BIG_BYTES = 1024 * 1024 };
    char *text = malloc(BIG_BYTES);
    (void)context;
    assert(text != NULL);
    memset(text, 'x', BIG_BYTES);
    answer(exchange, text, BIG_BYTES);
    free(text);
}

static void on_soon_abandoned(void *data)
{
    struct echo_server *server = data;
    uv_timer_stop(&server->soon);
    server->soon_exchange = NULL;
    server->abandoned++;
}

static void on_soon_timer(uv_timer_t *timer)
{
    struct echo_server *server = timer->data;
    struct http_exchange *exchange = server->soon_exchange;
    server->soon_exchange = NULL;
    answer(exchange, "soon", 4);
}

static void on_soon(struct http_exchange *exchange, void *context)
{
    struct echo_server *server = context;
    server->soon_exchange = exchange;
    uv_timer_start(&server->soon, on_soon_timer, 0, 0);
    http_exchange_defer(exchange, on_soon_abandoned, server);
}

static void on_slow_abandoned(void *data)
{
    struct echo_server *server = data;
    server->slow_exchange = NULL;
    server->abandoned++;
}

static void on_slow(struct http_exchange *exchange, void *context)
{
    struct echo_server *server = context;
    server->slow_exchange = exchange;
    http_exchange_defer(exchange, on_slow_abandoned, server);
}

void echo_server_release(struct echo_server *server)
{
    struct http_exchange *exchange = server->slow_exchange;
    server->slow_exchange = NULL;
    answer(exchange, "slow", 4);
}

static const struct http_route routes[] = {
    {.path = "/fast", .methods = HTTP_METHOD_GET, .handler = on_fast},
    {.path = "/soon", .methods = HTTP_METHOD_GET, .handler = on_soon},
    {.path = "/slow", .methods = HTTP_METHOD_GET, .handler = on_slow},
    {.path = "/echo", .methods = HTTP_METHOD_GET | HTTP_METHOD_POST, .handler = on_echo},
    {.path = "/field", .methods = HTTP_METHOD_GET, .handler = on_field},
    {.path = "/big", .methods = HTTP_METHOD_GET, .handler = on_big},
};

void echo_server_start(struct echo_server *server, uv_loop_t *loop,
                       const struct http_limits *limits)
{
    static const struct http_router router = {routes, sizeof routes / sizeof *routes, NULL};
    *server = (struct echo_server){0};
    uv_timer_init(loop, &server->soon);
    server->soon.data = server;
    int rc = http_server_init(&server->http, loop, limits, &router, server);
    assert(rc == 0);
    rc = http_server_listen(&server->http, "127.0.0.1", 0, false);
    assert(rc == 0);
    (void)rc;
}

static void on_closed(void *data)
{
    struct echo_server *server = data;
    server->is_closed = true;
}

void echo_server_stop(struct echo_server *server)
{
    uv_loop_t *loop = server->http.loop;
    uv_close((uv_handle_t *)&server->soon, NULL);
    http_server_drain(&server->http, on_closed, server);
    http_server_cut(&server->http);
    while (!server->is_closed)
        uv_run(loop, UV_RUN_ONCE);
    uv_run(loop, UV_RUN_DEFAULT);
}
