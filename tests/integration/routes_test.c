/* routes_test.c – every route with its parameters, seen from outside. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/harness.h"

static const char *const png_signature = "\x89PNG\r\n\x1a\n";

/* One server for all tests of this file, closed by the group's teardown. */
struct fixture {
    struct harness harness;
    struct app *app;
};

static int start(void **state)
{
    static struct fixture fixture;
    fixture.app = harness_with(&fixture.harness, "--offload=none", "--workers=2", NULL);
    *state = &fixture;
    return 0;
}

static int end(void **state)
{
    struct fixture *fixture = *state;
    harness_close(&fixture->harness);
    return 0;
}

static const struct answer *get(void **state, const char *target)
{
    struct fixture *fixture = *state;
    return harness_get(&fixture->harness, fixture->app, target);
}

/* Sends a whole head as it stands, and returns the answer. */
static const struct answer *ask(void **state, const char *head, bool head_only)
{
    struct fixture *fixture = *state;
    struct client *client = harness_client(&fixture->harness, fixture->app);
    client->head_only = head_only;
    client_send(client, "%s\r\nHost: test\r\n\r\n", head);
    const struct answer *answer = client_await(client, 1);
    assert_non_null(answer);
    client_leave(client);
    return answer;
}

static void assert_not_stored(const struct answer *answer)
{
    assert_string_equal(answer_field(answer, "Cache-Control"), "no-store");
}

/* The JSON's milliseconds are those of Server-Timing, to the microsecond that both are told in. */
static void assert_timing_agrees(const struct answer *answer)
{
    char expected[120];
    snprintf(expected, sizeof expected, "wait;dur=%.3f, run;dur=%.3f, return;dur=%.3f",
             answer_number(answer, "wait_ms"), answer_number(answer, "run_ms"),
             answer_number(answer, "return_ms"));
    assert_string_equal(answer_field(answer, "Server-Timing"), expected);
}

/* ------------------------------------------------------------------ pages of other origins */

/* A page elsewhere may read every answer, an error too, and the stamps of what took time. */
static void test_pages_of_other_origins(void **state)
{
    static const char *const targets[] = {"/fast",
                                          "/healthz",
                                          "/nowhere",
                                          "/slow?ms=x",
                                          "/slow?ms=0&via=timer",
                                          "/heavy?kernel=primes&n=100",
                                          "/heavy?kernel=mandelbrot&n=16&format=png"};
    for (size_t i = 0; i < sizeof targets / sizeof *targets; i++) {
        const struct answer *answer = get(state, targets[i]);
        assert_string_equal(answer_field(answer, "Access-Control-Allow-Origin"), "*");
        if (answer_field(answer, "Server-Timing") == NULL) {
            assert_true(i < 4);
            continue;
        }
        assert_string_equal(answer_field(answer, "Timing-Allow-Origin"), "*");
        assert_string_equal(answer_field(answer, "Access-Control-Expose-Headers"), "Server-Timing");
    }
    assert_string_equal(answer_field(ask(state, "GET /fast HTTP/1.1\r\nConnection: close", false),
                                     "Access-Control-Allow-Origin"),
                        "*");
}

/* ------------------------------------------------------------------ /fast, /, /healthz */

static void test_fast(void **state)
{
    const struct answer *answer = get(state, "/fast");
    assert_int_equal(answer->status, 200);
    assert_string_equal(answer_field(answer, "Content-Type"), "text/plain; charset=utf-8");
    assert_string_equal(answer->body, "fast: the event loop answered at once\n");
    assert_not_stored(answer);
}

static void test_the_index_lists_the_routes(void **state)
{
    static const char *const words[] = {"/fast", "/slow", "/heavy", "/healthz", "offload=none|"};
    const struct answer *answer = get(state, "/");
    assert_int_equal(answer->status, 200);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        assert_non_null(strstr(answer->body, words[i]));
    assert_int_equal(strlen(answer->body), answer->body_bytes);
}

/* This fixture has no observer; with one: where_test.c. */
static void test_what_an_observer_would_answer(void **state)
{
    const struct answer *answer = get(state, "/metrics");
    assert_int_equal(answer->status, 404);
    assert_non_null(strstr(answer->body, "the observer would answer that"));
    assert_non_null(strstr(get(state, "/metric")->body, "GET / lists the routes"));
}

static void test_healthz_counts(void **state)
{
    const struct answer *before = get(state, "/healthz");
    assert_answer_text(before, "status", "alive");
    assert_answer_text(before, "offload", "none");
    assert_true(answer_number(before, "uptime_s") >= 0);
    assert_not_stored(before);
    get(state, "/heavy?kernel=primes&n=100&offload=worker");
    get(state, "/nowhere");
    const struct answer *after = get(state, "/healthz");
    assert_int_equal((int)answer_number(after, "http/requests"),
                     (int)answer_number(before, "http/requests") + 3);
    assert_int_equal((int)answer_number(after, "http/answers_4xx"),
                     (int)answer_number(before, "http/answers_4xx") + 1);
    assert_int_equal((int)answer_number(after, "jobs/worker/succeeded"),
                     (int)answer_number(before, "jobs/worker/succeeded") + 1);
}

static void test_head_has_the_fields_and_no_content(void **state)
{
    static const char *const targets[] = {"/fast", "/", "/healthz", "/heavy?n=100",
                                          "/slow?ms=0&via=timer"};
    char head[100];
    for (size_t i = 0; i < sizeof targets / sizeof *targets; i++) {
        snprintf(head, sizeof head, "HEAD %s HTTP/1.1", targets[i]);
        const struct answer *answer = ask(state, head, true);
        assert_int_equal(answer->status, 200);
        assert_true(atoi(answer_field(answer, "Content-Length")) > 0);
    }
}

/* ------------------------------------------------------------------ /slow */

static void test_slow_via_sqlite(void **state)
{
    const struct answer *answer = get(state, "/slow?ms=5&id=42");
    assert_int_equal(answer->status, 200);
    assert_string_equal(answer_field(answer, "Content-Type"), "application/json");
    assert_answer_text(answer, "route", "/slow");
    assert_answer_text(answer, "via", "sqlite");
    assert_answer_text(answer, "user/name", "User 42");
    assert_int_equal((int)answer_number(answer, "user/id"), 42);
    assert_int_equal((int)answer_number(answer, "ms"), 5);
    assert_true(answer_number(answer, "run_ms") >= 5);
    assert_non_null(strstr(answer->body, "\"lane\":\"pool "));
    assert_timing_agrees(answer);
    assert_not_stored(answer);
}

static void test_slow_via_timer(void **state)
{
    const struct answer *answer = get(state, "/slow?via=timer&ms=2");
    assert_answer_text(answer, "via", "timer");
    assert_answer_text(answer, "lane", "timer");
    assert_null(strstr(answer->body, "user"));
    assert_timing_agrees(answer);
}

static void test_slow_has_defaults(void **state)
{
    const struct answer *answer = get(state, "/slow?via=timer");
    assert_int_equal((int)answer_number(answer, "ms"), 100);
}

static void test_slow_says_what_is_wrong(void **state)
{
    assert_problem(get(state, "/slow?ms=abc"), 400, "ms must be an integer from 0 to 60000", "abc",
                   NULL);
    assert_problem(get(state, "/slow?ms=60001"), 400, "ms must", "0 to 60000", "60001", NULL);
    assert_problem(get(state, "/slow?id=0"), 400, "id must", "from 1 to 1000", NULL);
    assert_problem(get(state, "/slow?id=1001"), 400, "id must", "from 1 to 1000", "1001", NULL);
    assert_problem(get(state, "/slow?via=pigeon"), 400, "via must be one of sqlite, timer",
                   "pigeon", NULL);
    assert_problem(get(state, "/slow?sm=1"), 400, "a parameter of /slow must be one of ms, via, id",
                   "sm", NULL);
}

/* ------------------------------------------------------------------ /heavy */

static void check_heavy(void **state, const char *strategy, const char *lane)
{
    char target[80];
    snprintf(target, sizeof target, "/heavy?kernel=primes&n=1000000&offload=%s", strategy);
    const struct answer *answer = get(state, target);
    assert_int_equal(answer->status, 200);
    assert_answer_text(answer, "route", "/heavy");
    assert_answer_text(answer, "kernel", "primes");
    assert_answer_text(answer, "strategy", strategy);
    assert_int_equal((int)answer_number(answer, "arguments/n"), 1000000);
    assert_int_equal((int)answer_number(answer, "result/primes"), 78498);
    assert_int_equal((int)answer_number(answer, "result/largest"), 999983);
    assert_non_null(strstr(answer->body, lane));
    assert_timing_agrees(answer);
    assert_not_stored(answer);
}

static void test_heavy_everywhere(void **state)
{
    check_heavy(state, "none", "\"lane\":\"loop\"");
    check_heavy(state, "deferred", "\"lane\":\"loop\"");
    check_heavy(state, "sliced", "\"lane\":\"loop\"");
    check_heavy(state, "threadpool", "\"lane\":\"pool ");
    check_heavy(state, "worker", "\"lane\":\"worker ");
}

static void test_heavy_in_milliseconds(void **state)
{
    const struct answer *answer = get(state, "/heavy?ms=1&offload=worker");
    assert_int_equal(answer->status, 200);
    assert_true(answer_number(answer, "arguments/n") > 0);
}

static void test_heavy_with_every_kernel(void **state)
{
    const struct answer *answer = get(state, "/heavy?kernel=square-roots&n=1000");
    assert_true(fabs(answer_number(answer, "result/sum") - 21097.4) < 40);
    answer = get(state, "/heavy?kernel=sleep&n=1");
    assert_int_equal((int)answer_number(answer, "result/slept_ms"), 1);
    answer = get(state, "/heavy?kernel=mandelbrot&n=64&iterations=50");
    assert_int_equal((int)answer_number(answer, "arguments/iterations"), 50);
    assert_true(answer_number(answer, "result/area") > 1);
}

static void assert_png(const struct answer *answer)
{
    assert_int_equal(answer->status, 200);
    assert_string_equal(answer_field(answer, "Content-Type"), "image/png");
    assert_true(answer->body_bytes > 8);
    assert_memory_equal(answer->body, png_signature, 8);
    assert_non_null(answer_field(answer, "Server-Timing"));
    assert_not_stored(answer);
}

static void assert_json(const struct answer *answer)
{
    assert_int_equal(answer->status, 200);
    assert_string_equal(answer_field(answer, "Content-Type"), "application/json");
}

static void test_heavy_as_an_image(void **state)
{
    assert_png(get(state, "/heavy?kernel=mandelbrot&n=32&format=png"));
    assert_png(get(state, "/heavy?n=32&format=png&kernel=mandelbrot&offload=worker"));
    assert_json(get(state, "/heavy?kernel=mandelbrot&n=32&format=json"));
    assert_json(get(state, "/heavy?kernel=mandelbrot&n=32"));
}

static void test_heavy_negotiates(void **state)
{
#define MANDELBROT(parameters) \
    "GET /heavy?kernel=mandelbrot&n=32" parameters " HTTP/1.1\r\nAccept: "
    assert_png(ask(state, MANDELBROT("") "image/png", false));
    assert_png(ask(state, MANDELBROT("") "text/html, image/*;q=0.5", false));
    assert_json(ask(state, MANDELBROT("") "*/*", false));
    assert_json(ask(state, MANDELBROT("") "image/png;q=0", false));
    assert_json(ask(state, MANDELBROT("") "image/png;q=0.5, application/json", false));
    assert_png(ask(state, MANDELBROT("") "application/json;q=0.5\r\nAccept: image/png", false));
    assert_json(ask(state, MANDELBROT("&format=json") "image/png", false));
    assert_json(ask(state, "GET /heavy?n=100 HTTP/1.1\r\nAccept: image/png", false));
#undef MANDELBROT
}

static void test_heavy_says_what_is_wrong(void **state)
{
    assert_problem(get(state, "/heavy?ms=0"), 400, "ms must be an integer from 1 to 60000", NULL);
    assert_problem(get(state, "/heavy?n=-1"), 400, "n must be an integer from 0 to ", "-1", NULL);
    assert_problem(get(state, "/heavy?kernel=sleep&n=60001"), 400, "n must", "from 1 to 60000",
                   "60001", NULL);
    assert_problem(get(state, "/heavy?kernel=quantum"), 400, "kernel must be one of primes,",
                   "quantum", NULL);
    assert_problem(get(state, "/heavy?offload=moon"), 400, "offload must be one of none,",
                   "threadpool, worker", "moon", NULL);
    assert_problem(get(state, "/heavy?kernel=mandelbrot&format=gif"), 400,
                   "format must be one of json, png", "gif", NULL);
    assert_problem(get(state, "/heavy?format=png"), 400, "format must be one of json;", NULL);
    assert_problem(get(state, "/heavy?offlod=worker"), 400,
                   "a parameter of /heavy must be one of kernel, offload, ms, format, n", "offlod",
                   NULL);
    assert_problem(get(state, "/heavy?ms=5&n=5"), 400, "give ms, or its own arguments, not both",
                   NULL);
}

/* ------------------------------------------------------------------ the length */

/* From the lane on answers differ from one time to the next, but not in their length: ab counts
 * others than the first as failed. */
static void test_the_length_does_not_vary(void **state)
{
    static const char *const targets[] = {
        "/slow?ms=0&via=timer",
        "/slow?ms=11&via=sqlite",
        "/heavy?kernel=sleep&n=1&offload=none",
        "/heavy?kernel=sleep&n=11&offload=worker",
        "/heavy?kernel=sleep&n=101&offload=threadpool",
    };
    for (size_t i = 0; i < 2 * sizeof targets / sizeof *targets; i++) {
        const struct answer *answer = get(state, targets[i / 2]);
        const char *varying = strstr(answer->body, ",\"lane\":");
        assert_non_null(varying);
        assert_int_equal(strlen(varying), 113);
        assert_int_equal(answer->body[answer->body_bytes - 1], '\n');
        assert_true(answer_number(answer, "run_ms") >= 0);
    }
}

/* ------------------------------------------------------------------ query strings */

static void test_query_strings(void **state)
{
    assert_int_equal(get(state, "/heavy?_=1234&n=10&_x=%zz")->status, 400);
    assert_int_equal(get(state, "/heavy?_=1234&n=10&&")->status, 200);
    assert_int_equal(get(state, "/heavy?%6B=10")->status, 400);
    assert_int_equal(get(state, "/heavy?%6E=10")->status, 200);
    assert_problem(get(state, "/slow?ms=%g1"), 400, "the query string must be name=value pairs",
                   NULL);
    assert_problem(get(state, "/slow?ms=%00"), 400, "the query string", NULL);
    assert_problem(
        get(state, "/slow?ms=0000000000000000000000000000000000000000000000000000000000000000000"),
        400, "at most 63 bytes", NULL);
    assert_problem(get(state, "/slow?ms=%1b%5b31m%22"), 400, "got \\\"?[31m?\\\"", NULL);
    assert_problem(get(state, "/slow?ms"), 400, "got \\\"\\\"", NULL);
}

static void test_what_makes_a_url_unique(void **state)
{
    static const char *const appended[] = {
        "_=1733011200123", "_x=1",  "cb=1",          "nocache", "t=1",         "ts=1",
        "rand=0.25",       "rnd=1", "1733011200123", "0.25",    "cachebust=1", "_=1&_=2"};
    static const char *const targets[] = {"/fast", "/slow?ms=0&via=timer", "/heavy?n=10", "/",
                                          "/healthz"};
    char target[100];
    for (size_t i = 0; i < sizeof targets / sizeof *targets; i++) {
        for (size_t k = 0; k < sizeof appended / sizeof *appended; k++) {
            snprintf(target, sizeof target, "%s%c%s", targets[i],
                     strchr(targets[i], '?') != NULL ? '&' : '?', appended[k]);
            if (get(state, target)->status != 200)
                fail_msg("%s", target);
        }
    }
    assert_problem(get(state, "/slow?tt=1"), 400, "ms, via, id", "tt", NULL);
    assert_problem(get(state, "/heavy?n=10&no-cache=1"), 400, "kernel, offload", NULL);
}

static void test_a_parameter_that_is_given_twice(void **state)
{
    assert_problem(get(state, "/slow?ms=1&ms=2"), 400, "ms is given more than once", NULL);
    assert_problem(get(state, "/slow?ms=1&via=timer&ms=1"), 400, "ms is given more", NULL);
    assert_problem(get(state, "/slow?via=timer&id=1&%69d=2"), 400, "id is given more", NULL);
    assert_problem(get(state, "/heavy?n=10&n=10"), 400, "n is given more", NULL);
    assert_problem(get(state, "/heavy?kernel=sleep&n=1&kernel=primes"), 400, "kernel is given",
                   NULL);
    assert_problem(get(state, "/heavy?n=10&offload=none&offload=worker"), 400, "offload is given",
                   NULL);
    assert_problem(get(state, "/heavy?%1bx&%1bx"), 400, "?x is given more", NULL);
}

static void test_unknown_paths_and_methods(void **state)
{
    assert_problem(get(state, "/nowhere"), 404, "GET / lists the routes", NULL);
    const struct answer *answer = ask(state, "POST /fast HTTP/1.1\r\nContent-Length: 0", false);
    assert_problem(answer, 405, NULL);
    assert_string_equal(answer_field(answer, "Allow"), "GET, HEAD, OPTIONS");
    answer = ask(state, "OPTIONS /heavy HTTP/1.1", false);
    assert_int_equal(answer->status, 204);
}

/* ------------------------------------------------------------------ whom it blocks */

/* Both requests are on their way before the server looks: /heavy first, by another connection. */
static void race(void **state, const char *heavy, struct client *clients[2])
{
    struct fixture *fixture = *state;
    for (int i = 0; i < 2; i++)
        clients[i] = harness_client(&fixture->harness, fixture->app);
    for (int i = 0; i < 2; i++)
        client_await_connection(clients[i]);
    client_get(clients[0], heavy);
    client_get(clients[1], "/fast");
    for (int i = 0; i < 2; i++)
        assert_non_null(client_await(clients[i], 1));
}

static bool heavy_came_first(struct client *clients[2])
{
    bool first = clients[0]->answers[0].sequence < clients[1]->answers[0].sequence;
    assert_true(answer_number(&clients[0]->answers[0], "run_ms") >= 100);
    for (int i = 0; i < 2; i++)
        client_leave(clients[i]);
    return first;
}

static void test_on_the_loop_it_blocks_everybody(void **state)
{
    struct client *clients[2];
    race(state, "/heavy?kernel=sleep&n=100&offload=none", clients);
    assert_true(heavy_came_first(clients));
}

static void test_off_the_loop_it_blocks_nobody(void **state)
{
    struct client *clients[2];
    race(state, "/heavy?kernel=sleep&n=100&offload=threadpool", clients);
    assert_false(heavy_came_first(clients));
    race(state, "/heavy?kernel=sleep&n=100&offload=worker", clients);
    assert_false(heavy_came_first(clients));
}

/* One connection: its answers keep their order, however long the first takes. */
static void test_pipelined_requests_wait_behind_a_deferred_answer(void **state)
{
    struct fixture *fixture = *state;
    struct client *client = harness_client(&fixture->harness, fixture->app);
    client_get(client, "/slow?ms=30");
    client_get(client, "/fast");
    client_get(client, "/heavy?kernel=sleep&n=30&offload=worker");
    client_get(client, "/heavy?kernel=sleep&n=2&offload=threadpool");
    client_get(client, "/nowhere");
    assert_non_null(client_await(client, 5));
    assert_answer_text(&client->answers[0], "via", "sqlite");
    assert_string_equal(client->answers[1].body, "fast: the event loop answered at once\n");
    assert_answer_text(&client->answers[2], "strategy", "worker");
    assert_answer_text(&client->answers[3], "strategy", "threadpool");
    assert_int_equal(client->answers[4].status, 404);
    client_leave(client);
}

/* A second connection meanwhile overtakes. */
static void test_awaiting_blocks_nobody(void **state)
{
    struct client *clients[2];
    race(state, "/slow?ms=100", clients);
    assert_false(heavy_came_first(clients));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pages_of_other_origins),
        cmocka_unit_test(test_fast),
        cmocka_unit_test(test_the_index_lists_the_routes),
        cmocka_unit_test(test_what_an_observer_would_answer),
        cmocka_unit_test(test_healthz_counts),
        cmocka_unit_test(test_head_has_the_fields_and_no_content),
        cmocka_unit_test(test_slow_via_sqlite),
        cmocka_unit_test(test_slow_via_timer),
        cmocka_unit_test(test_slow_has_defaults),
        cmocka_unit_test(test_slow_says_what_is_wrong),
        cmocka_unit_test(test_heavy_everywhere),
        cmocka_unit_test(test_heavy_in_milliseconds),
        cmocka_unit_test(test_heavy_with_every_kernel),
        cmocka_unit_test(test_heavy_as_an_image),
        cmocka_unit_test(test_heavy_negotiates),
        cmocka_unit_test(test_heavy_says_what_is_wrong),
        cmocka_unit_test(test_the_length_does_not_vary),
        cmocka_unit_test(test_query_strings),
        cmocka_unit_test(test_what_makes_a_url_unique),
        cmocka_unit_test(test_a_parameter_that_is_given_twice),
        cmocka_unit_test(test_unknown_paths_and_methods),
        cmocka_unit_test(test_on_the_loop_it_blocks_everybody),
        cmocka_unit_test(test_off_the_loop_it_blocks_nobody),
        cmocka_unit_test(test_pipelined_requests_wait_behind_a_deferred_answer),
        cmocka_unit_test(test_awaiting_blocks_nobody),
    };
    harness_prepare_process();
    return cmocka_run_group_tests_name("routes", tests, start, end);
}
