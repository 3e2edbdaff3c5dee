/* observation.c – see observation.h. */
#include "server/observation.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "kernel/crash.h"
#include "server/budget.h"
#include "server/cluster/member.h"
#include "server/config.h"
#include "server/log.h"
#include "server/routes/routes.h"

/* ------------------------------------------------------------------ names */

static unsigned lanes_of(const struct options *options, const char *work)
{
    const struct {
        const char *work;
        unsigned lanes;
    } rows[] = {
        {"sliced", 1},
        {"threadpool", options->threadpool_size},
        {"worker", options->worker_per_request ? 0 : options->workers},
        {"process", options->processes},
        {"sqlite", options->threadpool_size < options->database_connections
                       ? options->threadpool_size
                       : options->database_connections},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (strcmp(rows[i].work, work) == 0)
            return rows[i].lanes;
    }
    return 0;
}

static void name_work(struct names *names, const struct options *options, size_t row,
                      const char *work)
{
    names->works[row] = work;
    names->lanes[row] = lanes_of(options, work);
    names->in_pool[row] = strcmp(work, "threadpool") == 0 || strcmp(work, "sqlite") == 0;
}

static struct names names_for(const struct options *options)
{
    struct names names = {.strategy_count = 0};
    size_t row = 0, i;
    for (; row < RECORDING_WORKS && strategy_at(row) != NULL; row++)
        name_work(&names, options, row, strategy_name(strategy_at(row)));
    names.strategy_count = row;
    for (i = 0; row < RECORDING_WORKS && source_at(i) != NULL; i++)
        name_work(&names, options, row++, source_name(source_at(i)));
    for (i = 0; i < sizeof names.kernels / sizeof *names.kernels - 2 && kernel_at(i) != NULL; i++)
        names.kernels[i] = kernel_at(i)->name;
    names.kernels[i] = kernel_crash.name;
    for (i = 0; i < routes.count && i < RECORDING_ROUTES - 1; i++)
        names.routes[i] = routes.routes[i].path;
    return names;
}

/* ------------------------------------------------------------------ recording */

static bool is_wanted(const struct options *options)
{
    return options->observer != OBSERVER_OFF || options->shed_lag > 0;
}

/* A parent with the same layout may mean other rows, if it has other strategies. */
static int map_lent(struct recordings *recordings, const struct names *names, unsigned count)
{
    int rc = recordings_map(recordings, MEMBER_RECORDINGS_FD, count);
    if (rc != 0 || recordings_names(recordings) == names_fingerprint(names))
        return rc;
    recordings_close(recordings);
    return -EPROTO;
}

static void log_unrecorded(const struct recordings *recordings)
{
    const char *version = recordings->version[0] != '\0' ? recordings->version : "unknown";
    cJSON *fields = cJSON_CreateObject();
    cJSON_AddNumberToObject(fields, "member", member_number());
    cJSON_AddStringToObject(fields, "version", OFFLOOP_VERSION);
    cJSON_AddStringToObject(fields, "parent_version", version);
    log_event(LOG_WARNING, "unrecorded", fields,
              "member %u (version %s) records otherwise than its cluster's observer (version %s) "
              "reads: it serves, and is not shown",
              member_number(), OFFLOOP_VERSION, version);
}

/* Nobody shows it, but this server's own eyes need it: the watchdog, and who sheds load. */
static int keep_to_itself(struct observation *observation)
{
    log_unrecorded(&observation->recordings);
    return recordings_init(&observation->recordings, 1);
}

/* A member of a cluster was lent one, unless its parent has none to lend. */
static int find_own(struct observation *observation, const struct options *options)
{
    bool lent = options->cluster > 0 && member_number() > 0 && member_is_lent_recording();
    unsigned index = lent ? member_recording() : 0, count = lent ? 2 * options->cluster : 1;
    if (index >= count)
        return UV_EINVAL;
    int rc = lent ? map_lent(&observation->recordings, &observation->names, count)
                  : recordings_init(&observation->recordings, count);
    if (rc == -EPROTO) {
        index = 0;
        rc = keep_to_itself(observation);
    }
    observation->own = rc == 0 ? &observation->recordings.table[index] : NULL;
    return rc;
}

/* Both recordings of a slot show up under the slot's number: their trips need numbers of their own.
 */
static uint64_t first_id(const struct observation *observation, const struct options *options)
{
    size_t index = (size_t)(observation->own - observation->recordings.table);
    return options->cluster > 0 && index >= options->cluster ? (uint64_t)1 << 40 : 0;
}

static void name_self(struct observation *observation)
{
    if (member_number() > 0)
        snprintf(observation->who, sizeof observation->who, "loop of member %u", member_number());
    else
        snprintf(observation->who, sizeof observation->who, "loop");
}

/* To a microsecond. */
static double unix_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (double)now.tv_sec * 1e3 + (double)(now.tv_nsec / 1000) / 1e3;
}

int observation_record(struct observation *observation, uv_loop_t *loop,
                       const struct options *options)
{
    *observation = (struct observation){.recordings.fd = -1};
    if (!is_wanted(options))
        return 0;
    observation->names = names_for(options);
    int rc = find_own(observation, options);
    if (rc != 0)
        return rc;
    uint64_t epoch_ns = counter_get(&observation->recordings.table[0].epoch_ns);
    observation->epoch_ns = epoch_ns != 0 ? epoch_ns : trip_clock_ns();
    observation->epoch_unix_ms = unix_ms();
    name_self(observation);
    observation->stalls = (struct stalls){.names = &observation->names, .who = observation->who};
    recording_begin(observation->own, observation->epoch_ns, first_id(observation, options));
    struct watchdog_listener listener = stalls_listener(&observation->stalls);
    rc = recorder_start(&observation->recorder, loop, observation->own, &listener);
    if (rc != 0) {
        recordings_close(&observation->recordings);
        observation->own = NULL;
    }
    return rc;
}

void observation_watch(struct observation *observation, struct http_server *http)
{
    if (observation->own != NULL)
        recorder_watch(&observation->recorder, http);
}

const struct recording *observation_first(const struct observation *observation)
{
    return observation->recordings.table;
}

struct recording *observation_recording(const struct observation *observation)
{
    return observation->own;
}

uint64_t observation_lag_ns(void *observation)
{
    const struct observation *self = observation;
    return self->own != NULL ? loop_monitor_lag_ns(&self->recorder.monitor) : 0;
}

void observation_end(struct observation *observation)
{
    if (observation->own != NULL)
        recorder_stop(&observation->recorder);
}

/* ------------------------------------------------------------------ showing */

/* It cannot be lent to members. They serve all the same. */
static void do_without(struct observation *observation)
{
    int error = observation->recordings.unshared;
    double mb = (double)observation->recordings.count * (double)sizeof(struct recording) / 1e6;
    log_event(LOG_WARNING, "unobserved", NULL,
              "this cluster has no observer: its processes cannot share the %.0f MB that it reads: "
              "%s%s",
              mb, uv_strerror(error), error == UV_EFBIG ? " (ulimit -f)" : "");
    recordings_close(&observation->recordings);
}

int observation_prepare(struct observation *observation, const struct options *options)
{
    *observation = (struct observation){.recordings.fd = -1};
    if (!is_wanted(options))
        return 0;
    observation->names = names_for(options);
    observation->epoch_ns = trip_clock_ns();
    observation->epoch_unix_ms = unix_ms();
    int rc = recordings_init(&observation->recordings, 2 * options->cluster);
    if (rc == 0 && observation->recordings.unshared != 0)
        do_without(observation);
    if (rc != 0 || observation->recordings.table == NULL)
        return rc;
    recordings_set_names(&observation->recordings, names_fingerprint(&observation->names));
    counter_set(&observation->recordings.table[0].epoch_ns, observation->epoch_ns);
    return 0;
}

void observation_meet(struct observation *observation, unsigned index, unsigned number, int pid)
{
    if (observation->recordings.table == NULL)
        return;
    struct recording *recording = &observation->recordings.table[index];
    if (counter_get(&recording->pid) == (uint64_t)pid)
        return;
    recording_begin_foreign(recording, pid);
    if (!observation->told_foreign)
        log_event(LOG_WARNING, "members_unrecorded", NULL,
                  "member %u does not record as this version (%s) does, and others may not either: "
                  "the observer knows that they live, and no more, until the cluster is restarted",
                  number, OFFLOOP_VERSION);
    observation->told_foreign = true;
}

void observation_forget(struct observation *observation, unsigned index)
{
    if (observation->recordings.table != NULL)
        recording_end(&observation->recordings.table[index]);
}

void observation_tell(const struct observation *observation)
{
    char authority[80], url[96];
    if (observation->observer == NULL)
        return;
    observer_authority(observation->observer, authority, sizeof authority);
    snprintf(url, sizeof url, "http://%s", authority);
    cJSON *fields = cJSON_CreateObject();
    cJSON_AddStringToObject(fields, "url", url);
    log_event(LOG_INFO, "observing", fields, "watch it on %s", url);
}

static unsigned port_behind(const char *patient)
{
    unsigned long port = strtoul(strrchr(patient, ':') + 1, NULL, 10);
    return port < 65535 ? (unsigned)port + 1 : 0;
}

static void log_report(const char *name, int error)
{
    char path[PATH_MAX];
    cJSON *fields = cJSON_CreateObject();
    const char *file = error == 0 && realpath(name, path) != NULL ? path : name;
    cJSON_AddStringToObject(fields, "file", file);
    if (error == 0)
        log_event(LOG_INFO, "reported", fields, "SIGUSR2: a report is in %s", file);
    else
        log_event(LOG_ERROR, "report_failed", fields, "cannot write %s: %s", file,
                  strerror(-error));
}

/* If the port was not asked for by number, any will do. */
static int start_observer(struct observation *observation, const struct options *options,
                          struct observer_options *observer_options)
{
    int rc = observer_start(&observation->observer, observer_options);
    if (rc != UV_EADDRINUSE || options->observer != OBSERVER_NEXT)
        return rc;
    observer_options->port = 0;
    return observer_start(&observation->observer, observer_options);
}

int observation_start(struct observation *observation, const struct options *options,
                      const char *patient)
{
    if (options->observer == OBSERVER_OFF || observation->recordings.table == NULL)
        return 0;
    bool next = options->observer == OBSERVER_NEXT;
    snprintf(observation->patient, sizeof observation->patient, "http://%s", patient);
    observation->config = config_json(options, observation->patient, observation->epoch_unix_ms);
    if (observation->config == NULL)
        return UV_ENOMEM;
    struct budget shares = budget_shares(budget_limit(), options, options->cluster > 0);
    struct observer_options observer_options = {
        .recordings = &observation->recordings,
        .names = &observation->names,
        .host = options->observer_host,
        .port = next ? port_behind(patient) : (unsigned)options->observer,
        .epoch_ns = observation->epoch_ns,
        .config = observation->config,
        .patient = observation->patient,
        .blocked_after_ms = options->blocked_after,
        .max_connections = shares.observer,
        .max_refused = shares.observer_refused,
        .on_report = log_report,
    };
    int rc = start_observer(observation, options, &observer_options);
    if (rc != 0)
        log_event(LOG_ERROR, "observer_failed", NULL, "cannot observe on %s port %u: %s%s",
                  options->observer_host, observer_options.port, uv_strerror(rc),
                  options_port_advice(true, rc));
    else
        counter_set(&observation->recordings.table[0].observer_port,
                    observer_port(observation->observer));
    return rc;
}

void observation_close(struct observation *observation)
{
    observer_stop(observation->observer);
    cJSON_free(observation->config);
    if (observation->own != NULL)
        recording_end(observation->own);
    recordings_close(&observation->recordings);
}
