/* router_test.c – which handler a method and a path lead to, on a server with a table of its own.
 */
#include "server/http/router.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <uv.h>

#include <cmocka.h>

#include "server/http/server.h"
#include "tests/support/client.h"

struct fixture {
    uv_loop_t loop;
    struct http_server server;
    struct clients clients;
    struct client *client;
    unsigned collection_calls;
};

static void answer(struct http_exchange *exchange, const char *text)
{
    http_exchange_answer(exchange, &(struct http_response){.status = 200,
                                                           .content_type = "text/plain",
                                                           .body = text,
                                                           .body_bytes = strlen(text)});
}

static void on_read_only(struct http_exchange *exchange, void *context)
{
    (void)context;
    answer(exchange, "read-only");
}

static void on_collection(struct http_exchange *exchange, void *context)
{
    struct fixture *fixture = context;
    fixture->collection_calls++; /* the context is what the server was started with */
    answer(exchange, "collection");
}

static void on_options(struct http_exchange *exchange, void *context)
{
    (void)context;
    answer(exchange, "options of its own");
}

static const struct http_route routes[] = {
    {.path = "/read-only", .methods = HTTP_METHOD_GET, .handler = on_read_only},
    {.path = "/collection",
     .methods = HTTP_METHOD_GET | HTTP_METHOD_POST | HTTP_METHOD_PUT | HTTP_METHOD_DELETE |
                HTTP_METHOD_PATCH,
     .handler = on_collection},
    {.path = "/options", .methods = HTTP_METHOD_POST | HTTP_METHOD_OPTIONS, .handler = on_options},
};

static const struct http_router router = {routes, sizeof routes / sizeof *routes, NULL};

static int open_server(void **state)
{
    static struct fixture fixture;
    const struct http_limits limits = HTTP_LIMITS_DEFAULT;
    fixture = (struct fixture){0};
    assert_int_equal(uv_loop_init(&fixture.loop), 0);
    assert_int_equal(http_server_init(&fixture.server, &fixture.loop, &limits, &router, &fixture),
                     0);
    assert_int_equal(http_server_listen(&fixture.server, "127.0.0.1", 0, false), 0);
    fixture.clients.loop = &fixture.loop;
    fixture.client = client_open(&fixture.clients, http_server_port(&fixture.server));
    *state = &fixture;
    return 0;
}

static int close_server(void **state)
{
    struct fixture *fixture = *state;
    clients_leave(&fixture->clients);
    http_server_drain(&fixture->server, NULL, NULL);
    uv_run(&fixture->loop, UV_RUN_DEFAULT);
    clients_free(&fixture->clients);
    assert_int_equal(uv_loop_close(&fixture->loop), 0);
    return 0;
}

static const struct answer *ask(struct fixture *fixture, const char *method, const char *target)
{
    fixture->client->head_only = strcmp(method, "HEAD") == 0;
    client_send(fixture->client, "%s %s HTTP/1.1\r\nHost: a\r\n\r\n", method, target);
    const struct answer *found = client_await(fixture->client, fixture->client->answer_count + 1);
    assert_non_null(found);
    return found;
}

static void test_handlers(void **state)
{
    const struct answer *got = ask(*state, "GET", "/read-only");
    assert_int_equal(got->status, 200);
    assert_string_equal(got->body, "read-only");
    assert_string_equal(ask(*state, "GET", "/collection?a=b")->body, "collection");
    assert_string_equal(ask(*state, "PATCH", "/collection")->body, "collection");
    assert_string_equal(ask(*state, "DELETE", "/collection")->body, "collection");
    assert_int_equal(((struct fixture *)*state)->collection_calls, 3);
    assert_string_equal(ask(*state, "OPTIONS", "/options")->body, "options of its own");
}

static void test_get_implies_head(void **state)
{
    const struct answer *got = ask(*state, "HEAD", "/read-only");
    assert_int_equal(got->status, 200);
    assert_string_equal(answer_field(got, "Content-Length"), "9");
    assert_int_equal(ask(*state, "HEAD", "/options")->status, 405);
}

static void test_paths_are_matched_whole(void **state)
{
    static const char *const paths[] = {"/",  "/read-onl",  "/read-only/",  "/read-only/x",
                                        "//", "/Read-only", "/read-only%20"};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        assert_problem(ask(*state, "GET", paths[i]), 404, "nothing here", NULL);
    assert_problem(ask(*state, "OPTIONS", "/nowhere"), 404, "nothing here", NULL);
}

static void test_other_methods(void **state)
{
    const struct answer *got = ask(*state, "POST", "/read-only");
    assert_problem(got, 405, "/read-only", NULL);
    assert_string_equal(answer_field(got, "Allow"), "GET, HEAD, OPTIONS");
    got = ask(*state, "TRACE", "/collection");
    assert_problem(got, 405, "/collection", NULL);
    assert_string_equal(answer_field(got, "Allow"), "GET, HEAD, POST, PUT, DELETE, PATCH, OPTIONS");
    assert_int_equal(ask(*state, "PROPFIND", "/read-only")->status, 405);
}

static void test_options(void **state)
{
    const struct answer *got = ask(*state, "OPTIONS", "/read-only");
    assert_int_equal(got->status, 204);
    assert_string_equal(answer_field(got, "Allow"), "GET, HEAD, OPTIONS");
    got = ask(*state, "OPTIONS", "*");
    assert_int_equal(got->status, 204);
    assert_string_equal(answer_field(got, "Allow"), "GET, HEAD, POST, PUT, DELETE, PATCH, OPTIONS");
}

#define ROUTER_TEST(test) cmocka_unit_test_setup_teardown(test, open_server, close_server)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROUTER_TEST(test_handlers),
        ROUTER_TEST(test_get_implies_head),
        ROUTER_TEST(test_paths_are_matched_whole),
        ROUTER_TEST(test_other_methods),
        ROUTER_TEST(test_options),
    };
    return cmocka_run_group_tests_name("router", tests, NULL, NULL);
}
