/* harness.h – whole servers on one loop with their clients, and a clean end.
 *
 * Every server gets a free port and a database in a temporary folder, which goes when the harness
 * does. harness_close is a test in itself: it drains, runs the loop until nothing is left, and
 * fails unless uv_loop_close() says that no handle was forgotten. */
#ifndef OFFLOOP_TESTS_HARNESS_H
#define OFFLOOP_TESTS_HARNESS_H

#include <uv.h>

#include "server/app.h"
#include "tests/support/client.h"

enum { HARNESS_APPS_MAX = 2 };

struct harness {
    uv_loop_t loop;
    struct clients clients;
    struct app *apps[HARNESS_APPS_MAX];
    unsigned app_count;
    char folder[128];
    char database[160]; /* in it */
};

/* For main: a peer that is gone must be an error code, and a test that hangs must end. */
void harness_prepare_process(void);

/* Where the build has put offloop-kernel: two folders above that of the test program. */
void harness_kernel_program(char *path, size_t size);

void harness_open(struct harness *harness);

/* Starts a server with command line options, ended by NULL, and listens. */
struct app *harness_start(struct harness *harness, ...) __attribute__((sentinel));

/* The two before in one: a harness with one server, which is returned. */
#define harness_with(harness, ...) (harness_open(harness), harness_start(harness, __VA_ARGS__))

struct client *harness_client(struct harness *harness, const struct app *app);

/* GET on a connection of its own. */
const struct answer *harness_get(struct harness *harness, const struct app *app,
                                 const char *target);

/* Lets the loop run for a moment. Whoever asks again and again needs it: asking without a pause
 * would take the processor away from lanes that run at a lower priority. */
void harness_pause(struct harness *harness);

/* A number of /healthz: "jobs/worker/cancelled"; and running the loop until it has a value. */
double harness_health(struct harness *harness, const struct app *app, const char *path);
void harness_await_health(struct harness *harness, const struct app *app, const char *path,
                          double value);

/* Runs the loop until the server has ended, which must be draining. */
void harness_run(struct harness *harness);

/* The clients leave, the servers drain, and nothing may remain. */
void harness_close(struct harness *harness);

#endif
