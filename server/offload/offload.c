/* offload.c – the life of a job: admitted, sent, run, brought home, counted.
 *
 * What all strategies share is here, so that a strategy holds only its way of running things:
 * admission (a bounded queue for each), the wait for the calibration, the two ways in which a job
 * becomes unwanted (it is cancelled, or misses its deadline), the counters, and the order of the
 * end: first every job comes home, then the lanes close. */
#include "server/offload/offload.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "server/machine/backoff.h"
#include "server/offload/backlog.h"
#include "server/offload/calibration.h"
#include "server/offload/deadline.h"
#include "server/offload/lanes.h"
#include "server/offload/shedding.h"
#include "server/offload/strategy.h"

#define STRATEGY_ROW(name)  &strategy_##name,
#define STRATEGY_NAME(name) ", " #name

static const struct strategy *const strategies[] = {STRATEGIES(STRATEGY_ROW)};
static const char names[] = STRATEGIES(STRATEGY_NAME);

enum { STRATEGY_COUNT = sizeof strategies / sizeof *strategies };

/* What the server knows of one strategy. */
struct desk {
    bool started;
    int error; /* what it could not be started with, while it rests */
    struct backoff backoff;
    void *lanes;
    unsigned out; /* jobs that are waiting or running there */
    struct backlog backlog;
    struct shedding shedding;
    struct offload_counters counters;
};

struct offload {
    uv_loop_t *loop;
    struct offload_options options;
    struct desk desks[STRATEGY_COUNT];
    struct calibration calibration;
    struct job_queue uncalibrated; /* they wait for a size */
    struct deadlines deadlines;
    unsigned out; /* jobs, at all desks and the uncalibrated ones */
    bool stopping;
};

/* ------------------------------------------------------------------ the table */

const struct strategy *strategy_at(size_t index)
{
    return index < STRATEGY_COUNT ? strategies[index] : NULL;
}

const struct strategy *strategy_find(const char *name)
{
    for (size_t i = 0; i < STRATEGY_COUNT; i++) {
        if (strcmp(strategies[i]->name, name) == 0)
            return strategies[i];
    }
    return NULL;
}

const char *strategy_names(void)
{
    return names + sizeof ", " - 1;
}

const char *strategy_name(const struct strategy *strategy)
{
    return strategy->name;
}

const char *strategy_help(const struct strategy *strategy)
{
    return strategy->help;
}

static size_t index_of(const struct strategy *strategy)
{
    size_t index = 0;
    while (strategies[index] != strategy)
        index++;
    return index;
}

/* ------------------------------------------------------------------ on the lane */

/* Whoever says first why the job is to end is right. Returns false if it was said before. Any
 * thread. */
static bool unwant(struct job *job, int why)
{
    int wanted = 0;
    return atomic_compare_exchange_strong_explicit(&job->unwanted, &wanted, why,
                                                   memory_order_relaxed, memory_order_relaxed);
}

/* A lane looks at the clock by itself: on the loop no timer could ring meanwhile, and elsewhere a
 * busy loop would ring late. */
static bool is_wanted(struct job *job)
{
    if (job->deadline_ns != 0 && trip_clock_ns() >= job->deadline_ns)
        (void)unwant(job, -ETIMEDOUT);
    return atomic_load_explicit(&job->unwanted, memory_order_relaxed) == 0;
}

bool job_begin(struct job *job, struct lane lane)
{
    atomic_store_explicit(&job->begun, true, memory_order_relaxed);
    job->error = is_wanted(job) ? 0 : -ECANCELED;
    if (job->error != 0)
        return false;
    trip_start(&job->trip, lane);
    job->error = kernel_run_init(&job->run, job->kernel, &job->arguments);
    if (job->error != 0)
        trip_finish(&job->trip);
    return job->error == 0;
}

bool job_step(struct job *job, uint64_t budget)
{
    return is_wanted(job) && kernel_run_step(&job->run, budget);
}

void job_end(struct job *job)
{
    bool whole = job->run.done_units >= job->run.total_units;
    job->error = whole ? kernel_run_finish(&job->run, &job->result) : -ECANCELED;
    kernel_run_close(&job->run);
    trip_finish(&job->trip);
}

void job_run(struct job *job, struct lane lane)
{
    if (!job_begin(job, lane))
        return;
    while (job_step(job, job->kernel->step_units))
        continue;
    job_end(job);
}

/* ------------------------------------------------------------------ on the loop */

/* The end of the end: nothing is out any more. */
static void stop_lanes(struct offload *offload)
{
    for (size_t i = 0; i < STRATEGY_COUNT; i++) {
        if (offload->desks[i].started)
            strategies[i]->stop(offload->desks[i].lanes);
        offload->desks[i].started = false;
    }
    deadlines_close(&offload->deadlines);
}

static void go_home(struct job *job, enum trip_outcome outcome, int error)
{
    struct offload *offload = job->offload;
    struct desk *desk = &offload->desks[index_of(job->strategy)];
    struct offload_counters *counters = &desk->counters;
    job->outcome = outcome;
    job->error = error;
    trip_deliver(&job->trip, outcome);
    counters->succeeded += outcome == TRIP_SUCCEEDED;
    counters->cancelled += outcome == TRIP_CANCELLED;
    counters->refused += outcome == TRIP_REFUSED;
    counters->failed += outcome == TRIP_FAILED;
    counters->lost += outcome == TRIP_LOST;
    counters->expired += outcome == TRIP_EXPIRED;
    counters->dropped += outcome == TRIP_SUCCEEDED && job->owner == NULL;
    backlog_remove(&desk->backlog, job);
    offload->out--;
    deadlines_remove(&offload->deadlines, job);
    job->done(job);
    if (offload->stopping && offload->out == 0)
        stop_lanes(offload);
}

static void go_home_unwanted(struct job *job)
{
    bool late = atomic_load_explicit(&job->unwanted, memory_order_relaxed) == -ETIMEDOUT;
    go_home(job, late ? TRIP_EXPIRED : TRIP_CANCELLED, late ? -ETIMEDOUT : -ECANCELED);
}

void job_deliver(struct job *job, int error)
{
    int final = error != 0 ? error : job->error;
    job->offload->desks[index_of(job->strategy)].out--;
    if (final == 0)
        go_home(job, TRIP_SUCCEEDED, 0);
    else if (final == -ECANCELED)
        go_home_unwanted(job);
    else if (final == -EPIPE)
        go_home(job, TRIP_LOST, final);
    else
        go_home(job, TRIP_FAILED, final);
}

static void note_failure(struct offload *offload, size_t index, int error)
{
    struct desk *desk = &offload->desks[index];
    if (desk->error == 0)
        lanes_tell(&offload->options,
                   &(struct shortage){.strategy = strategies[index], .error = error});
    desk->error = error;
    backoff_failed(&desk->backoff, trip_clock_ns());
}

/* What the machine cannot give is not asked for anew by every request: to try costs a fork or a
 * thread for each lane, on the loop. */
static int desk_open(struct offload *offload, size_t index)
{
    struct desk *desk = &offload->desks[index];
    if (desk->started)
        return 0;
    if (backoff_rests(&desk->backoff, trip_clock_ns()))
        return desk->error;
    int rc = strategies[index]->start(offload->loop, &offload->options, &desk->lanes);
    desk->started = rc == 0;
    if (rc != 0)
        note_failure(offload, index, rc);
    return rc;
}

static bool is_full(const struct offload *offload, size_t index)
{
    const struct desk *desk = &offload->desks[index];
    unsigned width = strategies[index]->width(desk->lanes);
    return width > 0 && desk->out >= width + offload->options.max_queue;
}

/* The job has its size: to the lanes with it. */
static void send_out(struct offload *offload, struct job *job)
{
    size_t index = index_of(job->strategy);
    struct desk *desk = &offload->desks[index];
    int rc = desk_open(offload, index);
    if (rc == 0)
        rc = is_full(offload, index) ? UV_ENOBUFS : 0;
    if (rc == 0) {
        desk->out++; /* before submit: it may deliver at once */
        rc = job->strategy->submit(desk->lanes, job);
        if (rc == 0)
            return;
        desk->out--;
    }
    go_home(job, TRIP_REFUSED, rc);
}

static void set_size(struct offload *offload, struct job *job)
{
    job->arguments.values[0] = calibration_size(&offload->calibration, job->kernel, job->ms);
    job->trip.subject.size = job->arguments.values[0];
    job->unsized = false;
}

static void on_calibrated(void *data)
{
    struct offload *offload = data;
    struct job *job;
    while ((job = job_queue_pop(&offload->uncalibrated)) != NULL) {
        set_size(offload, job);
        send_out(offload, job);
    }
}

static struct trip_subject subject_of(const struct job *job)
{
    return (struct trip_subject){
        .work = (uint8_t)index_of(job->strategy),
        .kernel = (uint8_t)(kernel_index(job->kernel) + 1),
        .size = job->ms > 0 ? 0 : job->arguments.values[0],
    };
}

static void set_deadline(struct offload *offload, struct job *job)
{
    uint64_t most_ms = offload->options.job_timeout_ms;
    if (most_ms > 0 && (job->timeout_ms == 0 || job->timeout_ms > most_ms))
        job->timeout_ms = most_ms;
    job->due.kept = false;
    job->deadline_ns = 0;
    if (job->timeout_ms == 0)
        return;
    job->deadline_ns = job->trip.submitted_ns + job->timeout_ms * 1000000u;
    deadlines_add(&offload->deadlines, job);
}

void offload_submit(struct offload *offload, const struct strategy *strategy, struct job *job)
{
    job->offload = offload;
    job->strategy = strategy;
    trip_submit(&job->trip, offload->options.recording, subject_of(job));
    job->next = job->previous = NULL;
    job->problem[0] = '\0';
    atomic_init(&job->unwanted, 0);
    atomic_init(&job->begun, false);
    backlog_add(&offload->desks[index_of(strategy)].backlog, job);
    offload->out++;
    set_deadline(offload, job);
    offload->desks[index_of(strategy)].counters.submitted++;
    job->unsized = job->ms > 0;
    if (job->unsized && !offload->calibration.ready) {
        job_queue_push(&offload->uncalibrated, job);
        calibration_begin(&offload->calibration);
        return;
    }
    if (job->unsized)
        set_size(offload, job);
    send_out(offload, job);
}

static void withdraw(struct job *job, int why)
{
    struct offload *offload = job->offload;
    if (!unwant(job, why))
        return;
    if (job->unsized) {
        job_queue_remove(&offload->uncalibrated, job);
        go_home_unwanted(job);
    } else if (job->strategy->cancel != NULL) {
        job->strategy->cancel(offload->desks[index_of(job->strategy)].lanes, job);
    }
}

bool offload_sheds(struct offload *offload, const struct strategy *strategy,
                   struct lateness *lateness)
{
    const struct offload_options *options = &offload->options;
    struct desk *desk = &offload->desks[index_of(strategy)];
    uint64_t now_ns = trip_clock_ns();
    if (options->shed_lag_ms == 0)
        return false;
    lateness->loop_ns =
        options->loop_lag_ns != NULL ? options->loop_lag_ns(options->loop_lag_data) : 0;
    lateness->queue_ns = backlog_lateness_ns(&desk->backlog, now_ns);
    lateness->limit_ms = options->shed_lag_ms;
    bool sheds = shedding_update(&desk->shedding, now_ns, lateness_ns(lateness));
    desk->counters.shed += sheds;
    return sheds;
}

void offload_cancel(struct job *job)
{
    withdraw(job, -ECANCELED);
}

static void on_due(struct job *job)
{
    withdraw(job, -ETIMEDOUT);
}

void job_close(struct job *job)
{
    if (job->outcome == TRIP_SUCCEEDED)
        kernel_result_close(&job->result);
}

/* ------------------------------------------------------------------ beginning and end */

int offload_new(struct offload **offload, uv_loop_t *loop, const struct offload_options *options)
{
    struct offload *made = calloc(1, sizeof *made);
    if (made == NULL)
        return UV_ENOMEM;
    made->loop = loop;
    made->options = *options;
    int rc = calibration_init(&made->calibration, loop, on_calibrated, made);
    if (rc != 0) {
        free(made);
        return rc;
    }
    deadlines_init(&made->deadlines, loop, on_due);
    for (size_t i = 0; i < STRATEGY_COUNT; i++)
        shedding_init(&made->desks[i].shedding, options->shed_lag_ms);
    *offload = made;
    return 0;
}

int offload_warm_up(struct offload *offload, const struct strategy *strategy)
{
    calibration_begin(&offload->calibration);
    return desk_open(offload, index_of(strategy));
}

/* The newest first: a lane that is freed must find nobody who waits. */
static void cancel_all(struct backlog *backlog)
{
    for (struct job *job = backlog->newest; job != NULL;) {
        struct job *older = job->older;
        offload_cancel(job);
        job = older;
    }
}

void offload_stop(struct offload *offload)
{
    offload->stopping = true;
    calibration_end(&offload->calibration);
    for (size_t i = 0; i < STRATEGY_COUNT; i++)
        cancel_all(&offload->desks[i].backlog);
    if (offload->out == 0)
        stop_lanes(offload);
}

void offload_free(struct offload *offload)
{
    free(offload);
}

const struct offload_counters *offload_counters(const struct offload *offload,
                                                const struct strategy *strategy)
{
    return &offload->desks[index_of(strategy)].counters;
}
