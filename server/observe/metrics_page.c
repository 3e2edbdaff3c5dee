/* metrics_page.c – see metrics_page.h. Counters come straight from the recordings, so they are
 * those of this moment; the quantiles are those of the last ten seconds, as the page shows them. */
#include "server/observe/metrics_page.h"

struct page {
    struct exposition exposition;
    struct survey *survey;
};

static const uint64_t US = 1000, MS = 1000000, S = 1000000000;

/* ------------------------------------------------------------------ labels */

/* A member's number as text, for labels. The second recording of its place in a cluster, which
 * every other process of a rolling restart writes, is "3b": its counters go on beside those of "3".
 */
struct member_label {
    char text[16];
};

static struct member_label label_of(const struct survey_member *member)
{
    struct member_label label;
    snprintf(label.text, sizeof label.text, "%u%s", member->number,
             member->number > 0 && member->index >= member->number ? "b" : "");
    return label;
}

/* Those whose recording was ever written. */
#define FOR_EACH_MEMBER(page, member)                                                    \
    for (struct survey_member *member = (page)->survey->members;                         \
         member < (page)->survey->members + (page)->survey->recordings->count; member++) \
        if (counter_get(&member->recording->watch.sampled_ns) != 0)

/* Those that have a process: what is true now, or is the process' own, is that of nobody else. */
#define FOR_EACH_PROCESS(page, member) \
    FOR_EACH_MEMBER(page, member)      \
    if (member->pid != 0)

/* And write into their recording. */
#define FOR_EACH_RECORDED(page, member) \
    FOR_EACH_PROCESS(page, member)      \
    if (member->recorded)

static double seconds(uint64_t ns)
{
    return (double)ns / 1e9;
}

static void write_histogram(struct page *page, const struct exposition_label *labels,
                            const struct histogram *histogram)
{
    const uint64_t bounds[] = {
        10 * US,   25 * US, 50 * US,   100 * US, 250 * US, 500 * US, 1 * MS,
        2500 * US, 5 * MS,  10 * MS,   25 * MS,  50 * MS,  100 * MS, 250 * MS,
        500 * MS,  1 * S,   2500 * MS, 5 * S,    10 * S,   30 * S,   60 * S,
    };
    struct histogram_snapshot snapshot;
    histogram_read(histogram, &snapshot);
    exposition_histogram(&page->exposition, labels, &snapshot, bounds,
                         sizeof bounds / sizeof *bounds);
}

/* ------------------------------------------------------------------ values of a member */

/* A family with one sample for each member. */
struct member_family {
    const char *name;
    enum exposition_type type;
    const char *unit, *help;
    double (*value)(struct survey_member *member);
};

static double lag_quantile(struct survey_member *member, double q)
{
    const struct histogram_snapshot *recent = window_read(&member->lag);
    return recent != NULL ? seconds(histogram_quantile(recent, q)) : 0.0;
}

#define VALUE(name, expression)                      \
    static double name(struct survey_member *member) \
    {                                                \
        return (expression);                         \
    }

VALUE(lag_now, seconds(member->lag_ns))
VALUE(lag_p50, lag_quantile(member, 0.50))
VALUE(lag_p90, lag_quantile(member, 0.90))
VALUE(lag_p99, lag_quantile(member, 0.99))
VALUE(lag_max, lag_quantile(member, 1.0))
VALUE(utilization, member->utilization)
VALUE(blocked, seconds(member->blocked_ns))
VALUE(turns, (double)counter_get(&member->recording->loop.turns))
VALUE(busy, seconds(counter_get(&member->recording->loop.busy_ns)))
VALUE(idle, seconds(counter_get(&member->recording->loop.idle_ns)))
VALUE(stalls, (double)counter_get(&member->recording->loop.stalls))
VALUE(stalled, seconds(counter_get(&member->recording->loop.stalled_ns)))
VALUE(stopped, seconds(counter_get(&member->recording->watch.stops.stopped_ns)))
VALUE(user_cpu, (double)member->process.user_us / 1e6)
VALUE(system_cpu, (double)member->process.system_us / 1e6)
VALUE(all_cpu, user_cpu(member) + system_cpu(member))
VALUE(resident, (double)member->process.resident_bytes)
VALUE(virtual, (double)member->process.virtual_bytes)
VALUE(start_time, (double)member->process.started_unix_ms / 1e3)
VALUE(descriptors, (double)member->process.descriptors)
VALUE(threads, (double)member->process.threads)
VALUE(connections, (double)member->connections)
VALUE(cpu_periods, (double)member->throttle.now.periods)
VALUE(cpu_throttled_periods, (double)member->throttle.now.throttled_periods)
VALUE(cpu_throttled, (double)member->throttle.now.throttled_us / 1e6)
VALUE(alive, member->pid != 0 && member->alive ? 1.0 : 0.0)

static const struct member_family present_families[] = {
    {"nodejs_eventloop_lag_seconds", EXPOSITION_GAUGE, "seconds", "How late the event loop is now.",
     lag_now},
    {"nodejs_eventloop_lag_p50_seconds", EXPOSITION_GAUGE, "seconds",
     "Median lag of the last ten seconds, with the ticks that stalls swallowed.", lag_p50},
    {"nodejs_eventloop_lag_p90_seconds", EXPOSITION_GAUGE, "seconds",
     "90th percentile of the lag of the last ten seconds.", lag_p90},
    {"nodejs_eventloop_lag_p99_seconds", EXPOSITION_GAUGE, "seconds",
     "99th percentile of the lag of the last ten seconds.", lag_p99},
    {"nodejs_eventloop_lag_max_seconds", EXPOSITION_GAUGE, "seconds",
     "Greatest lag of the last ten seconds.", lag_max},
    {"nodejs_eventloop_utilization", EXPOSITION_GAUGE, NULL,
     "Share of the time in which the event loop was busy.", utilization},
    {"offloop_loop_blocked_seconds", EXPOSITION_GAUGE, "seconds",
     "For how long the event loop has been blocked now; 0 if it is not.", blocked},
    {"offloop_connections", EXPOSITION_GAUGE, NULL, "Connections that are open.", connections},
};

static const struct member_family process_families[] = {
    {"process_cpu_user_seconds", EXPOSITION_COUNTER, "seconds", "User CPU time spent.", user_cpu},
    {"process_cpu_system_seconds", EXPOSITION_COUNTER, "seconds", "System CPU time spent.",
     system_cpu},
    {"process_cpu_seconds", EXPOSITION_COUNTER, "seconds", "User and system CPU time spent.",
     all_cpu},
    {"process_resident_memory_bytes", EXPOSITION_GAUGE, "bytes", "Resident memory size.", resident},
    {"process_virtual_memory_bytes", EXPOSITION_GAUGE, "bytes", "Virtual memory size.", virtual},
    {"process_start_time_seconds", EXPOSITION_GAUGE, "seconds",
     "Start time of the process since the Unix epoch.", start_time},
    {"process_open_fds", EXPOSITION_GAUGE, NULL, "Open file descriptors.", descriptors},
    {"offloop_process_threads", EXPOSITION_GAUGE, NULL, "Threads of the process.", threads},
    {"offloop_cpu_periods", EXPOSITION_COUNTER, NULL,
     "Periods in which its cgroups had something to run under a CPU quota.", cpu_periods},
    {"offloop_cpu_throttled_periods", EXPOSITION_COUNTER, NULL,
     "Periods in which that quota was used up.", cpu_throttled_periods},
    {"offloop_cpu_throttled_seconds", EXPOSITION_COUNTER, "seconds",
     "For how long its cgroups stood still then; each core counts.", cpu_throttled},
};

static const struct member_family loop_families[] = {
    {"offloop_loop_turns", EXPOSITION_COUNTER, NULL, "Turns of the event loop.", turns},
    {"offloop_loop_busy_seconds", EXPOSITION_COUNTER, "seconds",
     "Time in which the event loop ran callbacks.", busy},
    {"offloop_loop_idle_seconds", EXPOSITION_COUNTER, "seconds",
     "Time in which the event loop waited for events.", idle},
    {"offloop_loop_stalls", EXPOSITION_COUNTER, NULL,
     "Times that the event loop was held for 50 ms or more.", stalls},
    {"offloop_loop_stalled_seconds", EXPOSITION_COUNTER, "seconds", "How long these were together.",
     stalled},
    {"offloop_process_stopped_seconds", EXPOSITION_COUNTER, "seconds",
     "Time in which the whole process did not run: SIGSTOP, a debugger, a frozen container.",
     stopped},
};

static void begin_member_family(struct page *page, const struct member_family *family)
{
    exposition_family(&page->exposition, family->name, family->type, family->unit, family->help);
}

static void write_member_sample(struct page *page, const struct member_family *family,
                                struct survey_member *member)
{
    struct member_label label = label_of(member);
    exposition_sample(&page->exposition, EXPOSITION_LABELS({"member", label.text}),
                      family->value(member));
}

static void write_present(struct page *page)
{
    for (size_t i = 0; i < sizeof present_families / sizeof *present_families; i++) {
        begin_member_family(page, &present_families[i]);
        FOR_EACH_RECORDED(page, member)
        {
            write_member_sample(page, &present_families[i], member);
        }
    }
}

static void write_processes(struct page *page)
{
    for (size_t i = 0; i < sizeof process_families / sizeof *process_families; i++) {
        begin_member_family(page, &process_families[i]);
        FOR_EACH_PROCESS(page, member)
        {
            write_member_sample(page, &process_families[i], member);
        }
    }
}

static void write_loops(struct page *page)
{
    for (size_t i = 0; i < sizeof loop_families / sizeof *loop_families; i++) {
        begin_member_family(page, &loop_families[i]);
        FOR_EACH_MEMBER(page, member)
        {
            write_member_sample(page, &loop_families[i], member);
        }
    }
}

/* A place of a cluster has two recordings and mostly one process: it is dead if it has none. */
static bool tells_of_its_place(const struct page *page, const struct survey_member *member)
{
    unsigned count = page->survey->recordings->count;
    const struct survey_member *other = &page->survey->members[(member->index + count / 2) % count];
    return member->pid != 0 || (other->pid == 0 && member->index <= other->index);
}

static void write_alive(struct page *page)
{
    static const struct member_family family = {"offloop_member_alive", EXPOSITION_GAUGE, NULL,
                                                "1 if the server process is alive.", alive};
    begin_member_family(page, &family);
    FOR_EACH_MEMBER(page, member)
    {
        if (tells_of_its_place(page, member))
            write_member_sample(page, &family, member);
    }
}

/* ------------------------------------------------------------------ requests */

static const char *route_name(const struct page *page, size_t row)
{
    return row < names_route_count(page->survey->names) ? page->survey->names->routes[row]
                                                        : "other";
}

static bool route_has_row(const struct page *page, size_t row)
{
    return row < names_route_count(page->survey->names) || row == RECORDING_ROUTES - 1;
}

static void write_durations(struct page *page)
{
    exposition_family(&page->exposition, "http_request_duration_seconds", EXPOSITION_HISTOGRAM,
                      "seconds",
                      "From the moment a request was read to its answer. Time in which it lay in "
                      "the socket is in offloop_socket_wait_seconds.");
    FOR_EACH_MEMBER(page, member)
    {
        struct member_label label = label_of(member);
        for (size_t i = 0; i < RECORDING_ROUTES; i++) {
            if (route_has_row(page, i))
                write_histogram(
                    page, EXPOSITION_LABELS({"member", label.text}, {"route", route_name(page, i)}),
                    &member->recording->routes[i].duration);
        }
    }
}

static void write_answers_of(struct page *page, const struct survey_member *member, size_t row)
{
    static const char *const classes[] = {"other", "1xx", "2xx", "3xx", "4xx", "5xx"};
    struct member_label label = label_of(member);
    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++) {
        uint64_t count = counter_get(&member->recording->routes[row].answers[i]);
        if (count > 0)
            exposition_sample(&page->exposition,
                              EXPOSITION_LABELS({"member", label.text},
                                                {"route", route_name(page, row)},
                                                {"code", classes[i]}),
                              (double)count);
    }
}

static void write_answers(struct page *page)
{
    exposition_family(&page->exposition, "http_requests", EXPOSITION_COUNTER, NULL,
                      "Requests that were answered, by route and class of status.");
    FOR_EACH_MEMBER(page, member)
    {
        for (size_t i = 0; i < RECORDING_ROUTES; i++)
            write_answers_of(page, member, i);
    }
}

static void write_http_counter(struct page *page, const char *event, const struct counter *counter,
                               const char *member)
{
    exposition_sample(&page->exposition, EXPOSITION_LABELS({"member", member}, {"event", event}),
                      (double)counter_get(counter));
}

static void write_http(struct page *page)
{
    exposition_family(&page->exposition, "offloop_http_events", EXPOSITION_COUNTER, NULL,
                      "What happened on the server's sockets, by kind; see docs/http.md.");
    FOR_EACH_MEMBER(page, member)
    {
        struct member_label label = label_of(member);
        const struct http_counters *http = &member->recording->http;
#define WRITE_COUNTER(name) write_http_counter(page, #name, &http->name, label.text);
        HTTP_COUNTERS(WRITE_COUNTER)
#undef WRITE_COUNTER
    }
}

static void write_socket_waits(struct page *page)
{
    exposition_family(&page->exposition, "offloop_socket_wait_seconds", EXPOSITION_HISTOGRAM,
                      "seconds",
                      "How long requests lay in the socket because the event loop was held; only "
                      "those that a stall made wait.");
    FOR_EACH_MEMBER(page, member)
    {
        struct member_label label = label_of(member);
        write_histogram(page, EXPOSITION_LABELS({"member", label.text}),
                        &member->recording->loop.waited);
    }
}

/* ------------------------------------------------------------------ jobs, queries, lanes */

static void write_places(struct page *page)
{
    exposition_family(&page->exposition, "offloop_jobs", EXPOSITION_GAUGE, NULL,
                      "Jobs and queries that are out, by strategy or source and by place.");
    FOR_EACH_RECORDED(page, member)
    {
        struct member_label label = label_of(member);
        for (size_t i = 0; i < names_work_count(page->survey->names); i++) {
            const char *work = page->survey->names->works[i];
            const struct {
                const char *name;
                uint64_t count;
            } places[] = {{"waiting", member->works[i].waiting},
                          {"running", member->works[i].running},
                          {"returning", member->works[i].returning}};
            for (size_t j = 0; j < sizeof places / sizeof *places; j++)
                exposition_sample(&page->exposition,
                                  EXPOSITION_LABELS({"member", label.text}, {"work", work},
                                                    {"place", places[j].name}),
                                  (double)places[j].count);
        }
    }
}

static void write_outcomes(struct page *page)
{
    exposition_family(&page->exposition, "offloop_jobs_done", EXPOSITION_COUNTER, NULL,
                      "Jobs and queries that came home, by strategy or source and by outcome.");
    FOR_EACH_MEMBER(page, member)
    {
        struct member_label label = label_of(member);
        for (size_t i = 0; i < names_work_count(page->survey->names); i++) {
            for (int j = 0; j < TRIP_OUTCOMES; j++)
                exposition_sample(
                    &page->exposition,
                    EXPOSITION_LABELS({"member", label.text},
                                      {"work", page->survey->names->works[i]},
                                      {"outcome", trip_outcome_name((enum trip_outcome)j)}),
                    (double)counter_get(&member->recording->works[i].outcomes[j]));
        }
    }
}

/* Three histograms with one more label: "work" or "lane". */
static void write_legs(struct page *page, const char *member, const char *key, const char *value,
                       const struct leg_record *legs)
{
    const struct {
        const char *name;
        const struct histogram *histogram;
    } all[] = {{"wait", &legs->wait}, {"run", &legs->run}, {"return", &legs->back}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        write_histogram(page,
                        EXPOSITION_LABELS({"member", member}, {key, value}, {"leg", all[i].name}),
                        all[i].histogram);
}

static void write_work_legs(struct page *page)
{
    exposition_family(
        &page->exposition, "offloop_job_seconds", EXPOSITION_HISTOGRAM, "seconds",
        "How long jobs and queries waited, ran and came back, by strategy or source.");
    FOR_EACH_MEMBER(page, member)
    {
        struct member_label label = label_of(member);
        for (size_t i = 0; i < names_work_count(page->survey->names); i++) {
            if (counter_get(&member->recording->works[i].delivered) > 0)
                write_legs(page, label.text, "work", page->survey->names->works[i],
                           &member->recording->works[i].legs);
        }
    }
}

static void write_lane_legs(struct page *page)
{
    exposition_family(&page->exposition, "offloop_lane_seconds", EXPOSITION_HISTOGRAM, "seconds",
                      "The same by lane: who ran it.");
    FOR_EACH_MEMBER(page, member)
    {
        struct member_label label = label_of(member);
        for (int i = 0; i < LANE_COUNT; i++) {
            char name[32];
            lane_name(lane_at(i), name, sizeof name);
            if (counter_get(&member->recording->lanes[i].trips) > 0)
                write_legs(page, label.text, "lane", name, &member->recording->lane_legs[i]);
        }
    }
}

static void write_lane_busy(struct page *page)
{
    exposition_family(&page->exposition, "offloop_lane_busy_seconds", EXPOSITION_COUNTER, "seconds",
                      "How long each lane has worked.");
    FOR_EACH_MEMBER(page, member)
    {
        struct member_label label = label_of(member);
        for (int i = 0; i < LANE_COUNT; i++) {
            char name[32];
            lane_name(lane_at(i), name, sizeof name);
            if (counter_get(&member->recording->lanes[i].since_ns) > 0)
                exposition_sample(&page->exposition,
                                  EXPOSITION_LABELS({"member", label.text}, {"lane", name}),
                                  seconds(counter_get(&member->recording->lanes[i].busy_ns)));
        }
    }
}

static void write_version(struct page *page)
{
    exposition_family(&page->exposition, "offloop", EXPOSITION_INFO, NULL, "The program.");
    exposition_sample(&page->exposition, EXPOSITION_LABELS({"version", OFFLOOP_VERSION}), 1);
}

int metrics_page_write(FILE *out, enum exposition_format format, struct survey *survey)
{
    static void (*const parts[])(struct page *) = {
        write_version,  write_present,   write_processes,    write_loops,     write_alive,
        write_answers,  write_durations, write_socket_waits, write_http,      write_places,
        write_outcomes, write_work_legs, write_lane_legs,    write_lane_busy,
    };
    struct page page = {.survey = survey};
    exposition_begin(&page.exposition, out, format);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        parts[i](&page);
    return exposition_end(&page.exposition);
}
