/* report.c – see report.h. Quantiles are those of the last ten seconds. */
#include "server/observe/report.h"

#include <errno.h>
#include <inttypes.h>

enum { STRIP_CELLS = 60, STRIP_COLUMNS_MS = STRIP_CELLS * RECORDING_CELL_MS };

struct quantiles {
    double p50, p99, max; /* ms */
};

static struct quantiles quantiles_of(struct window *window)
{
    const struct histogram_snapshot *recent = window_read(window);
    if (recent == NULL)
        return (struct quantiles){0};
    return (struct quantiles){
        .p50 = (double)histogram_quantile(recent, 0.50) / 1e6,
        .p99 = (double)histogram_quantile(recent, 0.99) / 1e6,
        .max = (double)recent->max_ns / 1e6,
    };
}

static void write_verdict(FILE *out, const struct verdict *verdict)
{
    fprintf(out, "%s\n%s\n", verdict->title, verdict->text);
    if (verdict->advice[0] != '\0')
        fprintf(out, "%s\n", verdict->advice);
}

/* ------------------------------------------------------------------ the loop */

static const char *block_for(double share)
{
    static const char *const blocks[] = {"·", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
    if (share < 0)
        return " ";
    return blocks[share <= 0.005 ? 0 : 1 + (size_t)(share * 7.0 + 0.5)];
}

static void write_strip(FILE *out, const struct survey_member *member)
{
    uint64_t end = member->next_cell, begin = end > STRIP_CELLS ? end - STRIP_CELLS : 0;
    fprintf(out, "  busy    ");
    for (uint64_t cell = begin; cell < end; cell++)
        fputs(block_for(survey_cell(member, cell)), out);
    fprintf(out, "  the last %d s\n", STRIP_COLUMNS_MS / 1000);
}

static void write_loop(FILE *out, const struct survey *survey, struct survey_member *member)
{
    char by[96];
    struct quantiles lag = quantiles_of(&member->lag);
    fprintf(out, "  loop    %.0f %% busy, %.1f ms late now; lag p50 %.2f, p99 %.2f, max %.2f ms\n",
            member->utilization * 100.0, (double)member->lag_ns / 1e6, lag.p50, lag.p99, lag.max);
    write_strip(out, member);
    if (member->blocked_ns == 0)
        return;
    fprintf(out, "  BLOCKED for %.0f ms", (double)member->blocked_ns / 1e6);
    if (member->has_culprit) {
        names_subject(survey->names, &member->culprit.subject, by, sizeof by);
        fprintf(out, " by %s", by);
    }
    fputc('\n', out);
}

/* ------------------------------------------------------------------ tables */

static void write_routes(FILE *out, const struct survey *survey, struct survey_member *member)
{
    if (member->requests == 0)
        return;
    fprintf(out, "\n  %-14s %10s %10s %10s %10s\n", "route", "requests", "p50 ms", "p99 ms",
            "max ms");
    for (size_t i = 0; i < names_route_count(survey->names); i++) {
        const struct histogram_snapshot *recent = window_read(&member->durations[i]);
        struct quantiles quantiles = quantiles_of(&member->durations[i]);
        if (recent != NULL && recent->count > 0)
            fprintf(out, "  %-14s %10" PRIu64 " %10.3f %10.3f %10.3f\n", survey->names->routes[i],
                    recent->count, quantiles.p50, quantiles.p99, quantiles.max);
    }
}

static void write_work(FILE *out, const char *name, struct survey_work *work)
{
    struct quantiles wait = quantiles_of(&work->wait), run = quantiles_of(&work->run);
    struct quantiles back = quantiles_of(&work->back);
    fprintf(out,
            "  %-14s %8" PRIu64 " %8" PRIu64 " %9" PRIu64 " %10.2f %10.2f %10.2f %10.2f %10.2f\n",
            name, work->waiting, work->running, work->returning, wait.p50, wait.p99, run.p50,
            run.p99, back.p99);
}

static bool has_worked(const struct survey *survey, const struct survey_member *member)
{
    bool any = false;
    for (size_t i = 0; i < names_work_count(survey->names); i++)
        any |= member->works[i].submitted > 0;
    return any;
}

static void write_works(FILE *out, const struct survey *survey, struct survey_member *member)
{
    fprintf(out, "\n  %-14s %8s %8s %9s %10s %10s %10s %10s %10s\n", "work", "waiting", "running",
            "returning", "wait p50", "wait p99", "run p50", "run p99", "return p99");
    for (size_t i = 0; i < names_work_count(survey->names); i++) {
        if (member->works[i].submitted > 0)
            write_work(out, survey->names->works[i], &member->works[i]);
    }
}

static void write_lanes(FILE *out, const struct survey *survey, const struct survey_member *member)
{
    fprintf(out, "\n  lanes\n");
    for (int i = 0; i < LANE_COUNT; i++) {
        char name[32], by[96] = "idle";
        struct lane_view view;
        if (!member->seen[i])
            continue;
        lane_name(lane_at(i), name, sizeof name);
        if (recording_lane(member->recording, i, &view))
            names_subject(survey->names, &view.subject, by, sizeof by);
        fprintf(out, "  %-14s %8" PRIu64 " done, busy %.1f s; now: %s\n", name,
                counter_get(&member->recording->lanes[i].trips),
                (double)counter_get(&member->recording->lanes[i].busy_ns) / 1e9, by);
    }
}

static void write_throttling(FILE *out, const struct cgroup_throttling *throttling)
{
    if (throttling->periods > 0)
        fprintf(out,
                "  cgroup  out of CPU time in %" PRIu64 " of %" PRIu64
                " periods, %.1f s together\n",
                throttling->throttled_periods, throttling->periods,
                (double)throttling->throttled_us / 1e6);
}

static void write_member(FILE *out, const struct survey *survey, struct survey_member *member)
{
    fprintf(out, "\nmember %u (pid %d)%s\n", member->number, member->pid,
            member->alive ? "" : ", NOT ALIVE");
    if (member->recorded)
        write_loop(out, survey, member);
    else
        fprintf(out,
                "  NOT RECORDED: it is of another version, and its loop and jobs are unknown\n");
    fprintf(out,
            "  process %.1f MB resident, %u threads, %u descriptors, %.1f s of processor time\n",
            (double)member->process.resident_bytes / 1e6, member->process.threads,
            member->process.descriptors,
            (double)(member->process.user_us + member->process.system_us) / 1e6);
    write_throttling(out, &member->throttle.now);
    if (!member->recorded)
        return;
    fprintf(out, "  %.0f requests/s, %" PRIu64 " jobs and queries out, %" PRIu64 " connections\n",
            member->per_second, member->in_flight, member->connections);
    write_routes(out, survey, member);
    if (has_worked(survey, member)) {
        write_works(out, survey, member);
        write_lanes(out, survey, member);
    }
}

/* ------------------------------------------------------------------ all members */

/* What all of them come to, and what processes that are gone have counted. */
struct totals {
    uint64_t requests, connections, resident_bytes;
    double per_second;
    struct survey_work works[RECORDING_WORKS]; /* counts only */
};

static void add_member(struct totals *totals, const struct survey_member *member)
{
    totals->requests += member->requests;
    totals->connections += member->connections;
    totals->per_second += member->per_second;
    totals->resident_bytes += member->pid != 0 ? member->process.resident_bytes : 0;
    for (size_t i = 0; i < RECORDING_WORKS; i++) {
        const struct survey_work *work = &member->works[i];
        totals->works[i].submitted += work->submitted;
        totals->works[i].waiting += work->waiting;
        totals->works[i].running += work->running;
        totals->works[i].outcomes[TRIP_SUCCEEDED] += work->outcomes[TRIP_SUCCEEDED];
    }
}

static void write_totals(FILE *out, const struct survey *survey)
{
    struct totals totals = {0};
    for (unsigned i = 0; i < survey->recordings->count; i++)
        add_member(&totals, &survey->members[i]);
    fprintf(out, "\nall %u members\n  process %.1f MB resident\n", survey->present,
            (double)totals.resident_bytes / 1e6);
    fprintf(out, "  %.0f requests/s, %" PRIu64 " so far, %" PRIu64 " connections\n",
            totals.per_second, totals.requests, totals.connections);
    for (size_t i = 0; i < names_work_count(survey->names); i++) {
        const struct survey_work *work = &totals.works[i];
        if (work->submitted > 0)
            fprintf(out,
                    "  %-14s %8" PRIu64 " waiting, %" PRIu64 " running, %" PRIu64 " succeeded\n",
                    survey->names->works[i], work->waiting, work->running,
                    work->outcomes[TRIP_SUCCEEDED]);
    }
}

int report_write(FILE *out, struct survey *survey, const struct verdict *verdict)
{
    fprintf(out, "offloop %s\n\n", OFFLOOP_VERSION);
    write_verdict(out, verdict);
    if (survey->recordings->count > 1)
        write_totals(out, survey);
    for (unsigned i = 0; i < survey->recordings->count; i++) {
        if (survey->members[i].pid != 0)
            write_member(out, survey, &survey->members[i]);
    }
    return ferror(out) ? -EIO : 0;
}
