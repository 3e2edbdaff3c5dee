/* trace_page.c – see trace_page.h. Waits overlap, so they are async events, one category a queue.
 * So are runs that share their lane with others (sliced).
 *
 * The page goes from stage to stage, and within a stage from step to step; a step writes a few
 * events or none. What is not over is noted when a member's part begins, and written when its
 * records have told which of it has ended since. */
#include "server/observe/trace_page.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "server/observe/chrome_trace.h"

/* Two steps for what has waited, one for what still does. */
enum {
    LAG_STEPS = 20,
    LAG_STEP_US = 25000,
    CHANGES_MAX = 2 * (TRACE_SLOTS + LANE_COUNT) + SURVEY_OUTSTANDING,
    PIECE_STEPS = 4096, /* many of which may write nothing */
};

/* A change of a queue's depth. */
struct change {
    uint64_t at_ns;
    int8_t by;
    uint8_t work;
};

/* What a lane did when the member's part began; and since when that had waited, 0: not known. */
struct running {
    struct lane_view view; /* trip 0: nothing */
    uint64_t submitted_ns;
};

struct trace_page {
    struct chrome_trace trace;
    const struct survey *survey;
    unsigned index; /* of the member */
    const struct stage *stage;
    uint64_t step; /* the next one of the stage */

    /* Of the member. */
    const struct survey_member *member;
    unsigned pid;
    uint64_t now_ns;
    uint64_t cursor, end;              /* in the trace; what comes behind is not of this page */
    uint64_t dropped;                  /* records that were overwritten too early */
    uint64_t lane_end_ns[LANE_COUNT];  /* of the last run on each lane */
    uint64_t over[SURVEY_OUTSTANDING]; /* ids of trips that were written, as in the survey */
    struct running running[LANE_COUNT];
    struct survey_outstanding waiting[SURVEY_OUTSTANDING];
    size_t waiting_count;
    struct change changes[CHANGES_MAX];
    size_t change_count;
    int depths[RECORDING_WORKS];
};

/* Writes what comes next of a stage. Returns false when there is nothing more. */
struct stage {
    bool (*write)(struct trace_page *page);
};

static double us(const struct trace_page *page, uint64_t ns)
{
    return survey_ms(page->survey, ns) * 1e3;
}

/* The stamps are of several threads, and what runs now may have begun after it was looked at. */
static double ms_between(uint64_t from_ns, uint64_t to_ns)
{
    return (double)trip_elapsed_ns(from_ns, to_ns) / 1e6;
}

/* ------------------------------------------------------------------ trips */

static void write_wait(struct trace_page *page, const struct trace_record *record)
{
    const char *work = names_work(page->survey->names, record->work);
    uint64_t end_ns = record->started_ns != 0 ? record->started_ns : record->delivered_ns;
    char category[32];
    snprintf(category, sizeof category, "queue %s", work);
    chrome_trace_async(&page->trace, record->id,
                       &(struct chrome_trace_event){
                           .pid = page->pid,
                           .name = category,
                           .category = category,
                           .at_us = us(page, record->submitted_ns),
                           .duration_us = ms_between(record->submitted_ns, end_ns) * 1e3,
                           .arguments = CHROME_TRACE_ARGUMENTS({"id", NULL, (double)record->id},
                                                               {"work", work, 0}),
                       });
}

/* A lane does one thing after the other; if this run began before the last one ended, they took
 * turns. */
static bool shares_lane(struct trace_page *page, int lane, const struct trace_record *record)
{
    bool shares = lane < 0 || record->started_ns < page->lane_end_ns[lane];
    if (!shares)
        page->lane_end_ns[lane] = record->finished_ns;
    return shares;
}

static void write_run(struct trace_page *page, const struct trace_record *record,
                      const char *outcome)
{
    const struct names *names = page->survey->names;
    const char *work = names_work(names, record->work);
    const char *kernel = names_kernel(names, record->kernel);
    int lane = lane_index((struct lane){(enum lane_kind)record->lane_kind, record->number});
    const struct chrome_trace_event event = {
        .pid = page->pid,
        .tid = (unsigned)(lane + 1),
        .name = kernel != NULL ? kernel : work,
        .category = work,
        .at_us = us(page, record->started_ns),
        .duration_us = ms_between(record->started_ns, record->finished_ns) * 1e3,
        .arguments = CHROME_TRACE_ARGUMENTS(
            {"id", NULL, (double)record->id}, {"size", NULL, (double)record->size},
            {"outcome", outcome, 0},
            {"wait_ms", NULL, ms_between(record->submitted_ns, record->started_ns)},
            {"return_ms", NULL, ms_between(record->finished_ns, record->delivered_ns)}),
    };
    if (shares_lane(page, lane, record))
        chrome_trace_async(&page->trace, record->id, &event);
    else
        chrome_trace_span(&page->trace, &event);
}

static void add_change(struct trace_page *page, uint64_t at_ns, int8_t by, uint8_t work)
{
    page->changes[page->change_count++] = (struct change){at_ns, by, work};
}

static void write_trip(struct trace_page *page, const struct trace_record *record)
{
    uint64_t end_ns = record->started_ns != 0 ? record->started_ns : record->delivered_ns;
    write_wait(page, record);
    if (record->started_ns != 0)
        write_run(page, record, trip_outcome_name((enum trip_outcome)record->outcome));
    add_change(page, record->submitted_ns, +1, record->work);
    add_change(page, end_ns, -1, record->work);
    page->over[record->id % SURVEY_OUTSTANDING] = record->id;
}

/* ------------------------------------------------------------------ what is not over */

static void note_running(struct trace_page *page, int index)
{
    struct running *running = &page->running[index];
    const struct survey_outstanding *out;
    *running = (struct running){{0}, 0};
    if (!recording_lane(page->member->recording, index, &running->view)) {
        running->view.trip = 0;
        return;
    }
    out = &page->member->outstanding[running->view.trip % SURVEY_OUTSTANDING];
    if (index != 0 && out->id == running->view.trip)
        running->submitted_ns = out->submitted_ns;
}

/* The clock comes last: what is seen to run has begun before. */
static void note_open(struct trace_page *page)
{
    page->waiting_count = 0;
    for (int i = 0; i < LANE_COUNT; i++)
        note_running(page, i);
    for (size_t i = 0; i < SURVEY_OUTSTANDING; i++) {
        const struct survey_outstanding *out = &page->member->outstanding[i];
        if (survey_waits(page->survey, out))
            page->waiting[page->waiting_count++] = *out;
    }
    page->now_ns = trip_clock_ns();
}

static bool is_over(const struct trace_page *page, uint64_t id)
{
    return page->over[id % SURVEY_OUTSTANDING] == id;
}

/* A wait that goes on is drawn up to now, and stays in its queue. */
static bool write_waiting(struct trace_page *page)
{
    if (page->step >= page->waiting_count)
        return false;
    const struct survey_outstanding *out = &page->waiting[page->step];
    if (is_over(page, out->id))
        return true;
    const struct trace_record record = {
        .id = out->id,
        .work = out->work,
        .submitted_ns = out->submitted_ns,
        .delivered_ns = page->now_ns,
    };
    write_wait(page, &record);
    add_change(page, out->submitted_ns, +1, out->work);
    return true;
}

/* On the loop it may be a slice, of which it is not known what went before. */
static bool write_running(struct trace_page *page)
{
    if (page->step >= LANE_COUNT)
        return false;
    const struct running *running = &page->running[page->step];
    const struct lane_view *view = &running->view;
    const struct lane lane = lane_at((int)page->step);
    if (view->trip == 0 || is_over(page, view->trip))
        return true;
    const struct trace_record record = {
        .id = view->trip,
        .size = view->subject.size,
        .submitted_ns = running->submitted_ns != 0 ? running->submitted_ns : view->since_ns,
        .started_ns = view->since_ns,
        .finished_ns = page->now_ns,
        .delivered_ns = page->now_ns,
        .work = view->subject.work,
        .kernel = view->subject.kernel,
        .lane_kind = (uint8_t)lane.kind,
        .number = (uint16_t)lane.number,
    };
    if (running->submitted_ns != 0) {
        write_wait(page, &record);
        add_change(page, record.submitted_ns, +1, record.work);
        add_change(page, record.started_ns, -1, record.work);
    }
    write_run(page, &record, "running");
    return true;
}

/* ------------------------------------------------------------------ counters */

static void write_lag(struct trace_page *page, double at_us, double lag_us)
{
    chrome_trace_counter(&page->trace, page->pid, "loop lag (ms)", at_us, lag_us / 1e3);
}

/* The lag grows while the loop is held, and is over at once. A counter is drawn in steps: each says
 * what the lag has grown to at its end. */
static void write_lags(struct trace_page *page, double began_us, double ended_us)
{
    int count = (int)fmin(LAG_STEPS, fmax(0, ceil((ended_us - began_us) / (double)LAG_STEP_US)));
    double step_us = count > 0 ? (ended_us - began_us) / count : 0;
    for (int i = 0; i < count; i++)
        write_lag(page, began_us + i * step_us, (i + 1) * step_us);
    write_lag(page, ended_us, 0);
}

static void write_stall(struct trace_page *page, const struct trace_record *stall)
{
    char by[112];
    double ended_us = us(page, stall->ended_ns);
    names_stall(page->survey->names, stall, by, sizeof by);
    write_lags(page, us(page, stall->began_ns), ended_us);
    chrome_trace_instant(&page->trace, &(struct chrome_trace_event){
                                           .pid = page->pid,
                                           .tid = 1,
                                           .name = "the loop is free again",
                                           .category = "stall",
                                           .at_us = ended_us,
                                           .arguments = CHROME_TRACE_ARGUMENTS(
                                               {"by", by, 0}, {"waited", NULL, stall->waited}),
                                       });
}

static bool write_busy(struct trace_page *page)
{
    const struct survey_member *member = page->member;
    uint64_t end = member->next_cell, first = end > RECORDING_CELLS ? end - RECORDING_CELLS + 1 : 0;
    uint64_t cell = first + page->step, epoch_ns = counter_get(&member->recording->epoch_ns);
    if (cell >= end || page->step >= RECORDING_CELLS)
        return false;
    double share = survey_cell(member, cell);
    if (share >= 0)
        chrome_trace_counter(&page->trace, page->pid, "loop busy (%)",
                             us(page, epoch_ns + cell * RECORDING_CELL_MS * 1000000u), share * 100);
    return true;
}

static int compare_changes(const void *a, const void *b)
{
    const struct change *left = a, *right = b;
    return (left->at_ns > right->at_ns) - (left->at_ns < right->at_ns);
}

/* Jobs that were out before the oldest record are not known: depths count from there. */
static bool write_depths(struct trace_page *page)
{
    char name[48];
    if (page->step == 0)
        qsort(page->changes, page->change_count, sizeof *page->changes, compare_changes);
    if (page->step >= page->change_count)
        return false;
    const struct change *change = &page->changes[page->step];
    page->depths[change->work] += change->by;
    snprintf(name, sizeof name, "waiting for %s", names_work(page->survey->names, change->work));
    chrome_trace_counter(&page->trace, page->pid, name, us(page, change->at_ns),
                         page->depths[change->work]);
    return true;
}

/* ------------------------------------------------------------------ records */

/* The next one that was there when the member's part began, as far as it still is. */
static bool next_record(struct trace_page *page, struct trace_record *record)
{
    uint64_t before = page->cursor, missed = 0;
    if (before >= page->end)
        return false;
    bool found = recording_read(page->member->recording, &page->cursor, record, &missed) &&
                 page->cursor <= page->end;
    page->dropped += found ? missed : page->end - before;
    return found;
}

static bool write_record(struct trace_page *page)
{
    struct trace_record record;
    if (!next_record(page, &record))
        return false;
    if (record.kind == TRACE_TRIP)
        write_trip(page, &record);
    else if (record.kind == TRACE_STALL)
        write_stall(page, &record);
    return true;
}

static bool write_dropped(struct trace_page *page)
{
    char label[80];
    if (page->dropped == 0 || page->step > 0)
        return false;
    snprintf(label, sizeof label,
             "%" PRIu64 " records are missing: overwritten before they were read", page->dropped);
    chrome_trace_label(&page->trace, page->pid, label);
    return true;
}

/* ------------------------------------------------------------------ members */

static bool write_names(struct trace_page *page)
{
    char name[48];
    if (page->step == 0) {
        snprintf(name, sizeof name, "offloop, member %u", page->member->number);
        chrome_trace_process(&page->trace, page->pid, name);
    }
    if (page->step >= LANE_COUNT)
        return false;
    unsigned lane = (unsigned)page->step;
    if (page->member->seen[lane] || lane == 0) {
        lane_name(lane_at((int)lane), name, sizeof name);
        chrome_trace_track(&page->trace, page->pid, lane + 1, name, (int)lane);
    }
    return true;
}

static const struct stage STAGES[] = {
    {write_names},   {write_record}, {write_running}, {write_waiting},
    {write_dropped}, {write_depths}, {write_busy},    {NULL},
};

static bool begin_member(struct trace_page *page)
{
    const struct survey_member *member = page->member = &page->survey->members[page->index];
    page->pid = (unsigned)member->pid;
    if (page->pid == 0)
        return false;
    memset(page->lane_end_ns, 0, sizeof page->lane_end_ns);
    memset(page->over, 0, sizeof page->over);
    memset(page->depths, 0, sizeof page->depths);
    page->change_count = page->dropped = page->step = 0;
    note_open(page);
    page->end = counter_get(&member->recording->trace.written);
    page->cursor = page->end >= TRACE_SLOTS ? page->end - TRACE_SLOTS + 1 : 0;
    page->stage = STAGES;
    return true;
}

/* Returns false behind the last member. */
static bool next_step(struct trace_page *page)
{
    if (page->stage == NULL) {
        if (page->index >= page->survey->recordings->count)
            return false;
        if (!begin_member(page))
            page->index++;
    } else if (page->stage->write == NULL) {
        page->stage = NULL;
        page->index++;
    } else if (page->stage->write(page)) {
        page->step++;
    } else {
        page->stage++;
        page->step = 0;
    }
    return true;
}

/* ------------------------------------------------------------------ the page */

struct trace_page *trace_page_open(const struct survey *survey)
{
    struct trace_page *page = calloc(1, sizeof *page);
    if (page != NULL)
        page->survey = survey;
    return page;
}

void trace_page_close(struct trace_page *page)
{
    free(page);
}

int trace_page_write(struct trace_page *page, FILE *out)
{
    bool more = true;
    if (page->trace.out == NULL)
        chrome_trace_begin(&page->trace, out);
    page->trace.out = out;
    uint64_t end = page->trace.events + TRACE_PAGE_PIECE_EVENTS;
    for (int i = 0; i < PIECE_STEPS && more && page->trace.events < end; i++)
        more = next_step(page);
    if (!more)
        return chrome_trace_end(&page->trace);
    return ferror(out) ? -EIO : 1;
}
