/* survey.c – see survey.h. */
#include "server/observe/survey.h"

#include <stdlib.h>
#include <string.h>
#include <uv.h>

enum {
    LOOKS_PER_STATS = 10,
    LOOKS_PER_STEP = WINDOW_STEP_MS / 100,
    LOOKS_PER_JUDGED_STEP = SURVEY_LOOKS_JUDGED / WINDOW_READINGS,
    AWAY_MS = 30,
};

static const uint64_t MS = 1000000;

double survey_ms(const struct survey *survey, uint64_t ns)
{
    return ((double)ns - (double)survey->epoch_ns) / (double)MS;
}

double survey_cell(const struct survey_member *member, uint64_t cell)
{
    uint64_t value = counter_get(&member->recording->watch.cells[cell % RECORDING_CELLS]);
    double share = (double)(value & 0xffff) / 10000.0;
    if (value >> 16 != cell + 1)
        return -1.0;
    return share < 1.0 ? share : 1.0;
}

/* ------------------------------------------------------------------ the loop */

/* Whoever was stopped knows nothing of others: they may have been stopped with it, and need a
 * moment to show that they run again. */
static void begin_look(struct survey *survey)
{
    uint64_t now_ns = trip_clock_ns();
    if (survey->now_ns != 0 && trip_elapsed_ns(survey->now_ns, now_ns) > SURVEY_SURE_MS * MS)
        survey->stopped_ns = now_ns;
    survey->now_ns = now_ns;
    survey->present = 0;
}

static bool is_silent(const struct survey *survey, uint64_t sampled_ns)
{
    uint64_t heard_ns = sampled_ns > survey->stopped_ns ? sampled_ns : survey->stopped_ns;
    return trip_elapsed_ns(heard_ns, survey->now_ns) >= SURVEY_ALIVE_MS * MS;
}

/* A loop that was back when the watchdog last looked is in time: that the watchdog has not looked
 * since, because the machine is busy, is not the loop's fault. And of one that was not back,
 * nothing is known since a watchdog that is long overdue has last looked. */
static void look_at_block(const struct survey *survey, struct survey_member *member)
{
    const struct watch_record *watch = &member->recording->watch;
    uint64_t sampled_ns = counter_get(&watch->sampled_ns);
    uint64_t known_ns = survey->now_ns;
    if (trip_elapsed_ns(sampled_ns, known_ns) > SURVEY_SURE_MS * MS)
        known_ns = sampled_ns;
    member->pid = (int)counter_get(&member->recording->pid);
    member->recorded = counter_get(&member->recording->foreign) == 0;
    member->alive = member->pid != 0 && (!member->recorded || !is_silent(survey, sampled_ns));
    uint64_t progress_ns = counter_get(&watch->progress_ns);
    uint64_t since_ns = counter_get(&watch->blocked_since_ns);
    uint64_t away_ns = sampled_ns > progress_ns ? trip_elapsed_ns(progress_ns, known_ns) : 0;
    member->lag_ns =
        away_ns > AWAY_MS * MS ? away_ns : counter_get(&member->recording->loop.turn_ns);
    member->blocked_ns = since_ns != 0 ? trip_elapsed_ns(since_ns, known_ns) : 0;
    member->blocked_since_ns = since_ns;
    member->has_culprit = recording_lane(member->recording, 0, &member->culprit);
}

/* While the loop does not come back it counts nothing, but it is busy. */
static void look_at_utilization(struct survey_member *member)
{
    const struct loop_record *loop = &member->recording->loop;
    uint64_t busy_ns = counter_get(&loop->busy_ns), idle_ns = counter_get(&loop->idle_ns);
    double busy = (double)trip_elapsed_ns(member->busy_ns, busy_ns);
    double idle = (double)trip_elapsed_ns(member->idle_ns, idle_ns);
    member->busy_ns = busy_ns;
    member->idle_ns = idle_ns;
    if (member->blocked_ns > 0)
        member->utilization = 1.0;
    else
        member->utilization = busy + idle > 0 ? busy / (busy + idle) : 0.0;
}

/* The watchdog may be about to enter the last cell: then it is left for the next look. */
static void look_at_cells(struct survey_member *member, uint64_t now_ns)
{
    uint64_t epoch_ns = counter_get(&member->recording->epoch_ns);
    uint64_t sampled_ns = counter_get(&member->recording->watch.sampled_ns);
    uint64_t last_ns = sampled_ns < now_ns ? sampled_ns : now_ns;
    uint64_t end = trip_elapsed_ns(epoch_ns, last_ns) / (RECORDING_CELL_MS * MS);
    if (end > member->next_cell && survey_cell(member, end - 1) < 0)
        end--;
    member->first_cell = member->next_cell;
    if (end > member->first_cell + RECORDING_CELLS / 2)
        member->first_cell = end - RECORDING_CELLS / 2;
    bool is_new = end > member->next_cell || member->next_cell - end > RECORDING_CELLS;
    if (is_new) /* which may mean that its clock, its epoch, was set back */
        member->next_cell = end;
}

/* ------------------------------------------------------------------ the trace */

/* Bounded, and by id: a job that is out for more than SURVEY_OUTSTANDING others is forgotten. */
static void follow(struct survey_member *member, const struct trace_record *record)
{
    struct survey_outstanding *slot = &member->outstanding[record->id % SURVEY_OUTSTANDING];
    if (record->kind == TRACE_SUBMITTED)
        *slot = (struct survey_outstanding){
            .id = record->id, .submitted_ns = record->submitted_ns, .work = record->work};
    else if (record->kind == TRACE_TRIP && slot->id == record->id)
        slot->id = 0;
}

static void look_at_trace(struct survey *survey, struct survey_member *member)
{
    struct trace_record record;
    while (recording_read(member->recording, &member->cursor, &record, &survey->missed)) {
        follow(member, &record);
        if (survey->record_count < SURVEY_RECORDS)
            survey->records[survey->record_count++] =
                (struct survey_record){member->number, record};
        else
            survey->missed++;
    }
}

/* ------------------------------------------------------------------ work and requests */

static void look_at_work(struct survey_work *work, const struct work_record *record)
{
    /* The later stations first: a job that moves on meanwhile is counted twice, not below zero. */
    uint64_t delivered = counter_get(&record->delivered);
    uint64_t unstarted = counter_get(&record->unstarted);
    uint64_t finished = counter_get(&record->finished);
    uint64_t started = counter_get(&record->started);
    work->submitted = counter_get(&record->submitted);
    work->waiting =
        work->submitted > started + unstarted ? work->submitted - started - unstarted : 0;
    work->running = started > finished ? started - finished : 0;
    work->returning = finished + unstarted > delivered ? finished + unstarted - delivered : 0;
    for (int i = 0; i < TRIP_OUTCOMES; i++)
        work->outcomes[i] = counter_get(&record->outcomes[i]);
    work->oldest_wait_ns = 0;
}

static bool is_on_lane(const struct survey_member *member, uint64_t id)
{
    struct lane_view view;
    for (int i = 0; i < LANE_COUNT; i++) {
        if (member->seen[i] && recording_lane(member->recording, i, &view) && view.trip == id)
            return true;
    }
    return false;
}

/* Queues are first in, first out: those that wait are the ones that were submitted last. What an
 * earlier process of this place has left was lost with it. */
static void look_for_waiting(struct survey *survey, struct survey_member *member)
{
    uint64_t left[RECORDING_WORKS], newest = counter_get(&member->recording->ids);
    uint64_t began_ns = counter_get(&member->recording->began_ns);
    for (size_t i = 0; i < RECORDING_WORKS; i++)
        left[i] = member->works[i].waiting;
    for (uint64_t id = newest; id > 0 && newest - id < SURVEY_OUTSTANDING; id--) {
        struct survey_outstanding *out = &member->outstanding[id % SURVEY_OUTSTANDING];
        if (out->id != id || out->submitted_ns < began_ns || left[out->work] == 0 ||
            is_on_lane(member, id))
            continue;
        left[out->work]--;
        out->waited = survey->looks;
        member->works[out->work].oldest_wait_ns =
            trip_elapsed_ns(out->submitted_ns, survey->now_ns);
    }
}

bool survey_waits(const struct survey *survey, const struct survey_outstanding *out)
{
    return out->id != 0 && out->waited == survey->looks;
}

static void look_at_works(struct survey *survey, struct survey_member *member)
{
    member->in_flight = 0;
    for (size_t i = 0; i < names_work_count(survey->names); i++) {
        struct survey_work *work = &member->works[i];
        look_at_work(work, &member->recording->works[i]);
        member->in_flight += work->waiting + work->running + work->returning;
    }
    for (int i = 0; i < LANE_COUNT; i++) {
        const struct lane_record *lane = &member->recording->lanes[i];
        member->seen[i] |= counter_get(&lane->since_ns) != 0;
    }
    if (member->in_flight > 0)
        look_for_waiting(survey, member);
}

static void look_at_requests(struct survey_member *member, uint64_t now_ns)
{
    uint64_t requests = counter_get(&member->recording->http.requests);
    double seconds = (double)trip_elapsed_ns(member->looked_ns, now_ns) / 1e9;
    member->per_second = seconds > 0 ? (double)(requests - member->requests) / seconds : 0;
    member->requests = requests;
    uint64_t closed = counter_get(&member->recording->http.connections_closed);
    uint64_t accepted = counter_get(&member->recording->http.connections_accepted);
    member->connections = accepted > closed ? accepted - closed : 0;
    member->looked_ns = now_ns;
}

/* ------------------------------------------------------------------ members */

static void for_each_window(struct survey_member *member, void (*visit)(struct window *window))
{
    visit(&member->lag);
    visit(&member->waited);
    for (size_t i = 0; i < RECORDING_ROUTES; i++)
        visit(&member->durations[i]);
    for (size_t i = 0; i < RECORDING_WORKS; i++) {
        visit(&member->works[i].wait);
        visit(&member->works[i].run);
        visit(&member->works[i].back);
    }
}

static void look_at_member(struct survey *survey, struct survey_member *member)
{
    uint64_t now_ns = survey->now_ns;
    look_at_block(survey, member);
    look_at_utilization(member);
    look_at_cells(member, now_ns);
    look_at_trace(survey, member);
    look_at_works(survey, member);
    look_at_requests(member, now_ns);
    bool anew = survey->looks % LOOKS_PER_STATS == 1 || member->process_pid != member->pid;
    if (anew)
        (void)process_stats_read(member->pid, &member->process);
    if (member->pid != 0)
        throttle_look(&member->throttle, member->pid, now_ns, anew);
    member->process_pid = member->pid;
    if (survey->looks % LOOKS_PER_STEP == 0)
        for_each_window(member, window_step);
    if (survey->looks % LOOKS_PER_JUDGED_STEP == 0)
        window_step(&member->judged_lag);
}

void survey_look(struct survey *survey)
{
    begin_look(survey);
    survey->looks++;
    survey->missed = 0;
    survey->record_count = 0;
    for (unsigned i = 0; i < survey->recordings->count; i++) {
        look_at_member(survey, &survey->members[i]);
        survey->present += survey->members[i].pid != 0;
    }
}

bool survey_has_new_block(const struct survey *survey)
{
    for (unsigned i = 0; i < survey->recordings->count; i++) {
        const struct survey_member *member = &survey->members[i];
        if (member->blocked_ns == 0 && counter_get(&member->recording->watch.blocked_since_ns) != 0)
            return true;
    }
    return false;
}

void survey_glance(struct survey *survey)
{
    begin_look(survey);
    for (unsigned i = 0; i < survey->recordings->count; i++) {
        look_at_block(survey, &survey->members[i]);
        survey->present += survey->members[i].pid != 0;
    }
}

static void member_init(struct survey_member *member, const struct recordings *recordings,
                        unsigned index)
{
    const struct recording *recording = &recordings->table[index];
    unsigned slots = recordings->count / 2;
    member->recording = recording;
    member->index = index;
    member->number = slots > 0 ? index % slots + 1 : 0;
    member->looked_ns = trip_clock_ns();
    member->requests = counter_get(&recording->http.requests);
    member->busy_ns = counter_get(&recording->loop.busy_ns);
    member->idle_ns = counter_get(&recording->loop.idle_ns);
    window_init(&member->lag, &recording->loop.lag);
    window_init(&member->judged_lag, &recording->loop.lag);
    window_init(&member->waited, &recording->loop.waited);
    for (size_t i = 0; i < RECORDING_ROUTES; i++)
        window_init(&member->durations[i], &recording->routes[i].duration);
    for (size_t i = 0; i < RECORDING_WORKS; i++) {
        const struct leg_record *legs = &recording->works[i].legs;
        window_init(&member->works[i].wait, &legs->wait);
        window_init(&member->works[i].run, &legs->run);
        window_init(&member->works[i].back, &legs->back);
    }
}

int survey_init(struct survey *survey, const struct recordings *recordings,
                const struct names *names, uint64_t epoch_ns)
{
    memset(survey, 0, sizeof *survey);
    survey->names = names;
    survey->recordings = recordings;
    survey->epoch_ns = epoch_ns;
    survey->members = calloc(recordings->count, sizeof *survey->members);
    if (survey->members == NULL)
        return UV_ENOMEM;
    for (unsigned i = 0; i < recordings->count; i++)
        member_init(&survey->members[i], recordings, i);
    return 0;
}

void survey_close(struct survey *survey)
{
    for (unsigned i = 0; i < survey->recordings->count; i++) {
        for_each_window(&survey->members[i], window_close);
        window_close(&survey->members[i].judged_lag);
    }
    free(survey->members);
}
