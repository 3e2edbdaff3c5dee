/* tour.c – see tour.h. */
#include "tests/faults/tour.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "server/offload/offload.h"
#include "server/options.h"
#include "tests/faults/fault.h"

#define FIELDS      " HTTP/1.1\r\nHost: test\r\n"
#define GET(target) "GET " target FIELDS "\r\n"
#define HEAVY(at)   GET("/heavy?kernel=square-roots&n=1000&offload=" at)
#define IMAGE(at)   GET("/heavy?kernel=mandelbrot&n=48&format=png&offload=" at)
#define SLEEP(at)   GET("/heavy?kernel=sleep&n=60000&offload=" at)
#define FOUR(text)  text text text text
#define POST        "POST /fast" FIELDS

enum step_manner {
    WHOLE,
    IN_PIECES,   /* the server reads it in three parts */
    SLOW_READER, /* the client reads nothing until the server has had its turn */
    LEAVES,      /* before there is an answer */
    PER_REQUEST, /* to the second server */
};

/* part, name, manner, what is sent, how many answers, their status. */
struct step {
    enum tour_part part;
    const char *name;
    enum step_manner manner;
    const char *text;
    unsigned answers;
    int status;
};

static const struct step steps[] = {
    {TOUR_HTTP, "fast", WHOLE, GET("/fast"), 1, 200},
    {TOUR_HTTP, "pipelined", WHOLE, GET("/fast") GET("/") GET("/fast"), 3, 200},
    {TOUR_HTTP, "pieces", IN_PIECES, GET("/fast?_=1") GET("/healthz?_=2"), 2, 200},
    {TOUR_HTTP, "body", IN_PIECES, POST "Content-Length: 9\r\n\r\nsome body", 1, 405},
    {TOUR_HTTP, "chunks", IN_PIECES,
     POST "Transfer-Encoding: chunked\r\n\r\n4\r\nsome\r\n0\r\n\r\n", 1, 405},
    {TOUR_HTTP, "expectation", IN_PIECES, POST "Expect: nothing\r\n\r\n", 1, 417},
    {TOUR_HTTP, "malformed", WHOLE, "GET / HTTP/1.1\r\n\r\n", 1, 400},
    {TOUR_HTTP, "nowhere", WHOLE, GET("/nowhere"), 1, 404},
    {TOUR_HTTP, "wrong parameter", WHOLE, GET("/heavy?offload=nowhere"), 1, 400},
    {TOUR_HTTP, "slow reader", SLOW_READER, FOUR(FOUR(GET("/"))), 16, 200},
    {TOUR_QUERIES, "timer", WHOLE, GET("/slow?ms=1&via=timer"), 1, 200},
    {TOUR_QUERIES, "leaves a timer", LEAVES, GET("/slow?ms=60000&via=timer"), 0, 0},
    {TOUR_QUERIES, "database", WHOLE, GET("/slow?ms=1&id=7"), 1, 200},
    {TOUR_QUERIES, "database, pipelined", WHOLE, GET("/slow?ms=0") GET("/slow?ms=0"), 2, 200},
    {TOUR_QUERIES, "leaves a query", LEAVES, GET("/slow?ms=60000"), 0, 0},
    {TOUR_LOOP, "none", WHOLE, HEAVY("none"), 1, 200},
    {TOUR_LOOP, "deferred", WHOLE, HEAVY("deferred"), 1, 200},
    {TOUR_LOOP, "sliced", WHOLE, HEAVY("sliced") GET("/fast"), 2, 200},
    {TOUR_LOOP, "leaves slices", LEAVES, SLEEP("sliced"), 0, 0},
    {TOUR_THREADS, "threadpool", WHOLE, HEAVY("threadpool"), 1, 200},
    {TOUR_THREADS, "leaves a pool thread", LEAVES, SLEEP("threadpool"), 0, 0},
    {TOUR_THREADS, "worker", WHOLE, HEAVY("worker") GET("/fast"), 2, 200},
    {TOUR_THREADS, "image of a worker", WHOLE, IMAGE("worker"), 1, 200},
    {TOUR_THREADS, "leaves a worker", LEAVES, SLEEP("worker"), 0, 0},
    {TOUR_THREADS, "worker per request", PER_REQUEST, HEAVY("worker"), 1, 200},
    {TOUR_PROCESSES, "process", WHOLE, HEAVY("process"), 1, 200},
    {TOUR_PROCESSES, "image of a process", WHOLE, IMAGE("process"), 1, 200},
    {TOUR_PROCESSES, "leaves a process", LEAVES, SLEEP("process"), 0, 0},
    {TOUR_PROCESSES, "process again", WHOLE, HEAVY("process"), 1, 200},
};

enum { STEP_COUNT = sizeof steps / sizeof *steps };

/* ------------------------------------------------------------------ the servers */

static struct app *start(struct tour *tour, char *option)
{
    static char strategy[] = "--offload=process"; /* the app goes on to point at it */
    struct options options;
    struct app *app = NULL;
    char error[300] = "";
    char *arguments[] = {(char[]){"offloop"},
                         (char[]){"--port=0"},
                         (char[]){"--database"},
                         tour->database,
                         (char[]){"--kernel-program"},
                         tour->kernel_program,
                         (char[]){"--workers=1"},
                         (char[]){"--processes=1"},
                         (char[]){"--slice-ms=1"},
                         (char[]){"--offload-nice=0"},
                         strategy,
                         (char[]){"--database-connections=1"},
                         option,
                         NULL};
    int count = (int)(sizeof arguments / sizeof *arguments) - 1;
    if (options_parse(&options, count, arguments, error, sizeof error) != OPTIONS_RUN)
        fail_msg("%s", error);
    tour->error = app_new(&app, &tour->harness.loop, &options);
    if (tour->error != 0)
        return NULL;
    tour->harness.apps[tour->harness.app_count++] = app;
    tour->error = app_listen(app);
    fault_watch_port(app_port(app));
    return app;
}

void tour_open(struct tour *tour, const char *database)
{
    memset(tour, 0, sizeof *tour);
    harness_open(&tour->harness);
    snprintf(tour->database, sizeof tour->database, "%s",
             database != NULL ? database : tour->harness.database);
    harness_kernel_program(tour->kernel_program, sizeof tour->kernel_program);
}

void tour_start(struct tour *tour, enum tour_part part)
{
    bool both = part == TOUR_THREADS || part == TOUR_PARTS;
    tour->app = start(tour, (char[]){"--keep-alive-timeout=80"});
    if (tour->error == 0 && part == TOUR_PROCESSES)
        app_warm_up(tour->app);
    if (tour->error == 0 && both)
        tour->per_request = start(tour, (char[]){"--worker-per-request"});
}

/* ------------------------------------------------------------------ one step */

static void note_failure(struct tour *tour, const struct step *step)
{
    tour->failures++;
    tour->failed = step->name;
}

static bool is_excuse(int status)
{
    return status == 500 || status == 502 || status == 503;
}

static void judge(struct tour *tour, const struct step *step, const struct client *client)
{
    bool well = client->answer_count == step->answers;
    for (unsigned i = 0; i < client->answer_count; i++) {
        int status = client->answers[i].status;
        well = well && status == step->status;
        if (status != step->status && !is_excuse(status))
            fail_msg("%s: answered with %d", step->name, status);
        if (strstr(client->answers[i].body, "queue is full") != NULL)
            fail_msg("%s: told of a full queue, in which nobody stands", step->name);
    }
    if (!well)
        note_failure(tour, step);
}

static void turn(struct tour *tour)
{
    for (int i = 0; i < 3; i++)
        uv_run(&tour->harness.loop, UV_RUN_NOWAIT);
}

static void send_in_pieces(struct tour *tour, struct client *client, const char *text)
{
    size_t length = strlen(text), first = length / 3, second = length - 7;
    client_send_bytes(client, text, first);
    turn(tour);
    client_send_bytes(client, text + first, second - first);
    turn(tour);
    client_send_bytes(client, text + second, length - second);
}

/* What came to the same loop behind the request has been answered: so the request is with a lane.
 */
static void leave_early(struct tour *tour, const struct step *step, struct client *client)
{
    struct client *other = harness_client(&tour->harness, tour->app);
    client_send_bytes(client, step->text, strlen(step->text));
    turn(tour);
    client_get(other, "/fast");
    if (client_await(other, 1) == NULL)
        note_failure(tour, step);
    client_leave(other);
}

static void take_step(struct tour *tour, const struct step *step)
{
    const struct app *app = step->manner == PER_REQUEST ? tour->per_request : tour->app;
    bool slow = step->manner == SLOW_READER;
    struct client *client = slow ? client_open_deaf(&tour->harness.clients, app_port(app))
                                 : harness_client(&tour->harness, app);
    client_await_connection(client);
    if (step->manner == IN_PIECES)
        send_in_pieces(tour, client, step->text);
    else if (step->manner == LEAVES)
        leave_early(tour, step, client);
    else
        client_send_bytes(client, step->text, strlen(step->text));
    if (slow) {
        turn(tour);
        client_listen(client);
    }
    if (step->manner != LEAVES) {
        (void)client_await(client, step->answers);
        judge(tour, step, client);
    }
    client_leave(client);
}

/* ------------------------------------------------------------------ the tour */

static void invite_bystanders(struct tour *tour)
{
    tour->idle = harness_client(&tour->harness, tour->app);
    tour->waiting = harness_client(&tour->harness, tour->app);
    client_await_connection(tour->idle);
    client_await_connection(tour->waiting);
    client_get(tour->waiting, "/slow?ms=60000&via=timer");
    turn(tour);
    if (tour->idle->ended || tour->waiting->ended || tour->waiting->answer_count > 0) {
        tour->failures++;
        tour->failed = "bystander";
    }
}

void tour_run(struct tour *tour, enum tour_part part)
{
    tour->failures = 0;
    tour->failed = NULL;
    if (tour->idle == NULL)
        invite_bystanders(tour);
    for (size_t i = 0; i < STEP_COUNT; i++) {
        if (steps[i].part == part)
            take_step(tour, &steps[i]);
    }
}

void tour_leave_unfinished(struct tour *tour)
{
    static const char *const texts[] = {
        GET("/heavy?kernel=sleep&n=20&offload=worker") GET("/healthz"),
        GET("/heavy?kernel=sleep&n=60000&offload=worker"),
        GET("/heavy?kernel=sleep&n=60000&offload=process"),
        GET("/heavy?kernel=sleep&n=60000&offload=sliced"),
        GET("/slow?ms=60000&via=timer"),
        POST "Content-Length: 9\r\n\r\nsome",
        "GET /fa",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct client *client = harness_client(&tour->harness, tour->app);
        client_await_connection(client);
        client_send_bytes(client, texts[i], strlen(texts[i]));
    }
    turn(tour);
}

/* ------------------------------------------------------------------ afterwards */

void tour_check_bystanders(struct tour *tour)
{
    if (tour->failed == NULL || strcmp(tour->failed, "bystander") != 0) {
        assert_false(tour->waiting->ended);
        assert_int_equal(tour->waiting->answer_count, 0);
        client_get(tour->idle, "/fast");
        const struct answer *answer = client_await(tour->idle, 1);
        assert_non_null(answer);
        assert_int_equal(answer->status, 200);
    }
    client_leave(tour->idle);
    client_leave(tour->waiting);
    tour->idle = tour->waiting = NULL;
}

static double number_of(const struct answer *answer, const char *strategy, const char *counter)
{
    char path[64];
    snprintf(path, sizeof path, "jobs/%s/%s", strategy, counter);
    return answer_number(answer, path);
}

static bool all_are_home(const struct answer *answer)
{
    const struct strategy *strategy;
    for (size_t i = 0; (strategy = strategy_at(i)) != NULL; i++) {
        static const char *const ends[] = {"succeeded", "cancelled", "refused",
                                           "failed",    "lost",      "expired"};
        double out = number_of(answer, strategy_name(strategy), "submitted");
        for (size_t end = 0; end < sizeof ends / sizeof *ends; end++)
            out -= number_of(answer, strategy_name(strategy), ends[end]);
        assert_true(out >= 0);
        if (out > 0)
            return false;
    }
    return true;
}

void tour_check_jobs(struct tour *tour)
{
    for (unsigned i = 0; i < tour->harness.app_count; i++) {
        while (!all_are_home(harness_get(&tour->harness, tour->harness.apps[i], "/healthz")))
            continue;
    }
}

void tour_close(struct tour *tour)
{
    harness_close(&tour->harness);
}
