/* batch.c – see batch.h. Times are milliseconds since the epoch of the survey, with microseconds
 * behind the point. Numbers go in as raw text: cJSON would print these with seventeen digits, and
 * reads each number that it has printed. */
#include "server/observe/batch.h"

#include <cjson/cJSON.h>
#include <inttypes.h>
#include <stdio.h>

#include "server/http/json.h"

static const double MS = 1e6;

/* ------------------------------------------------------------------ values */

static void add_ms(cJSON *object, const char *name, double ms)
{
    char text[40];
    snprintf(text, sizeof text, "%.3f", ms);
    cJSON_AddRawToObject(object, name, text);
}

static void add_ns(cJSON *object, const char *name, uint64_t ns)
{
    char text[40];
    uint64_t us = (ns + 500) / 1000;
    snprintf(text, sizeof text, "%" PRIu64 ".%03u", us / 1000, (unsigned)(us % 1000));
    cJSON_AddRawToObject(object, name, text);
}

static void add_count(cJSON *object, const char *name, uint64_t count)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRIu64, count);
    cJSON_AddRawToObject(object, name, text);
}

/* A point in time; null if it never came. */
static void add_time(cJSON *object, const char *name, const struct survey *survey, uint64_t ns)
{
    if (ns == 0)
        cJSON_AddNullToObject(object, name);
    else
        add_ms(object, name, survey_ms(survey, ns));
}

static void add_text_or_null(cJSON *object, const char *name, const char *text)
{
    if (text != NULL)
        cJSON_AddStringToObject(object, name, text);
    else
        cJSON_AddNullToObject(object, name);
}

static void add_quantiles(cJSON *object, const char *name,
                          const struct histogram_snapshot *snapshot)
{
    cJSON *quantiles = cJSON_AddObjectToObject(object, name);
    add_ns(quantiles, "p50", snapshot != NULL ? histogram_quantile(snapshot, 0.50) : 0);
    add_ns(quantiles, "p99", snapshot != NULL ? histogram_quantile(snapshot, 0.99) : 0);
    add_ns(quantiles, "max", snapshot != NULL ? snapshot->max_ns : 0);
}

/* ------------------------------------------------------------------ the loop */

static void add_blocked(cJSON *loop, const struct survey *survey,
                        const struct survey_member *member)
{
    char by[96] = "something that is no job";
    if (member->blocked_ns == 0) {
        cJSON_AddNullToObject(loop, "blocked");
        return;
    }
    cJSON *blocked = cJSON_AddObjectToObject(loop, "blocked");
    if (member->has_culprit)
        names_subject(survey->names, &member->culprit.subject, by, sizeof by);
    add_time(blocked, "since", survey, member->blocked_since_ns);
    cJSON_AddStringToObject(blocked, "by", by);
    add_text_or_null(blocked, "strategy",
                     member->has_culprit ? names_work(survey->names, member->culprit.subject.work)
                                         : NULL);
}

static void add_cells(cJSON *loop, const struct survey_member *member)
{
    char text[64];
    cJSON *cells = cJSON_AddArrayToObject(loop, "cells");
    for (uint64_t cell = member->first_cell; cell < member->next_cell; cell++) {
        double share = survey_cell(member, cell);
        if (share < 0)
            continue;
        snprintf(text, sizeof text, "[%llu,%.4f]", (unsigned long long)cell, share);
        json_append(cells, cJSON_CreateRaw(text));
    }
}

static void add_loop(cJSON *object, const struct survey *survey, struct survey_member *member)
{
    cJSON *loop = cJSON_AddObjectToObject(object, "loop");
    add_ns(loop, "lag_ms", member->lag_ns);
    add_ms(loop, "utilization", member->utilization);
    add_blocked(loop, survey, member);
    add_quantiles(loop, "lag", window_read(&member->lag));
    add_quantiles(loop, "waited", window_read(&member->waited));
    add_cells(loop, member);
}

/* ------------------------------------------------------------------ requests and work */

static void add_requests(cJSON *object, const struct survey_member *member)
{
    const struct http_counters *http = &member->recording->http;
    cJSON *requests = cJSON_AddObjectToObject(object, "requests");
    add_count(requests, "total", member->requests);
    add_count(requests, "in_flight", member->in_flight);
    add_ms(requests, "per_second", member->per_second);
    add_count(requests, "answers_2xx", counter_get(&http->answers_2xx));
    add_count(requests, "answers_4xx", counter_get(&http->answers_4xx));
    add_count(requests, "answers_5xx", counter_get(&http->answers_5xx));
    add_count(requests, "connections", member->connections);
}

static void add_routes(cJSON *object, const struct survey *survey, struct survey_member *member)
{
    cJSON *routes = cJSON_AddArrayToObject(object, "routes");
    for (size_t i = 0; i < names_route_count(survey->names); i++) {
        const struct histogram_snapshot *recent = window_read(&member->durations[i]);
        cJSON *route = cJSON_CreateObject();
        cJSON_AddStringToObject(route, "route", survey->names->routes[i]);
        add_count(route, "count", recent != NULL ? recent->count : 0);
        add_ns(route, "p50", recent != NULL ? histogram_quantile(recent, 0.50) : 0);
        add_ns(route, "p99", recent != NULL ? histogram_quantile(recent, 0.99) : 0);
        add_ns(route, "max", recent != NULL ? recent->max_ns : 0);
        json_append(routes, route);
    }
}

static void add_histogram(cJSON *object, const char *name,
                          const struct histogram_snapshot *snapshot)
{
    char text[64];
    cJSON *buckets = cJSON_AddArrayToObject(object, name);
    for (unsigned i = 0; snapshot != NULL && i < HISTOGRAM_BUCKETS; i++) {
        if (snapshot->counts[i] == 0)
            continue;
        uint64_t high_ns = histogram_bucket_high(i) < snapshot->max_ns ? histogram_bucket_high(i)
                                                                       : snapshot->max_ns;
        snprintf(text, sizeof text, "[%.4f,%llu]", (double)high_ns / MS,
                 (unsigned long long)snapshot->counts[i]);
        json_append(buckets, cJSON_CreateRaw(text));
    }
}

static void add_work(cJSON *works, const struct survey *survey, size_t index,
                     struct survey_work *work)
{
    cJSON *object = cJSON_CreateObject();
    const struct histogram_snapshot *wait = window_read(&work->wait);
    cJSON_AddStringToObject(object, "name", survey->names->works[index]);
    cJSON_AddStringToObject(object, "kind",
                            index < survey->names->strategy_count ? "strategy" : "source");
    add_count(object, "waiting", work->waiting);
    add_count(object, "running", work->running);
    add_count(object, "returning", work->returning);
    add_count(object, "submitted", work->submitted);
    for (int i = 0; i < TRIP_OUTCOMES; i++)
        add_count(object, trip_outcome_name((enum trip_outcome)i), work->outcomes[i]);
    add_quantiles(object, "wait", wait);
    add_quantiles(object, "run", window_read(&work->run));
    add_quantiles(object, "return", window_read(&work->back));
    add_ns(object, "oldest_wait", work->oldest_wait_ns);
    add_histogram(object, "wait_histogram", wait);
    json_append(works, object);
}

/* ------------------------------------------------------------------ lanes and the process */

static void add_lanes(cJSON *object, const struct survey *survey,
                      const struct survey_member *member)
{
    cJSON *lanes = cJSON_AddArrayToObject(object, "lanes");
    for (int i = 0; i < LANE_COUNT; i++) {
        char name[32];
        struct lane_view view;
        if (!member->seen[i] && i != 0)
            continue;
        struct lane lane = lane_at(i);
        bool busy = recording_lane(member->recording, i, &view);
        cJSON *row = cJSON_CreateObject();
        lane_name(lane, name, sizeof name);
        cJSON_AddStringToObject(row, "name", name);
        cJSON_AddStringToObject(row, "kind", lane_kind_name(lane.kind));
        add_count(row, "number", lane.number);
        if (busy)
            add_count(row, "trip", view.trip);
        else
            cJSON_AddNullToObject(row, "trip");
        add_time(row, "since", survey, busy ? view.since_ns : 0);
        json_append(lanes, row);
    }
}

static void add_process(cJSON *object, const struct survey_member *member)
{
    const struct process_stats *stats = &member->process;
    cJSON *process = cJSON_AddObjectToObject(object, "process");
    add_count(process, "rss_bytes", stats->resident_bytes);
    add_count(process, "threads", stats->threads);
    add_ms(process, "cpu_ms", (double)(stats->user_us + stats->system_us) / 1e3);
    add_count(process, "descriptors", stats->descriptors);
    add_ms(process, "throttled_ms", (double)member->throttle.now.throttled_us / 1e3);
}

static cJSON *describe_member(const struct survey *survey, struct survey_member *member)
{
    cJSON *object = cJSON_CreateObject();
    add_count(object, "member", member->number);
    add_count(object, "pid", (uint64_t)member->pid);
    cJSON_AddBoolToObject(object, "alive", member->alive);
    cJSON_AddBoolToObject(object, "recorded", member->recorded);
    add_loop(object, survey, member);
    add_requests(object, member);
    add_routes(object, survey, member);
    cJSON *works = cJSON_AddArrayToObject(object, "works");
    for (size_t i = 0; i < names_work_count(survey->names); i++)
        add_work(works, survey, i, &member->works[i]);
    add_lanes(object, survey, member);
    add_process(object, member);
    return object;
}

/* ------------------------------------------------------------------ what is new */

static cJSON *describe_subject(const struct survey *survey, const struct survey_record *entry)
{
    const struct trace_record *record = &entry->record;
    cJSON *object = cJSON_CreateObject();
    add_count(object, "id", record->id);
    add_count(object, "member", entry->member);
    cJSON_AddStringToObject(object, "work", names_work(survey->names, record->work));
    add_text_or_null(object, "kernel", names_kernel(survey->names, record->kernel));
    add_count(object, "size", record->size);
    return object;
}

static void add_submitted(cJSON *array, const struct survey *survey,
                          const struct survey_record *entry)
{
    cJSON *object = describe_subject(survey, entry);
    add_time(object, "at", survey, entry->record.submitted_ns);
    json_append(array, object);
}

static void add_trip(cJSON *array, const struct survey *survey, const struct survey_record *entry)
{
    char name[32];
    const struct trace_record *record = &entry->record;
    cJSON *object = describe_subject(survey, entry);
    lane_name((struct lane){(enum lane_kind)record->lane_kind, record->number}, name, sizeof name);
    cJSON_AddStringToObject(object, "lane", name);
    cJSON_AddStringToObject(object, "outcome",
                            trip_outcome_name((enum trip_outcome)record->outcome));
    add_time(object, "submitted", survey, record->submitted_ns);
    add_time(object, "started", survey, record->started_ns);
    add_time(object, "finished", survey, record->finished_ns);
    add_time(object, "delivered", survey, record->delivered_ns);
    json_append(array, object);
}

static void add_stall(cJSON *array, const struct survey *survey, const struct survey_record *entry)
{
    char by[112];
    const struct trace_record *stall = &entry->record;
    cJSON *object = cJSON_CreateObject();
    names_stall(survey->names, stall, by, sizeof by);
    add_count(object, "member", entry->member);
    add_time(object, "began", survey, stall->began_ns);
    add_time(object, "ended", survey, stall->ended_ns);
    cJSON_AddStringToObject(object, "by", by);
    add_text_or_null(object, "strategy", names_stall_strategy(survey->names, stall));
    add_count(object, "waited", stall->waited);
    add_ns(object, "longest_wait", stall->longest_wait_ns);
    json_append(array, object);
}

static void add_records(cJSON *batch, const struct survey *survey)
{
    cJSON *submitted = cJSON_AddArrayToObject(batch, "submitted");
    cJSON *trips = cJSON_AddArrayToObject(batch, "trips");
    cJSON *stalls = cJSON_AddArrayToObject(batch, "stalls");
    for (size_t i = 0; i < survey->record_count; i++) {
        const struct survey_record *entry = &survey->records[i];
        if (entry->record.kind == TRACE_SUBMITTED)
            add_submitted(submitted, survey, entry);
        else if (entry->record.kind == TRACE_TRIP)
            add_trip(trips, survey, entry);
        else
            add_stall(stalls, survey, entry);
    }
}

static void add_verdict(cJSON *batch, const struct verdict *verdict)
{
    cJSON *object = cJSON_AddObjectToObject(batch, "verdict");
    cJSON_AddStringToObject(object, "level", verdict_level_name(verdict->level));
    cJSON_AddStringToObject(object, "title", verdict->title);
    cJSON_AddStringToObject(object, "text", verdict->text);
    cJSON_AddStringToObject(object, "advice", verdict->advice);
}

char *batch_json(struct survey *survey, const struct verdict *verdict)
{
    cJSON *batch = cJSON_CreateObject();
    add_ms(batch, "t", survey_ms(survey, survey->now_ns));
    add_count(batch, "missed", survey->missed);
    cJSON *members = cJSON_AddArrayToObject(batch, "members");
    for (unsigned i = 0; i < survey->recordings->count; i++) {
        if (survey->members[i].pid != 0)
            json_append(members, describe_member(survey, &survey->members[i]));
    }
    add_records(batch, survey);
    add_verdict(batch, verdict);
    char *text = cJSON_PrintUnformatted(batch);
    cJSON_Delete(batch);
    return text;
}
