/* admission_test.c – who is taken, for how long, and who is sent away: deadlines, the client's own
 * among them, and shedding, seen from outside. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "server/http/server.h"
#include "server/routes/routes.h"
#include "tests/support/harness.h"

#define FOR_EVER "/heavy?kernel=sleep&n=60000"

static const struct answer *ask(struct clients *clients, unsigned port, const char *target,
                                const char *fields)
{
    struct client *client = client_open(clients, port);
    client_send(client, "GET %s HTTP/1.1\r\nHost: test\r\n%s\r\n", target, fields);
    const struct answer *answer = client_await(client, 1);
    assert_non_null(answer);
    client_leave(client);
    return answer;
}

static const struct answer *prefer(struct harness *harness, const struct app *app,
                                   const char *target, const char *fields)
{
    return ask(&harness->clients, app_port(app), target, fields);
}

static double jobs_counter(struct harness *harness, const struct app *app, const char *strategy,
                           const char *counter)
{
    char path[100];
    snprintf(path, sizeof path, "jobs/%s/%s", strategy, counter);
    return harness_health(harness, app, path);
}

/* ------------------------------------------------------------------ deadlines */

static void check_timeout(const char *strategy, const char *option)
{
    struct harness harness;
    char target[100], program[500];
    harness_kernel_program(program, sizeof program);
    struct app *app =
        harness_with(&harness, "--job-timeout=30", "--kernel-program", program, option, NULL);
    snprintf(target, sizeof target, FOR_EVER "&offload=%s", strategy);
    const struct answer *answer = harness_get(&harness, app, target);
    assert_problem(answer, 504, "the job was ended: it waited for ",
                   "--job-timeout=30 allows no more", NULL);
    if (strcmp(strategy, "none") == 0) /* elsewhere it may have waited for a busy machine */
        assert_problem(answer, 504, " ms and ran for ", NULL);
    assert_non_null(answer_field(answer, "Server-Timing"));
    assert_string_equal(answer_field(answer, "Cache-Control"), "no-store");
    assert_null(answer_field(answer, "Preference-Applied"));
    assert_int_equal((int)jobs_counter(&harness, app, strategy, "expired"), 1);
    assert_int_equal((int)jobs_counter(&harness, app, strategy, "cancelled"), 0);
    harness_close(&harness);
}

/* A lane that was too late for one job is there for the next. */
static void check_that_lanes_are_free(const char *strategy, const char *option)
{
    struct harness harness;
    char heavy[100], light[100], program[500];
    harness_kernel_program(program, sizeof program);
    struct app *app = harness_with(&harness, "--workers=1", "--processes=1", "--max-queue=0",
                                   "--kernel-program", program, option, NULL);
    snprintf(heavy, sizeof heavy, FOR_EVER "&offload=%s", strategy);
    snprintf(light, sizeof light, "/heavy?n=1000&offload=%s", strategy);
    for (int i = 0; i < 5; i++)
        assert_int_equal(prefer(&harness, app, heavy, "Prefer: wait=0\r\n")->status, 504);
    assert_int_equal(harness_get(&harness, app, light)->status, 200);
    harness_close(&harness);
}

static void test_the_job_timeout_holds_everywhere(void **state)
{
    (void)state;
    for (size_t i = 0; strategy_at(i) != NULL; i++)
        check_timeout(strategy_name(strategy_at(i)), NULL);
    check_timeout("worker", "--worker-per-request");
}

static void test_what_is_late_frees_its_lane(void **state)
{
    (void)state;
    for (size_t i = 0; strategy_at(i) != NULL; i++)
        check_that_lanes_are_free(strategy_name(strategy_at(i)), NULL);
    check_that_lanes_are_free("worker", "--worker-per-request");
}

/* The shorter limit is the one that counts, and the one that is named. */
static void test_the_client_prefers_not_to_wait(void **state)
{
    struct harness harness;
    (void)state;
    struct app *app = harness_with(&harness, "--job-timeout=50", "--offload=worker", NULL);
    const struct answer *answer = prefer(&harness, app, FOR_EVER, "Prefer: a, wait=0\r\n");
    assert_problem(answer, 504, "Prefer: wait=0 allows no more", NULL);
    assert_string_equal(answer_field(answer, "Preference-Applied"), "wait=0");
    answer = prefer(&harness, app, FOR_EVER, "Prefer: wait=60\r\n");
    assert_problem(answer, 504, "--job-timeout=50 allows no more", NULL);
    assert_string_equal(answer_field(answer, "Preference-Applied"), "wait=60");
    harness_close(&harness);
}

static void test_a_preference_that_can_be_kept(void **state)
{
    struct harness harness;
    (void)state;
    struct app *app = harness_with(&harness, "--offload=worker", NULL);
    const struct answer *answer =
        prefer(&harness, app, "/heavy?n=1000", "Prefer: x=\"wait=1,\"\r\nPREFER: Wait = 060\r\n");
    assert_int_equal(answer->status, 200);
    assert_string_equal(answer_field(answer, "Preference-Applied"), "wait=60");
    answer =
        prefer(&harness, app, "/heavy?kernel=mandelbrot&n=16&format=png", "Prefer: wait=9\r\n");
    assert_string_equal(answer_field(answer, "Content-Type"), "image/png");
    assert_string_equal(answer_field(answer, "Preference-Applied"), "wait=9");
    answer = prefer(&harness, app, "/heavy?n=1000", "Prefer: wait=0.5\r\n"); /* no such thing */
    assert_int_equal(answer->status, 200);
    assert_null(answer_field(answer, "Preference-Applied"));
    harness_close(&harness);
}

static void test_a_job_that_waits_too_long(void **state)
{
    struct harness harness;
    (void)state;
    struct app *app = harness_with(&harness, "--offload=worker", "--workers=1", NULL);
    client_get(harness_client(&harness, app), FOR_EVER);
    harness_await_health(&harness, app, "jobs/worker/submitted", 1);
    const struct answer *answer = prefer(&harness, app, FOR_EVER, "Prefer: wait=0\r\n");
    assert_problem(answer, 504, "it waited for", "and never ran", "Prefer: wait=0", NULL);
    assert_int_equal((int)jobs_counter(&harness, app, "worker", "expired"), 1);
    harness_close(&harness);
}

/* ------------------------------------------------------------------ shedding, by the queue */

/* The queue of the only worker is late; other queues are not, and other routes do not ask. */
static void test_a_late_queue_sheds(void **state)
{
    struct harness harness;
    (void)state;
    struct app *app =
        harness_with(&harness, "--offload=worker", "--workers=1", "--shed-lag=20", NULL);
    const struct answer *answer;
    client_get(harness_client(&harness, app), FOR_EVER);
    client_get(harness_client(&harness, app), FOR_EVER);
    harness_await_health(&harness, app, "jobs/worker/submitted", 2);
    do {
        harness_pause(&harness);
        answer = prefer(&harness, app, FOR_EVER "&_", "Prefer: wait=0\r\n");
    } while (answer->status == 504); /* not late enough yet */
    assert_problem(answer, 503, "the server is late: the queue of worker by ", "--shed-lag=20",
                   NULL);
    assert_true(atoi(answer_field(answer, "Retry-After")) >= 1);
    assert_string_equal(answer_field(answer, "Cache-Control"), "no-store");
    assert_int_equal(harness_get(&harness, app, "/heavy?n=10&offload=threadpool")->status, 200);
    assert_int_equal(harness_get(&harness, app, "/heavy?offload=nowhere")->status, 400);
    assert_int_equal(harness_get(&harness, app, "/fast")->status, 200);
    assert_int_equal(harness_get(&harness, app, "/slow?ms=0")->status, 200);
    assert_int_equal((int)jobs_counter(&harness, app, "worker", "shed"), 1);
    assert_int_equal((int)jobs_counter(&harness, app, "threadpool", "shed"), 0);
    harness_close(&harness);
}

/* ------------------------------------------------------------------ shedding, by the loop */

/* A server whose loop is as late as a test says. */
struct late_server {
    uv_loop_t loop;
    struct clients clients;
    struct http_server http;
    struct offload *offload;
    struct slow_io *slow_io;
    struct routes_context context;
    uint64_t lag_ns;
};

static uint64_t lag_of(void *data)
{
    return *(uint64_t *)data;
}

static void late_server_open(struct late_server *server, unsigned shed_lag_ms)
{
    const struct http_limits limits = HTTP_LIMITS_DEFAULT;
    const struct offload_options options = {.threadpool_size = 4,
                                            .workers = 1,
                                            .max_queue = 10,
                                            .slice_ms = 5,
                                            .processes = 1,
                                            .shed_lag_ms = shed_lag_ms,
                                            .loop_lag_ns = lag_of,
                                            .loop_lag_data = &server->lag_ns};
    memset(server, 0, sizeof *server);
    assert_int_equal(uv_loop_init(&server->loop), 0);
    server->clients.loop = &server->loop;
    assert_int_equal(offload_new(&server->offload, &server->loop, &options), 0);
    assert_int_equal(slow_io_new(&server->slow_io, &server->loop,
                                 &(struct slow_io_options){.connections = 1, .max_queue = 1}),
                     0);
    assert_int_equal(
        http_server_init(&server->http, &server->loop, &limits, &routes, &server->context), 0);
    server->context = (struct routes_context){.offload = server->offload,
                                              .strategy = strategy_find("none"),
                                              .slow_io = server->slow_io,
                                              .source = source_find("timer"),
                                              .counters = server->http.counters};
    routes_prepare(&server->context);
    assert_int_equal(http_server_listen(&server->http, "127.0.0.1", 0, false), 0);
}

static const struct answer *late_get(struct late_server *server, uint64_t lag_ms,
                                     const char *target)
{
    server->lag_ns = lag_ms * 1000000;
    return ask(&server->clients, http_server_port(&server->http), target, "");
}

static void late_server_close(struct late_server *server)
{
    clients_leave(&server->clients);
    http_server_drain(&server->http, NULL, NULL);
    offload_stop(server->offload);
    slow_io_stop(server->slow_io);
    uv_run(&server->loop, UV_RUN_DEFAULT);
    offload_free(server->offload);
    slow_io_free(server->slow_io);
    assert_int_equal(uv_loop_close(&server->loop), 0);
    clients_free(&server->clients);
}

/* Only heavy work is, in whichever mode; all the rest is served however late the loop is. */
static void test_a_late_loop_sheds_what_is_heavy(void **state)
{
    struct late_server server;
    char target[100];
    (void)state;
    late_server_open(&server, 100);
    assert_int_equal(late_get(&server, 99, "/heavy?n=10")->status, 200);
    for (size_t i = 0; strategy_at(i) != NULL; i++) {
        snprintf(target, sizeof target, "/heavy?n=10&offload=%s", strategy_name(strategy_at(i)));
        const struct answer *answer = late_get(&server, 312, target);
        assert_problem(
            answer, 503,
            "the server is late: the event loop by 312 ms, more than --shed-lag=100 allows", NULL);
        assert_string_equal(answer_field(answer, "Retry-After"), "1");
    }
    assert_int_equal(late_get(&server, 60000, "/fast")->status, 200);
    assert_int_equal(late_get(&server, 60000, "/slow?ms=0")->status, 200);
    assert_int_equal(late_get(&server, 60000, "/healthz")->status, 200);
    assert_int_equal(offload_counters(server.offload, strategy_find("none"))->shed, 1);
    assert_int_equal(offload_counters(server.offload, strategy_find("none"))->submitted, 1);
    late_server_close(&server);
}

static void test_retry_after_is_the_lateness_rounded_up(void **state)
{
    static const struct {
        uint64_t late_ms;
        const char *retry;
    } rows[] = {{100, "1"}, {999, "1"}, {1000, "1"}, {1001, "2"}, {59001, "60"}};
    struct late_server server;
    (void)state;
    late_server_open(&server, 100);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct answer *answer = late_get(&server, rows[i].late_ms, "/heavy?n=10");
        assert_int_equal(answer->status, 503);
        assert_string_equal(answer_field(answer, "Retry-After"), rows[i].retry);
    }
    late_server_close(&server);
}

/* In time again is not enough; it must stay so for a while. */
static void test_the_end_of_lateness_is_awaited(void **state)
{
    struct late_server server;
    const struct answer *answer;
    (void)state;
    late_server_open(&server, 100);
    assert_int_equal(late_get(&server, 100, "/heavy?n=10")->status, 503);
    uint64_t begin_ns = trip_clock_ns();
    while ((answer = late_get(&server, 3, "/heavy?n=10"))->status == 503) {
        assert_problem(answer, 503, "the event loop is by 3 ms now", "--shed-lag=100", NULL);
        assert_string_equal(answer_field(answer, "Retry-After"), "1");
    }
    assert_int_equal(answer->status, 200);
    assert_true(trip_clock_ns() - begin_ns >= UINT64_C(400000000));
    late_server_close(&server);
}

static void test_without_a_limit_nothing_is_shed(void **state)
{
    struct late_server server;
    (void)state;
    late_server_open(&server, 0);
    assert_int_equal(late_get(&server, 60000, "/heavy?n=10")->status, 200);
    late_server_close(&server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_job_timeout_holds_everywhere),
        cmocka_unit_test(test_what_is_late_frees_its_lane),
        cmocka_unit_test(test_the_client_prefers_not_to_wait),
        cmocka_unit_test(test_a_preference_that_can_be_kept),
        cmocka_unit_test(test_a_job_that_waits_too_long),
        cmocka_unit_test(test_a_late_queue_sheds),
        cmocka_unit_test(test_a_late_loop_sheds_what_is_heavy),
        cmocka_unit_test(test_retry_after_is_the_lateness_rounded_up),
        cmocka_unit_test(test_the_end_of_lateness_is_awaited),
        cmocka_unit_test(test_without_a_limit_nothing_is_shed),
    };
    harness_prepare_process();
    return cmocka_run_group_tests_name("admission", tests, NULL, NULL);
}
