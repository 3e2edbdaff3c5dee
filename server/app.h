/* app.h – one whole server: the HTTP server with its routes, the lanes, the sources, and the order
 * in which they begin and end. main runs one; a test can run several in one process, even on one
 * loop. */
#ifndef OFFLOOP_APP_H
#define OFFLOOP_APP_H

#include "server/options.h"

struct app;
struct uv_loop_s;

/* Makes a server that does not listen yet. Returns 0 or a negative UV_E… code; then nothing is left
 * of it, for which the loop may have been run. */
int app_new(struct app **app, struct uv_loop_s *loop, const struct options *options);

/* Listens. Returns 0 or a negative UV_E… code; app_drain ends the app in either case. */
int app_listen(struct app *app);

/* The port that it listens on. */
unsigned app_port(const struct app *app);

/* Starts the observer, unless that is switched off. After app_listen. Returns 0 or a negative UV_E…
 * code; then it has been logged, and nobody shows this server. */
int app_show(struct app *app);

/* Begins what the first requests would wait for otherwise: libuv's pool, the calibration, and the
 * lanes of options->offload. Logs what is wrong; the requests will hear of it, too. */
void app_warm_up(struct app *app);

/* The port of the observer; 0 if there is none. */
unsigned app_observer_port(const struct app *app);

/* Takes nothing new, answers what it owes, and ends; after options->drain_timeout what still runs
 * is cut. When all is closed the app's handles are gone from the loop. May be called more than
 * once. */
void app_drain(struct app *app);

/* Frees it, after the loop has run out of its handles. */
void app_free(struct app *app);

/* Runs a server on a loop of its own until SIGTERM or SIGINT has drained it; a second signal calls
 * `on_second_signal`, a signal handler, which must not return. Logs what happens. Returns the exit
 * status. */
int app_run(const struct options *options, void (*on_second_signal)(int signal));

#endif
