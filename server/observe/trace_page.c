/* trace_page.c – see trace_page.h. Waits overlap, so they are async events, one category a queue.
 * So are runs that share their lane with others (sliced). */
#include "server/observe/trace_page.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "server/observe/chrome_trace.h"

/* Two steps for what has waited, one for what still does. */
enum {
    LAG_STEPS = 20,
    LAG_STEP_US = 25000,
    STEPS_MAX = 2 * (TRACE_SLOTS + LANE_COUNT) + SURVEY_OUTSTANDING
};

/* A step of a queue's depth. */
struct step {
    uint64_t at_ns;
    int change;
    uint8_t work;
};

struct tracing {
    struct chrome_trace trace;
    const struct survey *survey;
    const struct survey_member *member;
    uint64_t lane_end_ns[LANE_COUNT];  /* of the last run on each lane */
    uint64_t over[SURVEY_OUTSTANDING]; /* ids of trips that were written, as in the survey */
    uint64_t now_ns;
    struct step *steps;
    size_t step_count;
};

static double us(const struct tracing *tracing, uint64_t ns)
{
    return survey_ms(tracing->survey, ns) * 1e3;
}

static unsigned pid_of(const struct tracing *tracing)
{
    return (unsigned)tracing->member->pid;
}

/* ------------------------------------------------------------------ trips */

static void write_wait(struct tracing *tracing, const struct trace_record *record)
{
    const char *work = names_work(tracing->survey->names, record->work);
    uint64_t end_ns = record->started_ns != 0 ? record->started_ns : record->delivered_ns;
    char category[32];
    snprintf(category, sizeof category, "queue %s", work);
    chrome_trace_async(&tracing->trace, record->id,
                       &(struct chrome_trace_event){
                           .pid = pid_of(tracing),
                           .name = category,
                           .category = category,
                           .at_us = us(tracing, record->submitted_ns),
                           .duration_us = (double)(end_ns - record->submitted_ns) / 1e3,
                           .arguments = CHROME_TRACE_ARGUMENTS({"id", NULL, (double)record->id},
                                                               {"work", work, 0}),
                       });
}

/* A lane does one thing after the other; if this run began before the last one ended, they took
 * turns. */
static bool shares_lane(struct tracing *tracing, int lane, const struct trace_record *record)
{
    bool shares = lane < 0 || record->started_ns < tracing->lane_end_ns[lane];
    if (!shares)
        tracing->lane_end_ns[lane] = record->finished_ns;
    return shares;
}

static void write_run(struct tracing *tracing, const struct trace_record *record,
                      const char *outcome)
{
    const struct names *names = tracing->survey->names;
    const char *work = names_work(names, record->work),
               *kernel = names_kernel(names, record->kernel);
    int lane = lane_index((struct lane){(enum lane_kind)record->lane_kind, record->number});
    const struct chrome_trace_event event = {
        .pid = pid_of(tracing),
        .tid = (unsigned)(lane + 1),
        .name = kernel != NULL ? kernel : work,
        .category = work,
        .at_us = us(tracing, record->started_ns),
        .duration_us = (double)(record->finished_ns - record->started_ns) / 1e3,
        .arguments = CHROME_TRACE_ARGUMENTS(
            {"id", NULL, (double)record->id}, {"size", NULL, (double)record->size},
            {"outcome", outcome, 0},
            {"wait_ms", NULL, (double)(record->started_ns - record->submitted_ns) / 1e6},
            {"return_ms", NULL, (double)(record->delivered_ns - record->finished_ns) / 1e6}),
    };
    if (shares_lane(tracing, lane, record))
        chrome_trace_async(&tracing->trace, record->id, &event);
    else
        chrome_trace_span(&tracing->trace, &event);
}

static void add_step(struct tracing *tracing, uint64_t at_ns, int change, uint8_t work)
{
    tracing->steps[tracing->step_count++] = (struct step){at_ns, change, work};
}

static void write_trip(struct tracing *tracing, const struct trace_record *record)
{
    uint64_t end_ns = record->started_ns != 0 ? record->started_ns : record->delivered_ns;
    write_wait(tracing, record);
    if (record->started_ns != 0)
        write_run(tracing, record, trip_outcome_name((enum trip_outcome)record->outcome));
    add_step(tracing, record->submitted_ns, +1, record->work);
    add_step(tracing, end_ns, -1, record->work);
    tracing->over[record->id % SURVEY_OUTSTANDING] = record->id;
}

/* ------------------------------------------------------------------ what is not over */

static bool is_over(const struct tracing *tracing, uint64_t id)
{
    return tracing->over[id % SURVEY_OUTSTANDING] == id;
}

/* A wait that goes on is drawn up to now, and stays in its queue. */
static void write_waiting(struct tracing *tracing, const struct survey_outstanding *out)
{
    if (!survey_waits(tracing->survey, out) || is_over(tracing, out->id))
        return;
    const struct trace_record record = {
        .id = out->id,
        .work = out->work,
        .submitted_ns = out->submitted_ns,
        .delivered_ns = tracing->now_ns,
    };
    write_wait(tracing, &record);
    add_step(tracing, out->submitted_ns, +1, out->work);
}

/* On the loop it may be a slice, of which it is not known what went before. */
static void write_running(struct tracing *tracing, int index)
{
    struct lane_view view;
    if (!recording_lane(tracing->member->recording, index, &view) || is_over(tracing, view.trip))
        return;
    const struct lane lane = lane_at(index);
    const struct survey_outstanding *out =
        &tracing->member->outstanding[view.trip % SURVEY_OUTSTANDING];
    bool has_waited = index != 0 && out->id == view.trip;
    const struct trace_record record = {
        .id = view.trip,
        .size = view.subject.size,
        .submitted_ns = has_waited ? out->submitted_ns : view.since_ns,
        .started_ns = view.since_ns,
        .finished_ns = tracing->now_ns,
        .delivered_ns = tracing->now_ns,
        .work = view.subject.work,
        .kernel = view.subject.kernel,
        .lane_kind = (uint8_t)lane.kind,
        .number = (uint16_t)lane.number,
    };
    if (has_waited) {
        write_wait(tracing, &record);
        add_step(tracing, record.submitted_ns, +1, record.work);
        add_step(tracing, record.started_ns, -1, record.work);
    }
    write_run(tracing, &record, "running");
}

static void write_open(struct tracing *tracing)
{
    tracing->now_ns = trip_clock_ns();
    for (int i = 0; i < LANE_COUNT; i++)
        write_running(tracing, i);
    for (size_t i = 0; i < SURVEY_OUTSTANDING; i++)
        write_waiting(tracing, &tracing->member->outstanding[i]);
}

/* ------------------------------------------------------------------ counters */

static void write_lag(struct tracing *tracing, double at_us, double lag_us)
{
    chrome_trace_counter(&tracing->trace, pid_of(tracing), "loop lag (ms)", at_us, lag_us / 1e3);
}

/* The lag grows while the loop is held, and is over at once. A counter is drawn in steps: each says
 * what the lag has grown to at its end. */
static void write_lags(struct tracing *tracing, double began_us, double ended_us)
{
    int count = (int)fmin(LAG_STEPS, fmax(0, ceil((ended_us - began_us) / LAG_STEP_US)));
    double step_us = count > 0 ? (ended_us - began_us) / count : 0;
    for (int i = 0; i < count; i++)
        write_lag(tracing, began_us + i * step_us, (i + 1) * step_us);
    write_lag(tracing, ended_us, 0);
}

static void write_stall(struct tracing *tracing, const struct trace_record *stall)
{
    char by[112];
    double ended_us = us(tracing, stall->ended_ns);
    names_stall(tracing->survey->names, stall, by, sizeof by);
    write_lags(tracing, us(tracing, stall->began_ns), ended_us);
    chrome_trace_instant(&tracing->trace, &(struct chrome_trace_event){
                                              .pid = pid_of(tracing),
                                              .tid = 1,
                                              .name = "the loop is free again",
                                              .category = "stall",
                                              .at_us = ended_us,
                                              .arguments = CHROME_TRACE_ARGUMENTS(
                                                  {"by", by, 0}, {"waited", NULL, stall->waited}),
                                          });
}

static void write_busy(struct tracing *tracing)
{
    const struct survey_member *member = tracing->member;
    uint64_t end = member->next_cell, begin = end > RECORDING_CELLS ? end - RECORDING_CELLS + 1 : 0;
    uint64_t epoch_ns = counter_get(&member->recording->epoch_ns);
    for (uint64_t cell = begin; cell < end; cell++) {
        double share = survey_cell(member, cell);
        if (share >= 0)
            chrome_trace_counter(&tracing->trace, pid_of(tracing), "loop busy (%)",
                                 us(tracing, epoch_ns + cell * RECORDING_CELL_MS * 1000000u),
                                 share * 100);
    }
}

static int compare_steps(const void *a, const void *b)
{
    const struct step *left = a, *right = b;
    return (left->at_ns > right->at_ns) - (left->at_ns < right->at_ns);
}

/* Jobs that were out before the oldest record are not known: depths count from there. */
static void write_depths(struct tracing *tracing)
{
    int depths[RECORDING_WORKS] = {0};
    char name[48];
    qsort(tracing->steps, tracing->step_count, sizeof *tracing->steps, compare_steps);
    for (size_t i = 0; i < tracing->step_count; i++) {
        const struct step *step = &tracing->steps[i];
        depths[step->work] += step->change;
        snprintf(name, sizeof name, "waiting for %s",
                 names_work(tracing->survey->names, step->work));
        chrome_trace_counter(&tracing->trace, pid_of(tracing), name, us(tracing, step->at_ns),
                             depths[step->work]);
    }
}

/* ------------------------------------------------------------------ members */

static void name_tracks(struct tracing *tracing)
{
    char name[48];
    snprintf(name, sizeof name, "offloop, member %u", tracing->member->number);
    chrome_trace_process(&tracing->trace, pid_of(tracing), name);
    for (int i = 0; i < LANE_COUNT; i++) {
        if (!tracing->member->seen[i] && i != 0)
            continue;
        lane_name(lane_at(i), name, sizeof name);
        chrome_trace_track(&tracing->trace, pid_of(tracing), (unsigned)i + 1, name, i);
    }
}

static void write_member(struct tracing *tracing)
{
    struct trace_record record;
    uint64_t cursor = 0, missed = 0;
    name_tracks(tracing);
    memset(tracing->lane_end_ns, 0, sizeof tracing->lane_end_ns);
    memset(tracing->over, 0, sizeof tracing->over);
    tracing->step_count = 0;
    for (size_t n = 0; n < TRACE_SLOTS; n++) {
        if (!recording_read(tracing->member->recording, &cursor, &record, &missed))
            break;
        if (record.kind == TRACE_TRIP)
            write_trip(tracing, &record);
        else if (record.kind == TRACE_STALL)
            write_stall(tracing, &record);
    }
    write_open(tracing);
    write_depths(tracing);
    write_busy(tracing);
}

int trace_page_write(FILE *out, const struct survey *survey)
{
    struct tracing *tracing = calloc(1, sizeof *tracing);
    struct step *steps = calloc(STEPS_MAX, sizeof *steps);
    int rc = tracing != NULL && steps != NULL ? 0 : -ENOMEM;
    if (rc == 0) {
        tracing->survey = survey;
        tracing->steps = steps;
        chrome_trace_begin(&tracing->trace, out);
        for (unsigned i = 0; i < survey->recordings->count; i++) {
            tracing->member = &survey->members[i];
            if (tracing->member->pid != 0)
                write_member(tracing);
        }
        rc = chrome_trace_end(&tracing->trace);
    }
    free(tracing);
    free(steps);
    return rc;
}
