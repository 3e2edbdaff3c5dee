/* cluster.c – see cluster.h: the parent, from the first member to the last.
 *
 *     STARTING ──── all members are ready ────▶ SERVING ──── SIGTERM, SIGINT ────▶ ENDING
 *        └── one ended before it was ready: exit status 1 ──────────────────────────▲
 *
 * The first member starts alone. So what makes all of them fail is said once, and the database of
 * /slow is made once.
 *
 * A member is told to drain by the end of its channel and not by SIGTERM: the end comes behind the
 * connections that were dealt to it, and it comes too if this process is killed. In the end that
 * waits until all connections are dealt that the kernel had let in; its time runs meanwhile.
 *
 * The path by which the program was started is asked for once, at the beginning, and followed anew
 * for each member: SIGHUP starts what is installed there by then. A restart in which the first new
 * member fails leaves the old ones as they are. */
#include "server/cluster/cluster.h"

#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "server/budget.h"
#include "server/cluster/dealer.h"
#include "server/cluster/renewal.h"
#include "server/cluster/slot.h"
#include "server/hangup.h"
#include "server/http/json.h"
#include "server/http/listener.h"
#include "server/log.h"
#include "server/observation.h"
#include "server/program.h"
#include "server/spawn.h"
#include "server/systemd.h"

enum { DRAIN_MARGIN_MS = 2000, SIGNALS = 2 };

#define NOT_SPAWNED "cannot be spawned: "

enum phase { STARTING, SERVING, ENDING };

struct cluster {
    const struct options *options;
    uv_loop_t loop;
    struct child_plan plan;
    struct observation observation;
    char program[PATH_MAX];
    int listener; /* the first slot's, or the dealer's */
    struct dealer dealer;
    struct slot slots[DEALER_MEMBERS_MAX];
    unsigned size;
    enum phase phase;
    bool filled; /* the first member was ready, and the others are started */
    struct renewal renewal;
    struct hangup hangup;
    struct orphans orphans;
    bool hung_up; /* SIGHUP came before it served */
    int status;

    uv_signal_t signals[SIGNALS];
    uv_timer_t watchdog;
    void (*on_second_signal)(int signal);
};

static bool deals(const struct cluster *cluster)
{
    return strcmp(cluster->options->cluster_sched, "rr") == 0;
}

static void for_each_child(struct cluster *cluster, void (*visit)(struct child *child))
{
    for (unsigned i = 0; i < cluster->size; i++)
        slot_each(&cluster->slots[i], visit);
}

static struct child *member_at(void *data, unsigned i)
{
    struct cluster *cluster = data;
    return cluster->slots[i].current;
}

/* ------------------------------------------------------------------ listeners */

static void close_listeners(struct cluster *cluster)
{
    for (unsigned i = 0; i < cluster->size; i++) {
        int fd = cluster->slots[i].listener;
        if (fd >= 0 && fd != cluster->listener)
            close(fd);
    }
    if (cluster->listener >= 0)
        close(cluster->listener);
}

static void log_listen_failed(const struct options *options, int error)
{
    log_event(LOG_ERROR, "listen_failed", NULL, "cannot listen on %s port %u: %s%s", options->host,
              options->port, uv_strerror(error), options_port_advice(false, error));
}

static int give_listeners(struct cluster *cluster, bool passed)
{
    int rc = 0;
    cluster->slots[0].listener = cluster->listener;
    for (unsigned i = 1; rc == 0 && i < cluster->size; i++) {
        if (passed)
            cluster->slots[i].listener = cluster->listener;
        else
            rc = http_listener_sibling(cluster->listener, &cluster->slots[i].listener);
    }
    return rc;
}

/* The one that was passed, or one of our own. Logs what is wrong. */
static int open_first(struct cluster *cluster, bool *passed)
{
    const struct options *options = cluster->options;
    char refusal[160];
    int rc = 0, count = systemd_listen_fds(1, refusal, sizeof refusal);
    *passed = count > 0;
    if (count < 0) {
        log_event(LOG_ERROR, "listen_failed", NULL, "cannot listen with --cluster: %s", refusal);
        return count;
    }
    cluster->listener = SYSTEMD_FIRST_FD;
    if (count == 0)
        rc = http_listener_open(&cluster->loop, options->host, options->port, options->reuse_port,
                                &cluster->listener);
    if (rc != 0) {
        cluster->listener = -1;
        log_listen_failed(options, rc);
    }
    return rc;
}

/* Each slot its own, or all of them the one that was passed; or that of the dealer. */
static int spread_listeners(struct cluster *cluster, bool passed)
{
    struct budget shares = budget_shares(budget_limit(), cluster->options, true);
    if (!deals(cluster))
        return give_listeners(cluster, passed);
    int rc = http_listener_start(cluster->listener);
    return rc != 0 ? rc
                   : dealer_open(&cluster->dealer, &cluster->loop, cluster->listener, cluster->size,
                                 shares.connections, member_at, cluster);
}

static int open_listeners(struct cluster *cluster)
{
    bool passed;
    int rc = open_first(cluster, &passed);
    if (rc != 0)
        return rc;
    rc = spread_listeners(cluster, passed);
    if (rc != 0)
        log_listen_failed(cluster->options, rc);
    return rc;
}

/* ------------------------------------------------------------------ the end */

static void finish(struct cluster *cluster)
{
    for (int i = 0; i < SIGNALS; i++)
        uv_close((uv_handle_t *)&cluster->signals[i], NULL);
    hangup_end(&cluster->hangup);
    orphans_end(&cluster->orphans);
    uv_close((uv_handle_t *)&cluster->watchdog, NULL);
    dealer_end(&cluster->dealer);
    for (unsigned i = 0; i < cluster->size; i++)
        slot_close(&cluster->slots[i]);
}

static bool is_empty(const struct cluster *cluster)
{
    for (unsigned i = 0; i < cluster->size; i++) {
        if (!slot_is_empty(&cluster->slots[i]))
            return false;
    }
    return true;
}

/* Something has changed: perhaps somebody is free, or there is nothing left to be dealt. */
static void deal_on(struct cluster *cluster)
{
    dealer_go_on(&cluster->dealer);
    if (cluster->phase == ENDING && dealer_is_done(&cluster->dealer))
        for_each_child(cluster, child_drain);
}

/* The listeners are closed first, here and then by the members: nobody shall wait in vain. */
static void begin_end(struct cluster *cluster, int status)
{
    cluster->phase = ENDING;
    cluster->status = status;
    dealer_close(&cluster->dealer);
    close_listeners(cluster);
    for (unsigned i = 0; i < cluster->size; i++)
        uv_timer_stop(&cluster->slots[i].rest);
    for_each_child(cluster, child_hurry);
    deal_on(cluster);
    if (is_empty(cluster))
        finish(cluster);
}

/* ------------------------------------------------------------------ the beginning */

static void add_members(cJSON *fields, const struct cluster *cluster)
{
    cJSON *pids = cJSON_AddArrayToObject(fields, "members");
    for (unsigned i = 0; i < cluster->size; i++)
        json_append(pids, cJSON_CreateNumber(cluster->slots[i].current->process.pid));
}

static void log_listening(const struct cluster *cluster)
{
    const struct options *options = cluster->options;
    char authority[80], url[96];
    http_listener_authority(cluster->listener, authority, sizeof authority);
    snprintf(url, sizeof url, "http://%s", authority);
    cJSON *fields = cJSON_CreateObject();
    cJSON_AddStringToObject(fields, "url", url);
    cJSON_AddNumberToObject(fields, "port", http_listener_port(cluster->listener));
    cJSON_AddNumberToObject(fields, "pid", uv_os_getpid());
    cJSON_AddStringToObject(fields, "offload", options->offload);
    cJSON_AddNumberToObject(fields, "cluster", cluster->size);
    cJSON_AddStringToObject(fields, "sched", options->cluster_sched);
    add_members(fields, cluster);
    log_event(LOG_INFO, "listening", fields,
              "listening on %s (offload=%s, cluster of %u, sched=%s)", url, options->offload,
              cluster->size, options->cluster_sched);
}

/* This loop's pulse, not the members': they report to nobody. */
static void on_watchdog(uv_timer_t *timer)
{
    (void)timer;
    (void)systemd_notify("WATCHDOG=1");
}

static void tell_ready(struct cluster *cluster)
{
    uint64_t interval_ms = systemd_watchdog_ms();
    int rc = systemd_notify("READY=1");
    if (rc != 0)
        log_event(LOG_WARNING, "notify_failed", NULL, "cannot notify the service manager: %s",
                  uv_strerror(rc));
    if (interval_ms > 0)
        uv_timer_start(&cluster->watchdog, on_watchdog, interval_ms, interval_ms);
}

static void fail_start(struct cluster *cluster, const struct slot *slot, const char *what,
                       const char *why)
{
    if (why != NULL)
        log_event(LOG_ERROR, "start_failed", NULL, "cannot start: member %u %s%s", slot->number,
                  what, why);
    begin_end(cluster, EXIT_FAILURE);
}

/* Fills the slots from this one on. */
static void fill_from(struct cluster *cluster, unsigned first, unsigned end)
{
    int rc = 0;
    for (unsigned i = first; rc == 0 && i < end; i++) {
        rc = slot_fill(&cluster->slots[i]);
        if (rc != 0)
            fail_start(cluster, &cluster->slots[i], NOT_SPAWNED, uv_strerror(rc));
    }
}

/* It is ready when it is shown, too: who asked for a port wants to hear that it is taken. */
static void begin_serving(struct cluster *cluster)
{
    char authority[80];
    http_listener_authority(cluster->listener, authority, sizeof authority);
    if (observation_start(&cluster->observation, cluster->options, authority) != 0) {
        begin_end(cluster, EXIT_FAILURE);
        return;
    }
    cluster->phase = SERVING;
    log_listening(cluster);
    observation_tell(&cluster->observation);
    tell_ready(cluster);
    if (cluster->hung_up)
        renewal_ask(&cluster->renewal);
}

static void go_on_starting(struct cluster *cluster)
{
    if (!cluster->filled) {
        cluster->filled = true;
        fill_from(cluster, 1, cluster->size);
    }
    for (unsigned i = 0; i < cluster->size; i++) {
        const struct child *child = cluster->slots[i].current;
        if (child == NULL || child->state != CHILD_READY)
            return;
    }
    begin_serving(cluster);
}

/* ------------------------------------------------------------------ what members do */

static void log_ready(const struct slot *slot, const struct child *child)
{
    cJSON *fields = cJSON_CreateObject();
    cJSON_AddNumberToObject(fields, "member", slot->number);
    cJSON_AddNumberToObject(fields, "pid", child->process.pid);
    log_event(LOG_INFO, "member_ready", fields, "member %u (pid %d) is ready", slot->number,
              child->process.pid);
}

static void on_ready(struct child *child)
{
    struct slot *slot = child->owner;
    struct cluster *cluster = slot->cluster;
    observation_meet(&cluster->observation, child->recording, slot->number, child->process.pid);
    if (cluster->phase == STARTING)
        go_on_starting(cluster);
    else if (cluster->phase == SERVING && child == slot->successor)
        renewal_on_ready(&cluster->renewal);
    else if (cluster->phase == SERVING)
        log_ready(slot, child);
    deal_on(cluster);
}

static void on_answered(struct child *child, int refused)
{
    struct slot *slot = child->owner;
    struct cluster *cluster = slot->cluster;
    if (refused >= 0)
        dealer_take_back(&cluster->dealer, refused);
    if (refused < 0 || cluster->phase == ENDING)
        deal_on(cluster);
}

/* One that ended with status 1 before it was ready has said why. */
static void on_died(struct cluster *cluster, struct slot *slot, const struct child *child,
                    int64_t status, const char *how)
{
    if (cluster->phase == STARTING && child->ready_ms == 0)
        fail_start(cluster, slot, "", status == EXIT_FAILURE ? NULL : how);
    else
        slot_refill(slot, child, how);
}

static void on_end(struct child *child, int64_t status, const char *how)
{
    struct slot *slot = child->owner;
    struct cluster *cluster = slot->cluster;
    enum slot_place place = slot_forget(slot, child);
    observation_forget(&cluster->observation, child->recording);
    if (cluster->phase == ENDING && is_empty(cluster))
        finish(cluster);
    else if (cluster->phase == ENDING)
        return;
    else if (place == SLOT_CURRENT)
        on_died(cluster, slot, child, status, how);
    else if (place == SLOT_SUCCESSOR)
        renewal_on_failed(&cluster->renewal, how);
    else
        renewal_on_left(&cluster->renewal);
    deal_on(cluster);
}

static const struct child_events child_events = {on_ready, on_answered, on_end};

/* ------------------------------------------------------------------ signals */

static void end_at_once(struct cluster *cluster, int number)
{
    for_each_child(cluster, child_kill);
    cluster->on_second_signal(number);
}

static void on_ending_signal(uv_signal_t *handle, int number)
{
    struct cluster *cluster = handle->data;
    if (cluster->phase == ENDING)
        end_at_once(cluster, number);
    log_event(LOG_INFO, "draining", NULL, "%s: taking no new connections, answering what is owed",
              number == SIGTERM ? "SIGTERM" : "SIGINT");
    (void)systemd_notify("STOPPING=1");
    begin_end(cluster, EXIT_SUCCESS);
}

static void on_hangup(void *data, bool ends)
{
    struct cluster *cluster = data;
    if (ends && cluster->phase != ENDING) {
        log_event(LOG_INFO, "draining", NULL, "SIGHUP: the terminal is closed");
        (void)systemd_notify("STOPPING=1");
        begin_end(cluster, EXIT_SUCCESS);
    } else if (cluster->phase == STARTING) {
        cluster->hung_up = true;
    } else if (cluster->phase == SERVING) {
        renewal_ask(&cluster->renewal);
    }
}

static void watch_signals(struct cluster *cluster)
{
    static const int numbers[SIGNALS] = {SIGTERM, SIGINT};
    for (int i = 0; i < SIGNALS; i++) {
        uv_signal_init(&cluster->loop, &cluster->signals[i]);
        cluster->signals[i].data = cluster;
        uv_signal_start(&cluster->signals[i], on_ending_signal, numbers[i]);
    }
    hangup_begin(&cluster->hangup, &cluster->loop, on_hangup, cluster);
}

/* ------------------------------------------------------------------ all of it */

static void cluster_init(struct cluster *cluster, char **arguments)
{
    cluster->listener = -1;
    cluster->size = cluster->options->cluster;
    cluster->plan = (struct child_plan){
        .loop = &cluster->loop,
        .program = cluster->program,
        .arguments = arguments,
        .start_ms = cluster->options->start_timeout,
        .drain_ms = cluster->options->drain_timeout + DRAIN_MARGIN_MS,
        .members = cluster->options->cluster,
        .recordings = cluster->observation.recordings.fd,
        .events = &child_events,
    };
    for (unsigned i = 0; i < cluster->size; i++)
        slot_init(&cluster->slots[i], cluster, &cluster->plan, i + 1);
    renewal_init(&cluster->renewal, cluster->slots, cluster->size);
    uv_timer_init(&cluster->loop, &cluster->watchdog);
    watch_signals(cluster);
    orphans_begin(&cluster->orphans, &cluster->loop);
}

static void run(struct cluster *cluster)
{
    if (open_listeners(cluster) != 0)
        begin_end(cluster, EXIT_FAILURE);
    else
        fill_from(cluster, 0, 1);
    uv_run(&cluster->loop, UV_RUN_DEFAULT);
    if (cluster->status == EXIT_SUCCESS)
        log_event(LOG_INFO, "stopped", NULL, "everything is answered and closed");
}

static int start_failed(struct cluster *cluster, int rc)
{
    log_event(LOG_ERROR, "start_failed", NULL, "cannot start: %s", uv_strerror(rc));
    free(cluster);
    return EXIT_FAILURE;
}

int cluster_run(const struct options *options, char **arguments,
                void (*on_second_signal)(int signal))
{
    struct cluster *cluster = calloc(1, sizeof *cluster);
    if (cluster == NULL)
        return start_failed(cluster, UV_ENOMEM);
    int rc = uv_loop_init(&cluster->loop);
    if (rc == 0)
        rc = program_started_by(cluster->program, sizeof cluster->program);
    if (rc == 0)
        rc = observation_prepare(&cluster->observation, options);
    if (rc != 0)
        return start_failed(cluster, rc);
    cluster->options = options;
    cluster->on_second_signal = on_second_signal;
    cluster_init(cluster, arguments);
    run(cluster);
    int status = cluster->status;
    observation_close(&cluster->observation);
    uv_loop_close(&cluster->loop);
    free(cluster);
    return status;
}
