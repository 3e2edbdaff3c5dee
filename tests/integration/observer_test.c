/* observer_test.c – what the observer serves, to whom, and that it does so while its patient is
 * frozen. The patient's loop runs on a thread of its own, so it can stand still while the test
 * asks.
 */
#include <arpa/inet.h>
#include <cjson/cJSON.h>
#include <dirent.h>
#include <math.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "server/observe/dashboard.h"
#include "tests/support/patient.h"

enum { FREEZE_MS = 600 };

static const double PROMPT_MS = 1000;

/* ------------------------------------------------------------------ routes */

static void assert_guarded(const struct answer *answer, unsigned patient_port)
{
    char origin[64];
    const char *policy = answer_field(answer, "Content-Security-Policy");
    assert_non_null(policy);
    assert_non_null(strstr(policy, "default-src 'none'"));
    assert_non_null(strstr(policy, "script-src 'self'"));
    assert_null(strstr(policy, "unsafe"));
    snprintf(origin, sizeof origin, "connect-src 'self' http://127.0.0.1:%u;", patient_port);
    assert_non_null(strstr(policy, origin));
    assert_string_equal(answer_field(answer, "X-Content-Type-Options"), "nosniff");
    assert_string_equal(answer_field(answer, "Referrer-Policy"), "no-referrer");
}

static void test_every_route(void **state)
{
    static const struct {
        const char *target, *content_type, *words;
    } rows[] = {
        {"/", "text/html; charset=utf-8", "<title>"},
        {"/app/style.css", "text/css; charset=utf-8", "{"},
        {"/app/main.js", "text/javascript; charset=utf-8", "import"},
        {"/config", "application/json", "\"epoch_unix_ms\""},
        {"/healthz", "application/json", "\"status\":\"ok\""},
        {"/metrics", "text/plain; version=0.0.4; charset=utf-8", "nodejs_eventloop_lag_seconds"},
        {"/trace.json", "application/json", "\"traceEvents\""},
        {"/report", "text/plain; charset=utf-8", "member 0"},
    };
    struct patient patient;
    (void)state;
    patient_start(&patient, NULL);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct answer *answer = patient_observe(&patient, rows[i].target);
        if (answer->status != 200 || strstr(answer->body, rows[i].words) == NULL)
            fail_msg("%s: %d %.200s", rows[i].target, answer->status, answer->body);
        assert_string_equal(answer_field(answer, "Content-Type"), rows[i].content_type);
        assert_string_equal(answer_field(answer, "Cache-Control"), "no-store");
        assert_guarded(answer, patient.port);
    }
    patient_end(&patient);
}

static double wall_clock_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

/* The wall clock of the start, and the same for ever. */
static void test_the_epoch(void **state)
{
    struct patient patient;
    double before_ms = wall_clock_ms();
    (void)state;
    patient_start(&patient, NULL);
    double after_ms = wall_clock_ms();
    double epoch_ms = answer_number(patient_observe(&patient, "/config"), "epoch_unix_ms");
    assert_true(epoch_ms >= before_ms - 0.001 && epoch_ms <= after_ms);
    for (int i = 0; i < 3; i++) {
        double again_ms = answer_number(patient_observe(&patient, "/config"), "epoch_unix_ms");
        assert_true(again_ms <= epoch_ms && again_ms >= epoch_ms);
    }
    patient_end(&patient);
}

static void test_what_is_not_there(void **state)
{
    static const char *const targets[] = {"/nowhere",       "/app/",       "/app/../main.js",
                                          "/app/secret.js", "/index.html", "/fast"};
    struct patient patient;
    (void)state;
    patient_start(&patient, NULL);
    for (size_t i = 0; i < sizeof targets / sizeof *targets; i++) {
        const struct answer *answer = patient_observe(&patient, targets[i]);
        assert_problem(answer, 404, NULL);
        assert_guarded(answer, patient.port);
    }
    visitor_send(&patient.observer,
                 "POST /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n");
    const struct answer *answer = visitor_await(&patient.observer);
    assert_problem(answer, 405, NULL);
    assert_string_equal(answer_field(answer, "Allow"), "GET, HEAD, OPTIONS");
    assert_guarded(answer, patient.port);
    patient_end(&patient);
}

static void test_no_bodies_for_head(void **state)
{
    struct patient patient;
    (void)state;
    patient_start(&patient, NULL);
    visitor_send(&patient.observer, "HEAD /config HTTP/1.1\r\nHost: localhost\r\n\r\n"
                                    "HEAD /events HTTP/1.1\r\nHost: localhost\r\n"
                                    "Connection: close\r\n\r\n");
    char text[8192];
    size_t length = 0;
    ssize_t got;
    while ((got = recv(patient.observer.fd, text + length, sizeof text - 1 - length, 0)) > 0)
        length += (size_t)got;
    text[length] = '\0';
    const char *second = strstr(text, "\r\n\r\nHTTP/1.1 200");
    assert_non_null(second);
    assert_non_null(strstr(second, "text/event-stream"));
    assert_string_equal(strstr(second + 4, "\r\n\r\n"), "\r\n\r\n");
    patient_end(&patient);
}

/* ------------------------------------------------------------------ for whom */

static int status_for_host(struct patient *patient, const char *host)
{
    struct visitor visitor;
    visitor_open(&visitor, patient->observer_port);
    visitor_send(&visitor, "GET /config HTTP/1.1\r\nHost: %s\r\n\r\n", host);
    const struct answer *answer = visitor_await(&visitor);
    assert_non_null(answer);
    int status = answer->status;
    assert_guarded(answer, patient->port);
    visitor_close(&visitor);
    return status;
}

/* A page whose name was made to point here (DNS rebinding) sends its own name. */
static void test_only_for_hosts_that_are_meant(void **state)
{
    struct patient patient;
    (void)state;
    patient_start(&patient, NULL);
    assert_int_equal(status_for_host(&patient, "evil.example"), 421);
    assert_int_equal(status_for_host(&patient, "evil.example:8081"), 421);
    assert_int_equal(status_for_host(&patient, "localhost.evil.example"), 421);
    assert_int_equal(status_for_host(&patient, "localhost"), 200);
    assert_int_equal(status_for_host(&patient, "LOCALHOST:8081"), 200);
    assert_int_equal(status_for_host(&patient, "127.0.0.1:8081"), 200);
    assert_int_equal(status_for_host(&patient, "[::1]:8081"), 200);
    patient_end(&patient);
}

/* The name is resolved here; a machine's own is in /etc/hosts. */
static void test_the_name_it_listens_on(void **state)
{
    char name[256], option[300];
    struct patient patient;
    (void)state;
    assert_int_equal(gethostname(name, sizeof name), 0);
    name[sizeof name - 1] = '\0';
    snprintf(option, sizeof option, "--observer-host=%s", name);
    harness_open(&patient.harness);
    struct app *app = harness_start(&patient.harness, "--observer=0", option, NULL);
    if (app_show(app) != 0) {
        harness_close(&patient.harness);
        print_message("SKIPPED: %s is no name to listen on\n", name);
        skip();
    }
    harness_close(&patient.harness);
    patient_start(&patient, "--observer-host=localhost", NULL);
    assert_int_equal(status_for_host(&patient, "localhost"), 200);
    assert_int_equal(status_for_host(&patient, name), 421);
    patient_end(&patient);
}

/* ------------------------------------------------------------------ the page */

static unsigned check_file(struct patient *patient, const char *name)
{
    char path[300], target[300];
    snprintf(path, sizeof path, "server/observe/dashboard/%s", name);
    snprintf(target, sizeof target, "/app/%s", name);
    const struct answer *answer =
        patient_observe(patient, strcmp(name, "index.html") == 0 ? "/" : target);
    if (answer->status != 200)
        fail_msg("%s has no row in dashboard.h", name);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    char *text = malloc(answer->body_bytes + 1);
    assert_int_equal(fread(text, 1, answer->body_bytes + 1, file), answer->body_bytes);
    assert_memory_equal(text, answer->body, answer->body_bytes);
    free(text);
    fclose(file);
    return 1;
}

static void test_every_file_of_the_page(void **state)
{
    struct patient patient;
    unsigned files = 0;
    const struct dirent *entry;
    (void)state;
    patient_start(&patient, NULL);
    DIR *folder = opendir("server/observe/dashboard");
    assert_non_null(folder);
    while ((entry = readdir(folder)) != NULL)
        files += entry->d_name[0] != '.' ? check_file(&patient, entry->d_name) : 0;
    closedir(folder);
    assert_true(files > 10);
    patient_end(&patient);
}

/* Every name behind these words is that of a file which is there. Returns how many there are. */
static unsigned check_links(const struct dashboard_file *file, const char *words)
{
    unsigned links = 0;
    char *text = strndup(file->bytes, file->length);
    assert_non_null(text);
    for (char *at = text; (at = strstr(at, words)) != NULL; links++) {
        char path[128];
        struct dashboard_file linked;
        at += strlen(words);
        snprintf(path, sizeof path, "/app/%.*s", (int)strcspn(at, "'\""), at);
        if (!dashboard_find(path, &linked))
            fail_msg("the page asks for %s", path);
    }
    free(text);
    return links;
}

/* The page loads nothing that is not served. */
static void test_what_the_page_asks_for_is_there(void **state)
{
    static const char *const paths[] = {
#define PATH_OF(symbol, name, type) "/app/" name,
        DASHBOARD_FILES(PATH_OF)
#undef PATH_OF
    };
    struct dashboard_file file;
    unsigned imports = 0;
    (void)state;
    assert_true(dashboard_find("/", &file));
    assert_true(check_links(&file, "=\"app/") >= 2);
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        assert_true(dashboard_find(paths[i], &file));
        imports += check_links(&file, "from './");
    }
    assert_true(imports > 10);
}

/* ------------------------------------------------------------------ a frozen patient */

static double now_ms(void)
{
    return (double)uv_hrtime() / 1e6;
}

/* What /healthz says; with `blocked` as soon as it says so. */
static double await_health(struct patient *patient, bool blocked)
{
    for (;;) {
        double asked_ms = now_ms();
        const struct answer *answer = patient_observe(patient, "/healthz");
        assert_true(now_ms() - asked_ms < PROMPT_MS);
        cJSON *document = cJSON_Parse(answer->body);
        assert_non_null(document);
        const cJSON *members = cJSON_GetObjectItem(document, "members");
        assert_int_equal(cJSON_GetArraySize(members), 1);
        const cJSON *member = cJSON_GetArrayItem(members, 0);
        double ms = cJSON_GetObjectItem(member, "blocked_ms")->valuedouble;
        assert_true(cJSON_IsTrue(cJSON_GetObjectItem(member, "alive")));
        assert_string_equal(cJSON_GetObjectItem(document, "status")->valuestring,
                            answer->status == 503 ? "blocked" : "ok");
        cJSON_Delete(document);
        if ((answer->status == 503) == blocked)
            return ms;
    }
}

static cJSON *next_batch(struct visitor *visitor)
{
    struct visitor_event event;
    assert_true(visitor_next_event(visitor, &event));
    if (event.id < 0)
        return next_batch(visitor);
    cJSON *batch = cJSON_Parse(event.data);
    assert_non_null(batch);
    visitor_free_event(&event);
    return batch;
}

static const cJSON *loop_of(const cJSON *batch)
{
    const cJSON *member = cJSON_GetArrayItem(cJSON_GetObjectItem(batch, "members"), 0);
    return cJSON_GetObjectItem(member, "loop");
}

/* Reads batches until the loop is blocked, or free. Returns the last one. */
static cJSON *await_blocked(struct visitor *visitor, bool blocked)
{
    cJSON *batch = next_batch(visitor);
    while (cJSON_IsObject(cJSON_GetObjectItem(loop_of(batch), "blocked")) != blocked) {
        cJSON_Delete(batch);
        batch = next_batch(visitor);
    }
    return batch;
}

static void check_blocked(const cJSON *batch)
{
    const cJSON *loop = loop_of(batch), *blocked = cJSON_GetObjectItem(loop, "blocked");
    assert_string_equal(cJSON_GetObjectItem(blocked, "by")->valuestring,
                        "GET /heavy (sleep n=600)");
    assert_string_equal(cJSON_GetObjectItem(blocked, "strategy")->valuestring, "none");
    double since = cJSON_GetObjectItem(blocked, "since")->valuedouble;
    double t = cJSON_GetObjectItem(batch, "t")->valuedouble;
    assert_true(since > 0 && since <= t - 50);
    assert_true(cJSON_GetObjectItem(loop, "lag_ms")->valuedouble >= 50);
    assert_true(fabs(cJSON_GetObjectItem(loop, "utilization")->valuedouble - 1.0) < 1e-9);
}

/* The stall is told when those who waited are counted, which may be before the watchdog has seen
 * that it is over, or some batches later. */
static cJSON *await_stall(struct visitor *visitor)
{
    cJSON *batch = next_batch(visitor);
    while (cJSON_GetArraySize(cJSON_GetObjectItem(batch, "stalls")) == 0) {
        cJSON_Delete(batch);
        batch = next_batch(visitor);
    }
    return batch;
}

static void check_stall(const cJSON *batch)
{
    const cJSON *stall = cJSON_GetArrayItem(cJSON_GetObjectItem(batch, "stalls"), 0);
    double began = cJSON_GetObjectItem(stall, "began")->valuedouble;
    double ended = cJSON_GetObjectItem(stall, "ended")->valuedouble;
    double longest = cJSON_GetObjectItem(stall, "longest_wait")->valuedouble;
    assert_string_equal(cJSON_GetObjectItem(stall, "by")->valuestring, "GET /heavy (sleep n=600)");
    assert_string_equal(cJSON_GetObjectItem(stall, "strategy")->valuestring, "none");
    assert_true(ended - began >= (double)FREEZE_MS);
    assert_true(cJSON_GetObjectItem(stall, "waited")->valuedouble >= 1);
    assert_true(longest > 0 && longest <= ended - began + 20);
}

/* The ticks that the stall swallowed are entered with what each of them waited. */
static void check_lag(const cJSON *batch)
{
    const cJSON *lag = cJSON_GetObjectItem(loop_of(batch), "lag");
    assert_true(cJSON_GetObjectItem(lag, "p99")->valuedouble >= 0.75 * (double)FREEZE_MS);
    assert_true(cJSON_GetObjectItem(lag, "max")->valuedouble >= 0.95 * (double)FREEZE_MS);
}

static void test_a_frozen_patient(void **state)
{
    struct patient patient;
    struct visitor events, waiting;
    (void)state;
    patient_start(&patient, "--blocked-after=200", "--offload=none", NULL);
    visitor_open(&events, patient.observer_port);
    visitor_get(&events, "/events", "");
    assert_int_equal(visitor_await(&events)->status, 200);
    assert_true(await_health(&patient, false) < 200);
    visitor_open(&waiting, patient.port);
    assert_int_equal(visitor_ask(&waiting, "/fast")->status, 200);
    visitor_get(&patient.visitor, "/heavy?kernel=sleep&n=600", "");
    cJSON *batch = await_blocked(&events, true);
    visitor_get(&waiting, "/fast", "");
    check_blocked(batch);
    cJSON_Delete(batch);
    double first_ms = await_health(&patient, true), later_ms = first_ms;
    assert_true(first_ms >= 200);
    while (later_ms <= first_ms)
        later_ms = await_health(&patient, true);
    assert_int_equal(visitor_await(&waiting)->status, 200);
    assert_int_equal(visitor_await(&patient.visitor)->status, 200);
    await_health(&patient, false);
    batch = await_stall(&events);
    check_stall(batch);
    check_lag(batch);
    cJSON_Delete(batch);
    cJSON_Delete(await_blocked(&events, false));
    visitor_close(&events);
    visitor_close(&waiting);
    patient_end(&patient);
}

/* ------------------------------------------------------------------ where it is, and whether */

/* A socket that holds a port of 127.0.0.1; -1 if somebody else has it. */
static int hold_port(unsigned port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(fd, (struct sockaddr *)&address, sizeof address) == 0 && listen(fd, 1) == 0)
        return fd;
    close(fd);
    return -1;
}

static void test_the_next_port(void **state)
{
    struct harness harness;
    (void)state;
    struct app *app = harness_with(&harness, NULL);
    assert_int_equal(app_show(app), 0);
    assert_true(app_observer_port(app) > 0);
    if (app_observer_port(app) != app_port(app) + 1)
        assert_int_equal(hold_port(app_port(app) + 1), -1);
    harness_close(&harness);
}

static void test_another_port_when_the_next_one_is_taken(void **state)
{
    struct harness harness;
    (void)state;
    struct app *app = harness_with(&harness, "--observer=next", NULL);
    int holder = hold_port(app_port(app) + 1);
    assert_int_equal(app_show(app), 0);
    assert_true(app_observer_port(app) > 0);
    assert_true(app_observer_port(app) != app_port(app) + 1);
    close(holder);
    harness_close(&harness);
}

static void test_a_port_that_is_taken(void **state)
{
    struct harness harness;
    char option[64];
    (void)state;
    struct app *one = harness_with(&harness, "--observer=0", NULL);
    assert_int_equal(app_show(one), 0);
    snprintf(option, sizeof option, "--observer=%u", app_observer_port(one));
    struct app *two = harness_start(&harness, option, NULL);
    assert_int_equal(app_show(two), UV_EADDRINUSE);
    assert_int_equal(app_observer_port(two), 0);
    harness_close(&harness);
}

/* Threads of this process that have this name. */
static unsigned threads_named(const char *name)
{
    unsigned count = 0;
    const struct dirent *entry;
    DIR *folder = opendir("/proc/self/task");
    assert_non_null(folder);
    while ((entry = readdir(folder)) != NULL) {
        char path[300], text[32] = "";
        snprintf(path, sizeof path, "/proc/self/task/%s/comm", entry->d_name);
        FILE *file = fopen(path, "re");
        if (file != NULL && fgets(text, sizeof text, file) != NULL)
            count += strcspn(text, "\n") == strlen(name) && strncmp(text, name, strlen(name)) == 0;
        if (file != NULL)
            fclose(file);
    }
    closedir(folder);
    return count;
}

static void test_switched_off(void **state)
{
    struct harness harness;
    (void)state;
    struct app *app = harness_with(&harness, "--observer=off", NULL);
    assert_int_equal(app_show(app), 0);
    assert_int_equal(app_observer_port(app), 0);
    assert_int_equal(harness_get(&harness, app, "/fast")->status, 200);
    assert_int_equal(harness_get(&harness, app, "/heavy?ms=1&offload=worker")->status, 200);
    assert_int_equal(threads_named("watchdog"), 0);
    assert_int_equal(threads_named("observer"), 0);
    harness_close(&harness);
}

/* Who asks the watchdog for the lag still wants no observer. */
static void test_switched_off_but_shedding(void **state)
{
    struct harness harness;
    (void)state;
    struct app *app = harness_with(&harness, "--observer=off", "--shed-lag=1000", NULL);
    assert_int_equal(app_show(app), 0);
    assert_int_equal(app_observer_port(app), 0);
    assert_int_equal(harness_get(&harness, app, "/heavy?ms=1")->status, 200);
    assert_int_equal(threads_named("observer"), 0);
    harness_close(&harness);
}

/* With the sanitizers: nothing leaks, whenever it ends. */
static void test_again_and_again(void **state)
{
    (void)state;
    for (int i = 0; i < 50; i++) {
        struct harness harness;
        struct app *app = harness_with(&harness, "--observer=0", "--slow-io=timer", NULL);
        assert_int_equal(app_show(app), 0);
        if (i % 2 == 0)
            assert_int_equal(harness_get(&harness, app, "/fast")->status, 200);
        harness_close(&harness);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_route),
        cmocka_unit_test(test_the_epoch),
        cmocka_unit_test(test_what_is_not_there),
        cmocka_unit_test(test_no_bodies_for_head),
        cmocka_unit_test(test_only_for_hosts_that_are_meant),
        cmocka_unit_test(test_the_name_it_listens_on),
        cmocka_unit_test(test_every_file_of_the_page),
        cmocka_unit_test(test_what_the_page_asks_for_is_there),
        cmocka_unit_test(test_a_frozen_patient),
        cmocka_unit_test(test_the_next_port),
        cmocka_unit_test(test_another_port_when_the_next_one_is_taken),
        cmocka_unit_test(test_a_port_that_is_taken),
        cmocka_unit_test(test_switched_off),
        cmocka_unit_test(test_switched_off_but_shedding),
        cmocka_unit_test(test_again_and_again),
    };
    harness_prepare_process();
    return cmocka_run_group_tests_name("observer", tests, NULL, NULL);
}
