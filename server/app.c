/* app.c – see app.h.
 *
 * The end goes in three steps, each begun when the one before is over: the HTTP server answers what
 * it owes and closes; then the lanes and sources bring home what is still out, and close; then the
 * loop has no handles left and uv_run returns. */
#include "server/app.h"

#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "server/budget.h"
#include "server/cluster/member.h"
#include "server/hangup.h"
#include "server/http/listener.h"
#include "server/http/server.h"
#include "server/log.h"
#include "server/machine/pool.h"
#include "server/observation.h"
#include "server/program.h"
#include "server/routes/routes.h"
#include "server/spawn.h"
#include "server/systemd.h"

/* Nobody waits for a member that was replaced, so it has time for clients that are slow to ask. */
enum { DRAIN_GRACE_MS = 100, DRAIN_GRACE_MEMBER_MS = 1000 };

struct app {
    struct options options;
    struct http_server http;
    struct offload *offload;
    struct slow_io *slow_io;
    struct observation observation;
    struct routes_context context;
    struct member member; /* of a cluster, unless context.member is 0 */
    char kernel_program[PATH_MAX];
    char refusal[160]; /* why the sockets of a service manager cannot be served, or "" */
    uv_timer_t drain_timer;
    uv_timer_t watchdog; /* tells the service manager that the loop turns */
    uv_signal_t signals[2];
    void (*on_second_signal)(int signal);
    struct hangup hangup;   /* unless it is a member */
    struct orphans orphans; /* likewise */
    bool handles_signals, draining;
};

/* ------------------------------------------------------------------ the end */

static void ignore_signals(struct app *app)
{
    for (int i = 0; app->handles_signals && i < 2; i++)
        uv_close((uv_handle_t *)&app->signals[i], NULL);
    if (app->handles_signals && app->context.member == 0) {
        hangup_end(&app->hangup);
        orphans_end(&app->orphans);
    }
}

static void on_http_closed(void *data)
{
    struct app *app = data;
    uv_close((uv_handle_t *)&app->drain_timer, NULL);
    uv_close((uv_handle_t *)&app->watchdog, NULL);
    ignore_signals(app);
    member_leave(&app->member);
    offload_stop(app->offload);
    slow_io_stop(app->slow_io);
    observation_end(&app->observation);
}

static void on_drain_timeout(uv_timer_t *timer)
{
    struct app *app = timer->data;
    log_event(LOG_WARNING, "cut", NULL, "%u connections were not done in time and are cut",
              app->http.connection_count);
    http_server_cut(&app->http);
}

void app_drain(struct app *app)
{
    if (app->draining)
        return;
    app->draining = true;
    uv_update_time(app->http.loop); /* the loop may have been blocked until now */
    uv_timer_start(&app->drain_timer, on_drain_timeout, app->options.drain_timeout, 0);
    http_server_drain(&app->http, on_http_closed, app);
}

void app_free(struct app *app)
{
    offload_free(app->offload);
    slow_io_free(app->slow_io);
    observation_close(&app->observation);
    free(app);
}

/* ------------------------------------------------------------------ the beginning */

static struct http_limits limits_from(const struct options *options)
{
    struct budget shares = budget_shares(budget_limit(), options, false);
    return (struct http_limits){
        .max_header_bytes = options->max_header_size,
        .max_body_bytes = options->max_body_size,
        .max_connections = shares.connections,
        .max_refused = shares.refused,
        .max_requests_per_socket = options->max_requests_per_socket,
        .headers_timeout_ms = options->headers_timeout,
        .request_timeout_ms = options->request_timeout,
        .keep_alive_timeout_ms = options->keep_alive_timeout,
        .write_timeout_ms = options->write_timeout,
        .drain_grace_ms = options->cluster > 0 ? DRAIN_GRACE_MEMBER_MS : DRAIN_GRACE_MS,
    };
}

static void find_kernel_program(struct app *app)
{
    const char *given = app->options.kernel_program;
    if (given != NULL)
        snprintf(app->kernel_program, sizeof app->kernel_program, "%s", given);
    else
        program_beside("offloop-kernel", app->kernel_program, sizeof app->kernel_program);
}

static int make_slow_io(struct app *app, uv_loop_t *loop)
{
    const struct options *options = &app->options;
    return slow_io_new(&app->slow_io, loop,
                       &(struct slow_io_options){
                           .database = options->database,
                           .connections = options->database_connections,
                           .max_queue = options->max_queue,
                           .recording = observation_recording(&app->observation),
                           .first_work = (unsigned)app->observation.names.strategy_count,
                       });
}

/* Once for each strategy, not for each request that is refused for it. */
static void on_shortage(void *data, const struct shortage *shortage)
{
    struct app *app = data;
    const char *name = strategy_name(shortage->strategy), *why = uv_strerror(shortage->error);
    bool no_program = shortage->error == UV_ENOENT || shortage->error == UV_EACCES;
    if (shortage->had > 0)
        log_event(LOG_WARNING, "fewer_lanes", NULL,
                  "offload=%s has %u of the %u lanes that it was to have: %s", name, shortage->had,
                  shortage->wanted, why);
    else
        log_event(LOG_WARNING, "no_lanes", NULL, "offload=%s cannot run anything yet: %s%s%s", name,
                  no_program ? app->kernel_program : "", no_program ? ": " : "", why);
}

static int make_offload(struct app *app, uv_loop_t *loop)
{
    const struct options *options = &app->options;
    find_kernel_program(app);
    return offload_new(&app->offload, loop,
                       &(struct offload_options){
                           .threadpool_size = options->threadpool_size,
                           .workers = options->workers,
                           .max_queue = options->max_queue,
                           .worker_per_request = options->worker_per_request,
                           .slice_ms = options->slice_ms,
                           .nice_value = options->offload_nice,
                           .processes = options->processes,
                           .job_timeout_ms = options->job_timeout,
                           .kernel_program = app->kernel_program,
                           .shed_lag_ms = options->shed_lag,
                           .loop_lag_ns = observation_lag_ns,
                           .loop_lag_data = &app->observation,
                           .on_shortage = on_shortage,
                           .shortage_data = app,
                           .recording = observation_recording(&app->observation),
                       });
}

static int make_parts(struct app *app, uv_loop_t *loop)
{
    struct http_limits limits = limits_from(&app->options);
    int rc = make_slow_io(app, loop);
    if (rc == 0)
        rc = http_server_init(&app->http, loop, &limits, &routes, &app->context);
    if (rc != 0)
        return rc;
    http_server_set_fields(&app->http, &routes_fields);
    rc = make_offload(app, loop);
    if (rc == 0)
        return 0;
    http_server_drain(&app->http, NULL, NULL);
    while (app->http.open_handles > 0)
        uv_run(loop, UV_RUN_NOWAIT);
    return rc;
}

/* What records comes first and goes last: the parts write into it. */
static int make_recorded_parts(struct app *app, uv_loop_t *loop)
{
    int rc = observation_record(&app->observation, loop, &app->options);
    if (rc != 0 || (rc = make_parts(app, loop)) == 0)
        return rc;
    observation_end(&app->observation);
    uv_run(loop, UV_RUN_NOWAIT);
    return rc;
}

static int make_app(struct app *app, uv_loop_t *loop)
{
    int rc = make_recorded_parts(app, loop);
    if (rc != 0)
        return rc;
    observation_watch(&app->observation, &app->http);
    uv_timer_init(loop, &app->drain_timer);
    uv_timer_init(loop, &app->watchdog);
    app->drain_timer.data = app;
    app->context = (struct routes_context){
        .offload = app->offload,
        .strategy = strategy_find(app->options.offload),
        .slow_io = app->slow_io,
        .source = source_find(app->options.slow_io),
        .counters = app->http.counters,
        .shown = observation_first(&app->observation),
        .observer_host = app->options.observer_host,
        .allow_crash = app->options.allow_crash,
        .member = app->options.cluster > 0 ? member_number() : 0,
        .started_ns = trip_clock_ns(),
    };
    routes_prepare(&app->context);
    return 0;
}

int app_new(struct app **app, uv_loop_t *loop, const struct options *options)
{
    struct app *made = calloc(1, sizeof *made);
    if (made == NULL)
        return UV_ENOMEM;
    made->options = *options;
    int rc = make_app(made, loop);
    if (rc != 0)
        app_free(made);
    else
        *app = made;
    return rc;
}

/* ------------------------------------------------------------------ as a member of a cluster */

static int on_dealt(void *data, int fd)
{
    struct app *app = data;
    return http_server_adopt(&app->http, fd);
}

static void on_cluster_ends(void *data)
{
    app_drain(data);
}

static const struct member_events member_events = {on_dealt, on_cluster_ends};

/* The connections come from a listener that was inherited, or one by one from the parent. */
static int join_cluster(struct app *app)
{
    bool dealt = strcmp(app->options.cluster_sched, "rr") == 0;
    int rc = dealt ? 0 : http_server_listen_fd(&app->http, member_listener_fd());
    return rc == 0 ? member_join(&app->member, app->http.loop, &member_events, app) : rc;
}

static int listen_passed(struct app *app, int count)
{
    int rc = 0;
    for (int i = 0; rc == 0 && i < count; i++)
        rc = http_server_listen_fd(&app->http, SYSTEMD_FIRST_FD + i);
    return rc;
}

int app_listen(struct app *app)
{
    const struct options *options = &app->options;
    if (app->context.member > 0)
        return join_cluster(app);
    int passed = systemd_listen_fds(HTTP_LISTENERS_MAX, app->refusal, sizeof app->refusal);
    if (passed != 0)
        return passed < 0 ? passed : listen_passed(app, passed);
    return http_server_listen(&app->http, options->host, options->port, options->reuse_port);
}

unsigned app_port(const struct app *app)
{
    return http_server_port(&app->http);
}

/* In a cluster the parent shows its members. */
int app_show(struct app *app)
{
    char authority[80];
    if (app->context.member > 0)
        return 0;
    http_server_authority(&app->http, authority, sizeof authority);
    return observation_start(&app->observation, &app->options, authority);
}

/* Before the lanes, which may take all threads that are left. */
static void make_pool(const struct app *app)
{
    int threads = pool_ready();
    if (threads < 0)
        log_event(LOG_WARNING, "no_pool", NULL,
                  "no thread for libuv's pool (%s): what needs it, /slow and offload=threadpool, "
                  "answers 503",
                  uv_strerror(threads));
    else if ((unsigned)threads < app->options.threadpool_size)
        log_event(LOG_WARNING, "smaller_pool", NULL,
                  "libuv's pool has %d of the %u threads that it was to have: no more can be had",
                  threads, app->options.threadpool_size);
}

void app_warm_up(struct app *app)
{
    make_pool(app);
    (void)offload_warm_up(app->offload, app->context.strategy); /* on_shortage says what is wrong */
}

unsigned app_observer_port(const struct app *app)
{
    return observer_port(app->observation.observer);
}

/* ------------------------------------------------------------------ running one */

static const int ending_signals[2] = {SIGTERM, SIGINT};

static void on_signal(uv_signal_t *handle, int number)
{
    struct app *app = handle->data;
    for (int i = 0; i < 2; i++) {
        uv_signal_stop(&app->signals[i]);
        signal(ending_signals[i], app->on_second_signal);
    }
    if (app->context.member == 0)
        log_event(LOG_INFO, "draining", NULL,
                  "%s: taking no new connections, answering what is owed",
                  number == SIGTERM ? "SIGTERM" : "SIGINT");
    (void)systemd_notify("STOPPING=1");
    app_drain(app);
}

/* There is nobody whom a server alone could replace. */
static void on_hangup(void *data, bool ends)
{
    struct app *app = data;
    if (!ends) {
        log_event(LOG_INFO, "hangup", NULL, "SIGHUP: no cluster, so nothing is restarted");
        return;
    }
    log_event(LOG_INFO, "draining", NULL, "SIGHUP: the terminal is closed");
    (void)systemd_notify("STOPPING=1");
    app_drain(app);
}

static void on_watchdog(uv_timer_t *timer)
{
    (void)timer;
    (void)systemd_notify(
        "WATCHDOG=1"); /* from the loop: a frozen one is silent, and gets restarted */
}

static void log_listening(const struct app *app)
{
    char authority[80], url[96];
    http_server_authority(&app->http, authority, sizeof authority);
    snprintf(url, sizeof url, "http://%s", authority);
    cJSON *fields = cJSON_CreateObject();
    cJSON_AddStringToObject(fields, "url", url);
    cJSON_AddNumberToObject(fields, "port", app_port(app));
    cJSON_AddNumberToObject(fields, "pid", uv_os_getpid());
    cJSON_AddStringToObject(fields, "offload", app->options.offload);
    log_event(LOG_INFO, "listening", fields, "listening on %s (offload=%s)", url,
              app->options.offload);
}

/* More of them come from a service manager only. */
static void log_more_listeners(const struct app *app)
{
    for (unsigned i = 1; i < app->http.acceptor.count; i++) {
        char authority[80], url[96];
        http_listener_authority(app->http.acceptor.listeners[i], authority, sizeof authority);
        snprintf(url, sizeof url, "http://%s", authority);
        cJSON *fields = cJSON_CreateObject();
        cJSON_AddStringToObject(fields, "url", url);
        log_event(LOG_INFO, "listening_too", fields, "listening on %s, too", url);
    }
}

static void tell_ready(struct app *app)
{
    if (app->context.member > 0) { /* the parent speaks for its members */
        member_tell_ready(&app->member);
        return;
    }
    log_listening(app);
    log_more_listeners(app);
    observation_tell(&app->observation);
    uint64_t interval_ms = systemd_watchdog_ms();
    int rc = systemd_notify("READY=1");
    if (rc != 0)
        log_event(LOG_WARNING, "notify_failed", NULL, "cannot notify the service manager: %s",
                  uv_strerror(rc));
    if (interval_ms > 0)
        uv_timer_start(&app->watchdog, on_watchdog, interval_ms, interval_ms);
}

static void watch_signals(struct app *app, uv_loop_t *loop, void (*on_second_signal)(int signal))
{
    app->on_second_signal = on_second_signal;
    app->handles_signals = true;
    for (int i = 0; i < 2; i++) {
        uv_signal_init(loop, &app->signals[i]);
        app->signals[i].data = app;
        uv_signal_start(&app->signals[i], on_signal, ending_signals[i]);
    }
    if (app->context.member == 0) {
        hangup_begin(&app->hangup, loop, on_hangup, app);
        orphans_begin(&app->orphans, loop);
    }
}

/* It is ready when it is shown, too: who asked for a port wants to hear that it is taken. Returns
 * the exit status. */
static int serve(struct app *app, uv_loop_t *loop, void (*on_second_signal)(int signal))
{
    int rc = app_listen(app);
    if (*app->refusal != '\0')
        log_event(LOG_ERROR, "listen_failed", NULL, "cannot listen: %s", app->refusal);
    else if (rc != 0)
        log_event(LOG_ERROR, "listen_failed", NULL, "cannot listen on %s port %u: %s%s",
                  app->options.host, app->options.port, uv_strerror(rc),
                  options_port_advice(false, rc));
    else
        rc = app_show(app);
    if (rc == 0) {
        watch_signals(app, loop, on_second_signal);
        app_warm_up(app);
        tell_ready(app);
    } else {
        app_drain(app);
    }
    uv_run(loop, UV_RUN_DEFAULT);
    app_free(app);
    return rc == 0 ? 0 : 1;
}

int app_run(const struct options *options, void (*on_second_signal)(int signal))
{
    uv_loop_t loop;
    struct app *app;
    int rc = uv_loop_init(&loop);
    if (rc == 0)
        rc = app_new(&app, &loop, options);
    if (rc != 0) {
        log_event(LOG_ERROR, "start_failed", NULL, "cannot start: %s", uv_strerror(rc));
        return 1;
    }
    int status = serve(app, &loop, on_second_signal);
    rc = uv_loop_close(&loop);
    if (rc == 0 && status == 0 && options->cluster == 0)
        log_event(LOG_INFO, "stopped", NULL, "everything is answered and closed");
    return status;
}
