/* harness.c – see harness.h. */
#include "tests/support/harness.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "server/options.h"
#include "tests/support/temporary.h"

enum { ARGUMENTS_MAX = 24, HANG_SECONDS = 240 };

void harness_prepare_process(void)
{
    signal(SIGPIPE, SIG_IGN);
    alarm(HANG_SECONDS); /* no measure of speed: only a test that hangs for ever gets here */
}

void harness_kernel_program(char *path, size_t size)
{
    size_t length = size;
    assert_int_equal(uv_exepath(path, &length), 0);
    for (int i = 0; i < 3; i++)
        *strrchr(path, '/') = '\0';
    length = strlen(path);
    snprintf(path + length, size - length, "/offloop-kernel");
}

void harness_open(struct harness *harness)
{
    memset(harness, 0, sizeof *harness);
    assert_int_equal(uv_loop_init(&harness->loop), 0);
    harness->clients.loop = &harness->loop;
    temporary_folder(harness->folder, sizeof harness->folder);
    snprintf(harness->database, sizeof harness->database, "%s/offloop.db", harness->folder);
}

/* getopt keeps its place in globals, and tests may start servers on several threads. */
static void parse(struct options *options, char **arguments, int count)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    char error[300] = "";
    pthread_mutex_lock(&lock);
    enum options_verdict verdict = options_parse(options, count, arguments, error, sizeof error);
    pthread_mutex_unlock(&lock);
    if (verdict != OPTIONS_RUN)
        fail_msg("%s", error);
}

struct app *harness_start(struct harness *harness, ...)
{
    struct options options;
    char *arguments[ARGUMENTS_MAX] = {(char[]){"offloop"}, (char[]){"--port=0"},
                                      (char[]){"--database"}, harness->database};
    int count = 4;
    va_list list;
    va_start(list, harness);
    while (count < ARGUMENTS_MAX - 1 && (arguments[count] = va_arg(list, char *)) != NULL)
        count++;
    va_end(list);
    parse(&options, arguments, count);
    struct app **app = &harness->apps[harness->app_count++];
    assert_int_equal(app_new(app, &harness->loop, &options), 0);
    assert_int_equal(app_listen(*app), 0);
    return *app;
}

struct client *harness_client(struct harness *harness, const struct app *app)
{
    return client_open(&harness->clients, app_port(app));
}

const struct answer *harness_get(struct harness *harness, const struct app *app, const char *target)
{
    struct client *client = harness_client(harness, app);
    client_get(client, target);
    const struct answer *answer = client_await(client, 1);
    assert_non_null(answer);
    client_leave(client);
    return answer;
}

static void on_pause_closed(uv_handle_t *timer)
{
    *(bool *)timer->data = true;
}

static void on_pause_over(uv_timer_t *timer)
{
    uv_close((uv_handle_t *)timer, on_pause_closed);
}

void harness_pause(struct harness *harness)
{
    bool over = false;
    uv_timer_t timer = {.data = &over};
    uv_timer_init(&harness->loop, &timer);
    uv_timer_start(&timer, on_pause_over, 1, 0);
    while (!over)
        uv_run(&harness->loop, UV_RUN_ONCE);
}

double harness_health(struct harness *harness, const struct app *app, const char *path)
{
    return answer_number(harness_get(harness, app, "/healthz"), path);
}

void harness_await_health(struct harness *harness, const struct app *app, const char *path,
                          double value)
{
    struct client *client = harness_client(harness, app);
    unsigned asked = 0;
    const struct answer *answer;
    do {
        harness_pause(harness);
        client_get(client, "/healthz");
        answer = client_await(client, ++asked);
        assert_non_null(answer);
    } while (answer_number(answer, path) < value);
    assert_true(answer_number(answer, path) <= value);
    client_leave(client);
}

void harness_run(struct harness *harness)
{
    uv_run(&harness->loop, UV_RUN_DEFAULT);
}

void harness_close(struct harness *harness)
{
    clients_leave(&harness->clients);
    for (unsigned i = 0; i < harness->app_count; i++)
        app_drain(harness->apps[i]);
    harness_run(harness);
    for (unsigned i = 0; i < harness->app_count; i++)
        app_free(harness->apps[i]);
    assert_int_equal(uv_loop_close(&harness->loop), 0);
    clients_free(&harness->clients);
    temporary_folder_remove(harness->folder);
}
