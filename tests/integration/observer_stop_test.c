/* observer_stop_test.c – the program is stopped as Ctrl-Z and a debugger do it, and goes on: nobody
 * may be accused of the time in between.
 *
 * Here time must pass, because it is what the observer would be wrong about. What is asserted is
 * bounded by what this test has seen to pass, so a slow machine changes nothing. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "server/observe/trip.h"
#include "tests/support/harness.h"
#include "tests/support/program.h"
#include "tests/support/visitor.h"

enum { IDLE_MS = 2000, STOP_FOR_MS = 4000 };

static const uint64_t MS = 1000000;

struct stopped {
    struct program program;
    struct visitor patient, observer;
    unsigned observer_port;
    uint64_t began_ns, stopped_ns; /* the start of the program; how long it was stopped at least */
};

static void stopped_open(struct stopped *stopped, const char *option)
{
    static const char words[] = "\"url\":\"http://127.0.0.1:";
    *stopped = (struct stopped){.began_ns = trip_clock_ns()};
    stopped->program = program_start(-1, "--observer=0", "--blocked-after=200", option, NULL);
    assert_true(program_await(&stopped->program, "listening"));
    visitor_open(&stopped->patient, stopped->program.port);
    assert_true(program_await(&stopped->program, "observing"));
    const char *url = strstr(stopped->program.line, words);
    assert_non_null(url);
    stopped->observer_port = (unsigned)atoi(url + strlen(words));
    visitor_open(&stopped->observer, stopped->observer_port);
}

/* On a connection of its own: one that was idle for seconds may be closed at any moment. */
static const struct answer *observe(struct stopped *stopped, const char *target)
{
    visitor_close(&stopped->observer);
    visitor_open(&stopped->observer, stopped->observer_port);
    return visitor_ask(&stopped->observer, target);
}

static void stop_and_continue(struct stopped *stopped)
{
    freeze_one(stopped->program.pid);
    uint64_t from_ns = trip_clock_ns();
    uv_sleep(STOP_FOR_MS);
    stopped->stopped_ns += trip_clock_ns() - from_ns;
    signal_one(stopped->program.pid, SIGCONT);
}

static double metric(struct stopped *stopped, const char *name)
{
    const struct answer *answer = observe(stopped, "/metrics");
    char words[96];
    snprintf(words, sizeof words, "\n%s{member=\"0\"} ", name);
    const char *found = strstr(answer->body, words);
    assert_non_null(found);
    return strtod(found + strlen(words), NULL);
}

static void await_stop_to_be_known(struct stopped *stopped)
{
    while (metric(stopped, "offloop_process_stopped_seconds_total") <= 0)
        continue;
    double known = metric(stopped, "offloop_process_stopped_seconds_total") * 1e9;
    assert_true(known >= (double)(stopped->stopped_ns - 500 * MS));
}

/* What was said of blocks, stalls and lag fits into the time in which the program ran. */
static void assert_nobody_is_accused(struct stopped *stopped)
{
    double stalled = metric(stopped, "offloop_loop_stalled_seconds_total");
    double busy = metric(stopped, "offloop_loop_busy_seconds_total");
    double late = metric(stopped, "nodejs_eventloop_lag_max_seconds");
    double ran = (double)(trip_clock_ns() - stopped->began_ns - stopped->stopped_ns) / 1e9;
    assert_true(stalled < ran);
    assert_true(busy < ran);
    assert_true(late < ran);
}

/* The log to its end. `held` are words about who has held the loop, beside the stop, or NULL. */
static void read_log(struct stopped *stopped, const char *held)
{
    long ran_ns = (long)(trip_clock_ns() - stopped->began_ns - stopped->stopped_ns);
    unsigned stops = 0, named = 0;
    signal_one(stopped->program.pid, SIGTERM);
    while (fgets(stopped->program.line, sizeof stopped->program.line, stopped->program.log)) {
        const char *line = stopped->program.line;
        stops += strstr(line, "\"event\":\"process_stopped\"") != NULL;
        named += held != NULL && strstr(line, "\"event\":\"loop_free\"") && strstr(line, held);
        assert_true(number_in(line, "blocked_ms") * (long)MS < ran_ns);
    }
    assert_int_equal(stops, 1);
    assert_true(held == NULL || named == 1);
    assert_int_equal(program_end(&stopped->program), 0);
}

static void stopped_close(struct stopped *stopped, const char *held)
{
    visitor_close(&stopped->patient);
    visitor_close(&stopped->observer);
    read_log(stopped, held);
}

/* While it was idle. From its first moment on the observer says that all is well, and so it does
 * when the next request has come. */
static void test_an_idle_server_that_was_stopped_is_well(void **state)
{
    struct stopped stopped;
    (void)state;
    stopped_open(&stopped, NULL);
    uv_sleep(IDLE_MS);
    stop_and_continue(&stopped);
    uint64_t end_ns = trip_clock_ns() + IDLE_MS * MS / 2;
    do
        assert_int_equal(observe(&stopped, "/healthz")->status, 200);
    while (trip_clock_ns() < end_ns);
    assert_null(strstr(observe(&stopped, "/report")->body, "blocked"));
    assert_int_equal(visitor_ask(&stopped.patient, "/fast")->status, 200);
    await_stop_to_be_known(&stopped);
    assert_nobody_is_accused(&stopped);
    assert_true(metric(&stopped, "offloop_loop_stalled_seconds_total") < (double)IDLE_MS / 2e3);
    stopped_close(&stopped, NULL);
}

/* While a job computed on the loop: it has held the loop as long as it ran. */
static void test_a_job_is_not_accused_of_a_stop(void **state)
{
    struct stopped stopped;
    (void)state;
    stopped_open(&stopped, "--offload=none");
    assert_int_equal(visitor_ask(&stopped.patient, "/heavy?ms=1")->status, 200); /* calibrated */
    visitor_get(&stopped.patient, "/heavy?ms=400", "");
    while (metric(&stopped, "offloop_loop_blocked_seconds") <= 0)
        continue;
    stop_and_continue(&stopped);
    const struct answer *answer = visitor_await(&stopped.patient);
    assert_non_null(answer);
    assert_int_equal(answer->status, 200);
    await_stop_to_be_known(&stopped);
    while (metric(&stopped, "offloop_loop_stalls_total") < 1)
        continue;
    assert_nobody_is_accused(&stopped);
    stopped_close(&stopped, "\"by\":\"GET /heavy");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_idle_server_that_was_stopped_is_well),
        cmocka_unit_test(test_a_job_is_not_accused_of_a_stop),
    };
    harness_prepare_process();
    return cmocka_run_group_tests_name("observer_stop", tests, NULL, NULL);
}
