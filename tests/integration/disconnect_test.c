/* disconnect_test.c – clients that leave: what they waited for is cancelled, and nothing of it
 * stays. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "server/offload/offload.h"
#include "tests/support/harness.h"
#include "tests/support/random.h"

enum { STORM_CLIENTS = 400 };

/* Sends a request that is deferred for ever, and returns when the server has it: what came behind
 * it on the loop, on another connection, has been answered. */
static struct client *ask_for_ever(struct harness *harness, struct app *app, const char *target)
{
    struct client *client = harness_client(harness, app);
    client_await_connection(client);
    client_get(client, target);
    harness_get(harness, app, "/fast");
    return client;
}

static void check_jobs_are_cancelled(const char *strategy, const char *width)
{
    struct harness harness;
    char target[100], path[100];
    struct app *app = harness_with(&harness, "--workers=1", width, NULL);
    snprintf(target, sizeof target, "/heavy?kernel=sleep&n=60000&offload=%s", strategy);
    struct client *clients[6];
    for (int i = 0; i < 6; i++) /* more than there are lanes: some run, some wait */
        clients[i] = ask_for_ever(&harness, app, target);
    snprintf(path, sizeof path, "jobs/%s/submitted", strategy);
    harness_await_health(&harness, app, path, 6);
    for (int i = 0; i < 6; i++)
        client_leave(clients[5 - i]);
    snprintf(path, sizeof path, "jobs/%s/cancelled", strategy);
    harness_await_health(&harness, app, path, 6);
    assert_int_equal((int)harness_health(&harness, app, "http/exchanges_abandoned"), 6);
    harness_close(&harness);
}

static void test_jobs_of_workers_are_cancelled(void **state)
{
    (void)state;
    check_jobs_are_cancelled("worker", NULL);
}

static void test_jobs_of_the_thread_pool_are_cancelled(void **state)
{
    (void)state;
    check_jobs_are_cancelled("threadpool", NULL);
}

static void test_jobs_of_a_worker_per_request_are_cancelled(void **state)
{
    (void)state;
    check_jobs_are_cancelled("worker", "--worker-per-request");
}

static void test_jobs_in_slices_are_cancelled(void **state)
{
    (void)state;
    check_jobs_are_cancelled("sliced", "--slice-ms=1");
}

/* A cancelled query leaves its connection to the database to the next. */
static void test_queries_are_cancelled(void **state)
{
    static const char *const targets[] = {"/slow?ms=60000&via=timer", "/slow?ms=60000&via=sqlite"};
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct harness harness;
        struct app *app = harness_with(&harness, "--database-connections=1", NULL);
        struct client *running = ask_for_ever(&harness, app, targets[i]);
        struct client *waiting = ask_for_ever(&harness, app, targets[i]);
        client_leave(waiting);
        client_reset(running);
        harness_await_health(&harness, app, "http/exchanges_abandoned", 2);
        assert_answer_text(harness_get(&harness, app, "/slow?ms=0&id=3"), "user/name", "User 3");
        harness_close(&harness);
    }
}

/* The loop was busy: the answer goes to nobody, and that is no error. */
static void test_a_client_that_leaves_a_blocked_loop(void **state)
{
    struct harness harness;
    (void)state;
    struct app *app = harness_with(&harness, "--offload=none", NULL);
    struct client *client = harness_client(&harness, app);
    client_await_connection(client);
    client_get(client, "/heavy?kernel=sleep&n=20");
    client_reset(client);
    assert_int_equal(harness_get(&harness, app, "/fast")->status, 200);
    harness_close(&harness);
}

static void test_a_client_that_leaves_requests_behind(void **state)
{
    struct harness harness;
    (void)state;
    struct app *app = harness_with(&harness, "--workers=1", NULL);
    struct client *client = harness_client(&harness, app);
    for (int i = 0; i < 3; i++)
        client_get(client, "/heavy?kernel=sleep&n=60000&offload=worker");
    harness_await_health(&harness, app, "jobs/worker/submitted", 1);
    client_leave(client);
    harness_await_health(&harness, app, "jobs/worker/cancelled", 1);
    assert_int_equal((int)harness_health(&harness, app, "jobs/worker/submitted"), 1);
    harness_close(&harness);
}

/* ------------------------------------------------------------------ the storm */

static void send_random(struct client *client, uint64_t *random)
{
    static const char *const targets[] = {
        "/fast",
        "/",
        "/healthz",
        "/nowhere",
        "/slow?ms=0",
        "/slow?ms=60000",
        "/slow?ms=1&via=timer",
        "/slow?ms=60000&via=timer",
        "/heavy?kernel=primes&n=1000",
        "/heavy?ms=1&offload=worker",
        "/heavy?kernel=sleep&n=60000&offload=worker",
        "/heavy?kernel=sleep&n=60000&offload=threadpool",
        "/heavy?kernel=mandelbrot&n=200&iterations=20&format=png&offload=worker",
        "/heavy?kernel=mandelbrot&n=64&iterations=20&format=png&offload=sliced",
        "/heavy?kernel=primes&n=100&offload=deferred",
    };
    unsigned requests = random_below(random, 4);
    for (unsigned i = 0; i < requests; i++)
        client_get(client, targets[random_below(random, sizeof targets / sizeof *targets)]);
    if (random_below(random, 4) == 0)
        client_send(client, "GET /fa");
    if (random_below(random, 8) == 0)
        client_send(client, "\x16\x03\x01 no HTTP at all\r\n\r\n");
}

static void leave_at_random(struct clients *clients, uint64_t *random)
{
    for (struct client *client = clients->first; client != NULL; client = client->next) {
        if (random_below(random, 20) > 0)
            continue;
        if (random_below(random, 2) == 0)
            client_leave(client);
        else
            client_reset(client);
    }
}

/* Every job that went out has come home, one way or another. */
static double jobs_out(const struct answer *health)
{
    double out = 0;
    char path[100];
    for (size_t i = 0; strategy_at(i) != NULL; i++) {
        const char *name = strategy_name(strategy_at(i));
        snprintf(path, sizeof path, "jobs/%s/submitted", name);
        out += answer_number(health, path);
        static const char *const ends[] = {"succeeded", "cancelled", "refused",
                                           "failed",    "lost",      "expired"};
        for (size_t j = 0; j < sizeof ends / sizeof *ends; j++) {
            snprintf(path, sizeof path, "jobs/%s/%s", name, ends[j]);
            out -= answer_number(health, path);
        }
    }
    return out;
}

static void storm(uint64_t *random, const char *option)
{
    struct harness harness;
    struct app *app = harness_with(&harness, "--workers=2", "--max-queue=20",
                                   "--database-connections=2", option, NULL);
    for (unsigned i = 0; i < STORM_CLIENTS; i++) {
        send_random(harness_client(&harness, app), random);
        if (random_below(random, 3) == 0)
            uv_run(&harness.loop, UV_RUN_NOWAIT);
        leave_at_random(&harness.clients, random);
    }
    clients_leave(&harness.clients);
    while (jobs_out(harness_get(&harness, app, "/healthz")) > 0)
        harness_pause(&harness);
    harness_close(&harness);
}

static void test_a_storm_leaves_nothing_behind(void **state)
{
    uint64_t random = random_seed();
    (void)state;
    storm(&random, NULL);
}

static void test_a_storm_on_threads_of_their_own(void **state)
{
    uint64_t random = random_seed();
    (void)state;
    storm(&random, "--worker-per-request");
}

/* The server ends in the middle of it. */
static void test_a_storm_into_a_drain(void **state)
{
    struct harness harness;
    uint64_t random = random_seed();
    (void)state;
    struct app *app = harness_with(&harness, "--workers=2", "--drain-timeout=20", NULL);
    for (unsigned i = 0; i < STORM_CLIENTS / 4; i++) {
        send_random(harness_client(&harness, app), &random);
        if (random_below(&random, 3) == 0)
            uv_run(&harness.loop, UV_RUN_NOWAIT);
    }
    app_drain(app);
    harness_run(&harness); /* with the clients still there: drain_timeout ends it */
    harness_close(&harness);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_jobs_of_workers_are_cancelled),
        cmocka_unit_test(test_jobs_of_the_thread_pool_are_cancelled),
        cmocka_unit_test(test_jobs_of_a_worker_per_request_are_cancelled),
        cmocka_unit_test(test_jobs_in_slices_are_cancelled),
        cmocka_unit_test(test_queries_are_cancelled),
        cmocka_unit_test(test_a_client_that_leaves_a_blocked_loop),
        cmocka_unit_test(test_a_client_that_leaves_requests_behind),
        cmocka_unit_test(test_a_storm_leaves_nothing_behind),
        cmocka_unit_test(test_a_storm_on_threads_of_their_own),
        cmocka_unit_test(test_a_storm_into_a_drain),
    };
    harness_prepare_process();
    return cmocka_run_group_tests_name("disconnect", tests, NULL, NULL);
}
