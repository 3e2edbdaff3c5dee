/* observer_pages_test.c – /metrics, /trace.json and /report after traffic of every kind: do they
 * agree with what was asked, with the patient's own /healthz, and with the tools that read them? */
#include <cjson/cJSON.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "server/http/counters.h"
#include "server/offload/offload.h"
#include "server/slow_io/slow_io.h"
#include "tests/support/patient.h"
#include "tests/support/temporary.h"

/* ------------------------------------------------------------------ traffic */

enum { ROUNDS = 3, FAST = 5, SLICED = 4 };

static void ask_heavy(struct patient *patient, const char *strategy)
{
    char target[100];
    snprintf(target, sizeof target, "/heavy?kernel=square-roots&n=20000&offload=%s", strategy);
    assert_int_equal(patient_ask(patient, target)->status, 200);
}

static void ask_slow(struct patient *patient, const char *source)
{
    char target[100];
    snprintf(target, sizeof target, "/slow?ms=1&via=%s", source);
    assert_int_equal(patient_ask(patient, target)->status, 200);
}

/* Several at once, so that they take turns on the loop. */
static void ask_sliced(struct patient *patient)
{
    struct visitor visitors[SLICED];
    for (int i = 0; i < SLICED; i++) {
        visitor_open(&visitors[i], patient->port);
        visitor_get(&visitors[i], "/heavy?kernel=sleep&n=30&offload=sliced", "");
    }
    for (int i = 0; i < SLICED; i++) {
        assert_int_equal(visitor_await(&visitors[i])->status, 200);
        visitor_close(&visitors[i]);
    }
}

static void await_jobs(struct patient *patient, const char *path, double count)
{
    while (answer_number(patient_ask(patient, "/healthz"), path) < count)
        continue;
}

/* Clients that leave: the job of the first runs in the only child, the other's waits. */
static void leave(struct patient *patient)
{
    struct visitor visitors[2];
    for (int i = 0; i < 2; i++) {
        visitor_open(&visitors[i], patient->port);
        visitor_get(&visitors[i], "/heavy?kernel=sleep&n=60000&offload=process", "");
        await_jobs(patient, "jobs/process/submitted", ROUNDS + 1 + i);
    }
    visitor_close(&visitors[1]);
    await_jobs(patient, "jobs/process/cancelled", 1);
    visitor_close(&visitors[0]);
    await_jobs(patient, "jobs/process/cancelled", 2);
}

/* Holds the loop, and returns when the stall has been seen by the observer, and all that was before
 * it. */
static void stall(struct patient *patient)
{
    struct visitor events;
    struct visitor_event event;
    assert_int_equal(patient_ask(patient, "/heavy?kernel=sleep&n=120&offload=none")->status, 200);
    visitor_open(&events, patient->observer_port);
    visitor_get(&events, "/events", "Last-Event-ID: 0\r\n");
    assert_int_equal(visitor_await(&events)->status, 200);
    for (bool told = false; !told; visitor_free_event(&event)) {
        assert_true(visitor_next_event(&events, &event));
        const char *stalls = event.data != NULL ? strstr(event.data, "\"stalls\":[") : NULL;
        told = stalls != NULL && strstr(stalls, "\"by\":\"GET /heavy (sleep n=120)\"") != NULL;
    }
    visitor_close(&events);
}

static void start_busy(struct patient *patient)
{
    static char program[512];
    const struct strategy *strategy;
    const struct source *source;
    harness_kernel_program(program, sizeof program);
    patient_start(patient, "--kernel-program", program, "--workers=1", "--processes=1",
                  "--slice-ms=1", NULL);
    for (int round = 0; round < ROUNDS; round++) {
        for (size_t i = 0; (strategy = strategy_at(i)) != NULL; i++)
            ask_heavy(patient, strategy_name(strategy));
        for (size_t i = 0; (source = source_at(i)) != NULL; i++)
            ask_slow(patient, source_name(source));
    }
    for (int i = 0; i < FAST; i++)
        assert_int_equal(patient_ask(patient, "/fast")->status, 200);
    assert_int_equal(patient_ask(patient, "/nowhere")->status, 404);
    assert_int_equal(patient_ask(patient, "/heavy?offload=cloud")->status, 400);
    ask_sliced(patient);
    leave(patient);
    stall(patient);
}

/* ------------------------------------------------------------------ metrics */

/* The sample of this series; the test fails if there is not exactly one. */
static double sample(const char *page, const char *series)
{
    char line[300];
    int length = snprintf(line, sizeof line, "\n%s ", series);
    const char *found = strstr(page, line);
    if (found == NULL)
        fail_msg("there is no %s", series);
    assert_null(strstr(found + length, line));
    return strtod(found + length, NULL);
}

static double http_event(const char *page, const char *event)
{
    char series[128];
    snprintf(series, sizeof series, "offloop_http_events_total{member=\"0\",event=\"%s\"}", event);
    return sample(page, series);
}

static double answered(const char *page, const char *route, const char *code)
{
    char series[200];
    snprintf(series, sizeof series, "http_requests_total{member=\"0\",route=\"%s\",code=\"%s\"}",
             route, code);
    return sample(page, series);
}

static double done(const char *page, const char *work, const char *outcome)
{
    char series[200];
    snprintf(series, sizeof series,
             "offloop_jobs_done_total{member=\"0\",work=\"%s\",outcome=\"%s\"}", work, outcome);
    return sample(page, series);
}

static void check_jobs(const char *page, const struct answer *health, const char *work)
{
    static const char *const outcomes[] = {"succeeded", "cancelled", "refused",
                                           "failed",    "lost",      "expired"};
    for (size_t i = 0; i < sizeof outcomes / sizeof *outcomes; i++) {
        char path[100];
        snprintf(path, sizeof path, "jobs/%s/%s", work, outcomes[i]);
        assert_int_equal((int)done(page, work, outcomes[i]), (int)answer_number(health, path));
    }
}

/* All counters are those of /healthz, which was answered just before, and counted since. */
static void check_http_events(const char *page, const struct answer *health)
{
    static const char *const names[] = {
#define NAME_OF(name) #name,
        HTTP_COUNTERS(NAME_OF)
#undef NAME_OF
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char path[100];
        snprintf(path, sizeof path, "http/%s", names[i]);
        int since = strcmp(names[i], "answers_2xx") == 0;
        assert_int_equal((int)http_event(page, names[i]), (int)answer_number(health, path) + since);
    }
}

static void test_metrics_agree_with_the_patient(void **state)
{
    struct patient patient;
    const struct strategy *strategy;
    (void)state;
    start_busy(&patient);
    const struct answer *health = patient_ask(&patient, "/healthz");
    const char *page = patient_observe(&patient, "/metrics")->body;
    check_http_events(page, health);
    for (size_t i = 0; (strategy = strategy_at(i)) != NULL; i++)
        check_jobs(page, health, strategy_name(strategy));
    assert_int_equal((int)done(page, "sqlite", "succeeded"), ROUNDS);
    assert_int_equal((int)done(page, "timer", "succeeded"), ROUNDS);
    assert_int_equal((int)answered(page, "/fast", "2xx"), FAST);
    assert_int_equal((int)answered(page, "/slow", "2xx"), 2 * ROUNDS);
    assert_int_equal((int)answered(page, "/heavy", "2xx"), 6 * ROUNDS + SLICED + 1);
    assert_int_equal((int)answered(page, "/heavy", "4xx"), 1);
    assert_int_equal((int)answered(page, "/heavy", "other"), 2); /* they left */
    assert_int_equal((int)answered(page, "other", "4xx"), 1);
    assert_int_equal(
        (int)sample(page, "http_request_duration_seconds_count{member=\"0\",route=\"/fast\"}"),
        FAST);
    assert_int_equal(
        (int)sample(page, "offloop_job_seconds_count{member=\"0\",work=\"worker\",leg=\"run\"}"),
        ROUNDS);
    assert_int_equal(
        (int)sample(page, "offloop_lane_seconds_count{member=\"0\",lane=\"worker 1\",leg=\"run\"}"),
        ROUNDS);
    patient_end(&patient);
}

static void test_metrics_are_plausible(void **state)
{
    struct patient patient;
    struct timespec now;
    (void)state;
    start_busy(&patient);
    const char *page = patient_observe(&patient, "/metrics")->body;
    clock_gettime(CLOCK_REALTIME, &now);
    double started = sample(page, "process_start_time_seconds{member=\"0\"}");
    assert_true(started > (double)now.tv_sec - 600 && started <= (double)now.tv_sec + 1);
    assert_true(sample(page, "process_resident_memory_bytes{member=\"0\"}") > 1e5);
    assert_true(sample(page, "process_open_fds{member=\"0\"}") > 3);
    assert_true(sample(page, "nodejs_eventloop_utilization{member=\"0\"}") <= 1);
    assert_true(sample(page, "nodejs_eventloop_lag_seconds{member=\"0\"}") < 60);
    assert_true(sample(page, "nodejs_eventloop_lag_max_seconds{member=\"0\"}") >= 0.1);
    assert_true(sample(page, "offloop_loop_stalls_total{member=\"0\"}") >= 1);
    assert_true(sample(page, "offloop_loop_stalled_seconds_total{member=\"0\"}") >= 0.12);
    assert_int_equal((int)sample(page, "offloop_member_alive{member=\"0\"}"), 1);
    assert_int_equal((int)sample(page, "offloop_info{version=\"" OFFLOOP_VERSION "\"}"), 1);
    assert_true(sample(page, "offloop_lane_busy_seconds_total{member=\"0\",lane=\"loop\"}") >=
                0.12);
    assert_null(strstr(page, " NaN\n"));
    assert_null(strstr(page, " -"));
    patient_end(&patient);
}

/* ------------------------------------------------------------------ Prometheus' opinion */

static void need_promtool(void)
{
    if (system("command -v promtool >/dev/null") == 0)
        return;
    print_message("SKIPPED: promtool (Debian: prometheus) is not here\n");
    skip();
}

static int give_to(const char *command, const char *text)
{
    FILE *tool = popen(command, "w");
    assert_non_null(tool);
    fputs(text, tool);
    return pclose(tool);
}

static void test_promtool_finds_no_fault(void **state)
{
    struct patient patient;
    (void)state;
    need_promtool();
    start_busy(&patient);
    const struct answer *answer = patient_observe(&patient, "/metrics");
    assert_int_equal(give_to("promtool check metrics >&2", answer->body), 0);
    patient_end(&patient);
}

/* It checks OpenMetrics only where it imports, and imports only samples that say when. */
static void test_promtool_imports_openmetrics(void **state)
{
    struct patient patient;
    char folder[200], command[800];
    (void)state;
    need_promtool();
    start_busy(&patient);
    visitor_get(&patient.observer, "/metrics",
                "Accept: application/openmetrics-text;version=1.0.0,text/plain;q=0.5\r\n");
    const struct answer *answer = visitor_await(&patient.observer);
    assert_non_null(strstr(answer_field(answer, "Content-Type"), "application/openmetrics-text"));
    assert_string_equal(answer->body + answer->body_bytes - 6, "# EOF\n");
    temporary_folder(folder, sizeof folder);
    snprintf(command, sizeof command,
             "sed '/^[^#]/ s/$/ 1700000000/' >%s/page && "
             "promtool tsdb create-blocks-from openmetrics %s/page %s/data >&2",
             folder, folder, folder);
    int status = give_to(command, answer->body);
    temporary_folder_remove(folder);
    assert_int_equal(status, 0);
    patient_end(&patient);
}

/* ------------------------------------------------------------------ the trace */

static const char *text_of(const cJSON *event, const char *name)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(event, name));
    return text != NULL ? text : "";
}

static double number_of(const cJSON *event, const char *name)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(event, name);
    if (!cJSON_IsNumber(item))
        fail_msg("no number %s in %s", name, cJSON_PrintUnformatted(event));
    return item->valuedouble;
}

/* Spans of one track nest, or follow one another. */
static void assert_apart(const cJSON *a, const cJSON *b)
{
    const double rounding = 0.002;
    if (number_of(a, "tid") != number_of(b, "tid"))
        return;
    double from_a = number_of(a, "ts"), to_a = from_a + number_of(a, "dur");
    double from_b = number_of(b, "ts"), to_b = from_b + number_of(b, "dur");
    bool apart = to_a <= from_b + rounding || to_b <= from_a + rounding;
    bool nested = (from_a <= from_b && to_b <= to_a) || (from_b <= from_a && to_a <= to_b);
    if (!apart && !nested)
        fail_msg("spans overlap: %s %s", cJSON_PrintUnformatted(a), cJSON_PrintUnformatted(b));
}

struct tally {
    unsigned spans, begins, ends, stalls;
    unsigned sliced_spans, sliced_async;
    bool loop_is_named, worker_is_named;
};

static void take_event(struct tally *tally, const cJSON *event)
{
    const char *phase = text_of(event, "ph");
    bool sliced = strcmp(text_of(event, "cat"), "sliced") == 0;
    assert_true(number_of(event, "pid") > 0);
    if (*phase != 'M')
        assert_true(number_of(event, "ts") >= 0);
    if (*phase == 'X')
        assert_true(number_of(event, "dur") >= 0 && number_of(event, "dur") < 60e6);
    tally->spans += *phase == 'X';
    tally->begins += *phase == 'b';
    tally->ends += *phase == 'e';
    tally->stalls += *phase == 'i';
    tally->sliced_spans += sliced && *phase == 'X';
    tally->sliced_async += sliced && *phase == 'b';
    if (*phase != 'M' || strcmp(text_of(event, "name"), "thread_name") != 0)
        return;
    const char *name = text_of(cJSON_GetObjectItem(event, "args"), "name");
    tally->loop_is_named |= strcmp(name, "loop") == 0;
    tally->worker_is_named |= strcmp(name, "worker 1") == 0;
}

static void test_the_trace(void **state)
{
    struct patient patient;
    struct tally tally = {0};
    const cJSON *event, *other;
    (void)state;
    start_busy(&patient);
    cJSON *trace = cJSON_Parse(patient_observe(&patient, "/trace.json")->body);
    const cJSON *events = cJSON_GetObjectItem(trace, "traceEvents");
    assert_true(cJSON_IsArray(events));
    cJSON_ArrayForEach(event, events)
    {
        take_event(&tally, event);
        for (other = event->next; *text_of(event, "ph") == 'X' && other != NULL;
             other = other->next) {
            if (*text_of(other, "ph") == 'X')
                assert_apart(event, other);
        }
    }
    cJSON_Delete(trace);
    /* Every trip has waited. One of the two that left never ran, those of the timer run nowhere,
     * and slices take turns. */
    unsigned trips = 8 * ROUNDS + SLICED + 2 + 1, ran = trips - 1;
    assert_int_equal(tally.begins, tally.ends);
    assert_int_equal(tally.spans + tally.begins, trips + ran);
    assert_int_equal(tally.sliced_spans + tally.sliced_async, ROUNDS + SLICED);
    assert_true(tally.sliced_async >= SLICED - 1);
    assert_true(tally.stalls >= 1);
    assert_true(tally.loop_is_named && tally.worker_is_named);
    patient_end(&patient);
}

/* ------------------------------------------------------------------ the report */

static void test_the_report(void **state)
{
    static const char *const words[] = {"member 0 (pid ", "loop ",   "busy ",      "process ",
                                        "/fast",          "/heavy",  "threadpool", "sqlite",
                                        "lanes",          "worker 1"};
    struct patient patient;
    (void)state;
    start_busy(&patient);
    const char *text = patient_observe(&patient, "/report")->body;
    const char *title = strstr(text, "\n\n") + 2;
    assert_memory_equal(text, "offloop " OFFLOOP_VERSION "\n\n", 10 + strlen(OFFLOOP_VERSION));
    assert_true(strcspn(title, "\n") > 5);
    assert_true(strcspn(strchr(title, '\n') + 1, "\n") > 10);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (strstr(text, words[i]) == NULL)
            fail_msg("there is no \"%s\" in\n%s", words[i], text);
    }
    patient_end(&patient);
}

/* Before anything has happened, and before anybody has looked. */
static void test_the_first_question(void **state)
{
    struct patient patient;
    (void)state;
    for (int i = 0; i < 5; i++) {
        patient_start(&patient, NULL);
        const char *text = patient_observe(&patient, "/report")->body;
        assert_true(strcspn(strstr(text, "\n\n") + 2, "\n") > 5);
        assert_null(strstr(text, "NOT ALIVE"));
        const char *page = patient_observe(&patient, "/metrics")->body;
        assert_true(sample(page, "process_start_time_seconds{member=\"0\"}") > 1e9);
        assert_true(sample(page, "nodejs_eventloop_lag_seconds{member=\"0\"}") < 10);
        assert_int_equal(patient_observe(&patient, "/healthz")->status, 200);
        patient_end(&patient);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_metrics_agree_with_the_patient),
        cmocka_unit_test(test_metrics_are_plausible),
        cmocka_unit_test(test_promtool_finds_no_fault),
        cmocka_unit_test(test_promtool_imports_openmetrics),
        cmocka_unit_test(test_the_trace),
        cmocka_unit_test(test_the_report),
        cmocka_unit_test(test_the_first_question),
    };
    harness_prepare_process();
    return cmocka_run_group_tests_name("observer_pages", tests, NULL, NULL);
}
