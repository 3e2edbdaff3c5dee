/* observer.c – see observer.h. The loop is made and listens on the thread of the caller; from the
 * start of its own thread on only that one touches it, but for the uv_async that ends it. */
#include "server/observe/observer.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "server/observe/batch.h"
#include "server/observe/observer_state.h"
#include "server/observe/report.h"

enum { REPORTS_MAX = 10000, LOOKS_PER_PING = 100 };

/* ------------------------------------------------------------------ looking */

static void look(struct observer *observer)
{
    survey_look(&observer->survey);
    diagnosis_make(&observer->diagnosis, &observer->survey, &observer->verdict);
    char *json = batch_json(&observer->survey, &observer->verdict);
    if (json != NULL)
        events_publish(&observer->events, json);
    cJSON_free(json);
    if (observer->survey.looks % LOOKS_PER_PING == 0)
        events_ping(&observer->events);
}

/* Every fourth tick is time for a look; a loop that is blocked since the last one does not wait for
 * that. */
static void on_tick(uv_timer_t *timer)
{
    struct observer *observer = timer->data;
    bool due = observer->tick++ % OBSERVER_TICKS_PER_LOOK == 0;
    if (due || survey_has_new_block(&observer->survey))
        look(observer);
}

/* A file that is not there yet: in a container every server has the same pid. */
static FILE *open_report(struct observer *observer, char *name, size_t size)
{
    FILE *file;
    do {
        snprintf(name, size, "offloop-report-%d-%u.txt", uv_os_getpid(), ++observer->report_count);
        file = fopen(name, "wxe");
    } while (file == NULL && errno == EEXIST && observer->report_count < REPORTS_MAX);
    return file;
}

/* SIGUSR2: the report goes to a file in the working folder, as Node's diagnostic report does. */
static void on_report(uv_signal_t *handle, int number)
{
    struct observer *observer = handle->data;
    char name[64];
    (void)number;
    FILE *file = open_report(observer, name, sizeof name);
    int rc = file != NULL ? report_write(file, &observer->survey, &observer->verdict) : -errno;
    if (file != NULL && fclose(file) != 0)
        rc = -errno;
    if (observer->options.on_report != NULL)
        observer->options.on_report(name, rc);
}

/* The signal is for a thread that is not frozen, and must not wake one that computes: the caller
 * and all threads that it makes from now on do not take it. */
static sigset_t report_signal(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    return set;
}

static void leave_signal_to_others(struct observer *observer)
{
    sigset_t set = report_signal(), before;
    pthread_sigmask(SIG_BLOCK, &set, &before);
    observer->blocks_signal = !sigismember(&before, SIGUSR2);
}

static void take_signal_back(const struct observer *observer)
{
    sigset_t set = report_signal();
    if (observer->blocks_signal)
        pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

/* ------------------------------------------------------------------ the end */

static void on_http_closed(void *data)
{
    struct observer *observer = data;
    uv_close((uv_handle_t *)&observer->ticks, NULL);
    uv_close((uv_handle_t *)&observer->ending, NULL);
    traces_close(&observer->traces);
    pages_close(&observer->pages);
    if (observer->takes_signals) {
        sigset_t set = report_signal();
        pthread_sigmask(SIG_BLOCK, &set, NULL); /* without its handler it would kill */
        uv_close((uv_handle_t *)&observer->reports, NULL);
    }
}

/* Its streams end, but for traces that are not complete; whoever else is still connected has had
 * time enough. */
static void on_ending(uv_async_t *ending)
{
    struct observer *observer = ending->data;
    traces_cut(&observer->traces);
    http_server_drain(&observer->http, on_http_closed, observer);
    http_server_cut(&observer->http);
}

static void observer_free(struct observer *observer)
{
    uv_run(&observer->loop, UV_RUN_DEFAULT);
    uv_loop_close(&observer->loop);
    take_signal_back(observer);
    survey_close(&observer->survey);
    events_close(&observer->events);
    free(observer);
}

void observer_stop(struct observer *observer)
{
    if (observer == NULL)
        return;
    uv_async_send(&observer->ending);
    uv_thread_join(&observer->thread);
    observer_free(observer);
}

/* ------------------------------------------------------------------ the beginning */

static void observer_main(void *data)
{
    struct observer *observer = data;
    sigset_t set = report_signal();
    pthread_setname_np(pthread_self(), "observer");
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    uv_run(&observer->loop, UV_RUN_DEFAULT);
}

/* A patient that listens everywhere is reached by the name that the browser knows this machine by,
 * and a policy has no words for IPv6 addresses (CSP 3, section 2.3.1). */
static void name_patient(const struct observer *observer, char *source, size_t size)
{
    const char *patient = observer->options.patient;
    if (strstr(patient, "//0.0.0.0:") != NULL || strstr(patient, "//[") != NULL)
        snprintf(source, size, "http://*%s", strrchr(patient, ':'));
    else
        snprintf(source, size, "%s", patient);
}

/* The page loads nothing from elsewhere and talks to nobody but this server and the patient. */
static void set_policy(struct observer *observer)
{
    char patient[96];
    name_patient(observer, patient, sizeof patient);
    snprintf(observer->policy, sizeof observer->policy,
             "Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; "
             "img-src 'self' data: blob:; connect-src 'self' %s; base-uri 'none'; "
             "form-action 'none'; frame-ancestors 'none'\r\n"
             "X-Content-Type-Options: nosniff\r\n"
             "Referrer-Policy: no-referrer\r\n",
             patient);
    observer->fields = (struct http_fields){observer->policy, strlen(observer->policy)};
    http_server_set_fields(&observer->http, &observer->fields);
}

static int listen_there(struct observer *observer)
{
    struct http_limits limits = HTTP_LIMITS_DEFAULT;
    unsigned share = observer->options.max_connections;
    limits.max_connections = OBSERVER_CONNECTIONS;
    if (share > 0) {
        limits.max_refused = observer->options.max_refused;
        limits.max_connections = share < OBSERVER_CONNECTIONS ? share : OBSERVER_CONNECTIONS;
    }
    int rc =
        http_server_init(&observer->http, &observer->loop, &limits, &observer_routes, observer);
    if (rc != 0)
        return rc;
    snprintf(observer->own_host, sizeof observer->own_host, "%s", observer->options.host);
    observer->hosts[0] = observer->own_host;
    http_server_allow_hosts(&observer->http, observer->hosts);
    set_policy(observer);
    rc = http_server_listen(&observer->http, observer->options.host, observer->options.port, false);
    if (rc != 0)
        http_server_drain(&observer->http, NULL, NULL);
    return rc;
}

/* The first look comes before the first request. */
static void start_looking(struct observer *observer)
{
    uv_timer_init(&observer->loop, &observer->ticks);
    observer->ticks.data = observer;
    uv_timer_start(&observer->ticks, on_tick, 0, OBSERVER_TICK_MS);
}

static int take_signals(struct observer *observer)
{
    int rc = uv_signal_init(&observer->loop, &observer->reports);
    if (rc != 0)
        return rc;
    observer->takes_signals = true;
    leave_signal_to_others(observer);
    observer->reports.data = observer;
    return uv_signal_start(&observer->reports, on_report, SIGUSR2);
}

static int observer_begin(struct observer *observer)
{
    int rc = uv_async_init(&observer->loop, &observer->ending, on_ending);
    if (rc != 0)
        return rc;
    observer->ending.data = observer;
    rc = listen_there(observer);
    if (rc != 0) {
        uv_close((uv_handle_t *)&observer->ending, NULL);
        return rc;
    }
    start_looking(observer);
    traces_init(&observer->traces, &observer->loop, &observer->survey);
    pages_init(&observer->pages, &observer->http, observer);
    rc = take_signals(observer);
    if (rc == 0)
        rc = uv_thread_create(&observer->thread, observer_main, observer);
    if (rc != 0)
        on_ending(&observer->ending);
    return rc;
}

static uint64_t wall_clock_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

int observer_start(struct observer **observer, const struct observer_options *options)
{
    struct observer *made = calloc(1, sizeof *made);
    if (made == NULL)
        return UV_ENOMEM;
    made->options = *options;
    events_init(&made->events, wall_clock_ns());
    diagnosis_init(&made->diagnosis);
    int rc = survey_init(&made->survey, options->recordings, options->names, options->epoch_ns);
    if (rc == 0 && (rc = uv_loop_init(&made->loop)) != 0)
        survey_close(&made->survey);
    if (rc != 0) {
        free(made);
        return rc;
    }
    rc = observer_begin(made);
    if (rc != 0)
        observer_free(made);
    else
        *observer = made;
    return rc;
}

void observer_authority(const struct observer *observer, char *text, size_t size)
{
    http_server_authority(&observer->http, text, size);
}

unsigned observer_port(const struct observer *observer)
{
    return observer != NULL ? http_server_port(&observer->http) : 0;
}
