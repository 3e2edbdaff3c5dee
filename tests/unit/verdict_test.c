/* verdict_test.c – what each rule says, and which one speaks when several could. */
#include "server/observe/verdict.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const char *const CULPRIT = "GET /heavy (primes n=20000000)";

#define WORKS(...)                                       \
    .works = (const struct verdict_work[]){__VA_ARGS__}, \
    .works_count =                                       \
        sizeof((const struct verdict_work[]){__VA_ARGS__}) / sizeof(struct verdict_work)

static struct verdict verdict_on(struct verdict_measurements measured)
{
    struct verdict verdict;
    measured.window_ms = 5000;
    verdict_of(&measured, &verdict);
    return verdict;
}

static void assert_rule(const struct verdict *verdict, enum verdict_level level, const char *rule)
{
    assert_string_equal(verdict->rule, rule);
    assert_string_equal(verdict_level_name(verdict->level), verdict_level_name(level));
}

static void assert_words(const struct verdict *verdict, const char *title, const char *text,
                         const char *advice)
{
    assert_string_equal(verdict->title, title);
    assert_string_equal(verdict->text, text);
    assert_string_equal(verdict->advice, advice);
}

/* ------------------------------------------------------------------ all is well */

static void test_idle(void **state)
{
    (void)state;
    const struct verdict verdict = verdict_on((struct verdict_measurements){.loop_busy = 0.001});
    assert_rule(&verdict, VERDICT_GOOD, "idle");
    assert_words(&verdict, "Nothing to do", "No requests. The loop sleeps until one comes.",
                 "Ask for /fast, /slow and /heavy, and watch the loop.");
}

static void test_calm(void **state)
{
    (void)state;
    const struct verdict verdict = verdict_on((struct verdict_measurements){
        .loop_busy = 0.034, .requests_per_second = 1200, .lag_p99_ms = 0.8});
    assert_rule(&verdict, VERDICT_GOOD, "calm");
    assert_words(
        &verdict, "All calm",
        "The loop is busy 3 % of the time at 1200 requests per second. Timers are in time.", "");
}

static void test_calm_beside_jobs(void **state)
{
    (void)state;
    const struct verdict verdict = verdict_on((struct verdict_measurements){
        .loop_busy = 0.004,
        .requests_per_second = 2,
        .lag_p99_ms = 1,
        .heavy_running = 2,
        .cores = 2,
        WORKS({.name = "worker", .heavy = true, .running = 2, .lanes = 2})});
    assert_rule(&verdict, VERDICT_GOOD, "calm");
    assert_words(&verdict, "All calm",
                 "The loop is busy under 1 % of the time at 2 requests per second. Timers are at "
                 "most 1 ms late (p99). 2 jobs run off the loop.",
                 "");
}

/* No new requests, but one is still at work: nobody sleeps. */
static void test_work_without_requests_is_not_idle(void **state)
{
    (void)state;
    const struct verdict verdict = verdict_on(
        (struct verdict_measurements){.cores = 2, WORKS({.name = "timer", .running = 1})});
    assert_rule(&verdict, VERDICT_GOOD, "calm");
}

/* ------------------------------------------------------------------ the loop is blocked */

static void test_blocked_now_by_none(void **state)
{
    (void)state;
    const struct verdict verdict =
        verdict_on((struct verdict_measurements){.loop_busy = 0.97,
                                                 .blocked_ms = 1234,
                                                 .culprit = CULPRIT,
                                                 .culprit_strategy = "none",
                                                 .requests_waited = 212,
                                                 .longest_wait_ms = 598});
    assert_rule(&verdict, VERDICT_BAD, "loop-blocked");
    assert_words(&verdict, "The loop is blocked",
                 "It has been held for 1.2 s by GET /heavy (primes n=20000000) in mode none. "
                 "Meanwhile nothing else is read or answered. It was busy 97 % of the last 5 s. "
                 "212 requests waited, the longest 598 ms.",
                 "Try offload=threadpool: it computes off the loop.");
}

static void test_blocked_most_of_the_time_by_none(void **state)
{
    (void)state;
    const struct verdict verdict =
        verdict_on((struct verdict_measurements){.loop_busy = 0.97,
                                                 .stalls = 8,
                                                 .longest_stall_ms = 601,
                                                 .culprit = CULPRIT,
                                                 .culprit_strategy = "none",
                                                 .requests_waited = 1,
                                                 .longest_wait_ms = 598});
    assert_rule(&verdict, VERDICT_BAD, "loop-mostly-blocked");
    assert_words(&verdict, "The loop is blocked most of the time",
                 "The loop is busy 97 % of the time. 8 stalls within 5 s, the longest 601 ms, by "
                 "GET /heavy (primes n=20000000) in mode none. 1 request waited, the longest "
                 "598 ms.",
                 "Try offload=threadpool: it computes off the loop.");
}

static void test_async_moves_nothing_off_the_loop(void **state)
{
    (void)state;
    const struct verdict verdict = verdict_on((struct verdict_measurements){
        .loop_busy = 1, .blocked_ms = 300, .culprit = CULPRIT, .culprit_strategy = "deferred"});
    assert_rule(&verdict, VERDICT_BAD, "loop-blocked");
    assert_string_equal(verdict.advice,
                        "async moves nothing off the loop: the work runs later, on the same "
                        "thread. Try offload=threadpool.");
}

static void test_blocked_by_nobody_knows_what(void **state)
{
    (void)state;
    const struct verdict verdict =
        verdict_on((struct verdict_measurements){.loop_busy = 0.3, .blocked_ms = 300});
    assert_rule(&verdict, VERDICT_BAD, "loop-blocked");
    assert_words(&verdict, "The loop is blocked",
                 "It has been held for 300 ms by a callback on the loop. Meanwhile nothing else is "
                 "read or answered. It was busy 30 % of the last 5 s.",
                 "Find what computes or waits on the loop's thread, and move it off.");
}

static void test_a_short_hold_is_not_blocking(void **state)
{
    (void)state;
    const struct verdict verdict = verdict_on((struct verdict_measurements){
        .loop_busy = 0.3, .blocked_ms = 99, .requests_per_second = 10});
    assert_rule(&verdict, VERDICT_GOOD, "calm");
}

static void test_stalled_now_and_then(void **state)
{
    (void)state;
    const struct verdict verdict =
        verdict_on((struct verdict_measurements){.loop_busy = 0.06,
                                                 .stalls = 1,
                                                 .longest_stall_ms = 280,
                                                 .culprit = CULPRIT,
                                                 .culprit_strategy = "none"});
    assert_rule(&verdict, VERDICT_WARNING, "loop-stalled");
    assert_words(&verdict, "The loop was blocked for 280 ms",
                 "The loop is busy 6 % of the time. 1 stall within 5 s, the longest 280 ms, by "
                 "GET /heavy (primes n=20000000) in mode none.",
                 "Try offload=threadpool: it computes off the loop.");
}

/* ------------------------------------------------------------------ a cluster */

static void test_one_of_many_loops_stalled(void **state)
{
    (void)state;
    const struct verdict verdict = verdict_on((struct verdict_measurements){
        .stalls = 1, .longest_stall_ms = 280, .culprit = CULPRIT, .members = 4});
    assert_rule(&verdict, VERDICT_WARNING, "loop-stalled");
    assert_string_equal(verdict.title, "A member's loop was blocked for 280 ms");
}

static void test_one_member_is_blocked(void **state)
{
    (void)state;
    const struct verdict verdict =
        verdict_on((struct verdict_measurements){.loop_busy = 0.4,
                                                 .blocked_ms = 700,
                                                 .culprit = CULPRIT,
                                                 .culprit_strategy = "none",
                                                 .members = 4,
                                                 .members_blocked = 1});
    assert_rule(&verdict, VERDICT_WARNING, "member-blocked");
    assert_words(&verdict, "1 of 4 members is blocked",
                 "A loop has been held for 700 ms by GET /heavy (primes n=20000000) in mode none. "
                 "Connections of this member wait; the others are served.",
                 "A cluster has 4 loops, and each of them can be blocked. Try "
                 "offload=threadpool.");
}

static void test_some_members_are_blocked(void **state)
{
    (void)state;
    const struct verdict verdict = verdict_on(
        (struct verdict_measurements){.blocked_ms = 700, .members = 4, .members_blocked = 3});
    assert_rule(&verdict, VERDICT_WARNING, "member-blocked");
    assert_string_equal(verdict.title, "3 of 4 members are blocked");
    assert_non_null(strstr(verdict.text, "Connections of these members wait"));
}

static void test_all_members_are_blocked(void **state)
{
    (void)state;
    const struct verdict verdict =
        verdict_on((struct verdict_measurements){.blocked_ms = 2500,
                                                 .culprit = CULPRIT,
                                                 .culprit_strategy = "none",
                                                 .members = 2,
                                                 .members_blocked = 2,
                                                 .requests_waited = 40,
                                                 .longest_wait_ms = 2000});
    assert_rule(&verdict, VERDICT_BAD, "all-members-blocked");
    assert_words(&verdict, "All 2 members are blocked",
                 "Every loop of the cluster is held, the longest for 2.5 s, by GET /heavy "
                 "(primes n=20000000) in mode none. Nobody is left to answer. 40 requests waited, "
                 "the longest 2 s.",
                 "A cluster of 2 is blocked by 2 heavy requests at once. Try "
                 "offload=threadpool.");
}

/* ------------------------------------------------------------------ work is lost, refused, waits
 */

static void test_a_child_was_lost(void **state)
{
    (void)state;
    const struct verdict verdict = verdict_on((struct verdict_measurements){
        .requests_per_second = 5,
        WORKS({.name = "worker", .heavy = true}, {.name = "process", .heavy = true, .lost = 1})});
    assert_rule(&verdict, VERDICT_WARNING, "work-lost");
    assert_words(&verdict, "A child process died",
                 "1 job of process was lost within 5 s. The server and all other jobs went on.",
                 "In a thread, the same fault would have ended the server. The answer to the lost "
                 "job says how its process died.");
}

/* Nobody but its server can have lost what no child had. */
static void test_a_member_was_lost(void **state)
{
    (void)state;
    const struct verdict verdict = verdict_on((struct verdict_measurements){
        .members = 2, WORKS({.name = "worker", .heavy = true, .lost = 2})});
    assert_rule(&verdict, VERDICT_WARNING, "work-lost");
    assert_words(&verdict, "A server process died",
                 "2 jobs of worker were lost with it within 5 s, and so was all else that it was "
                 "doing.",
                 "Try offload=process: if a job crashes there, that is all that is lost.");
}

static void test_the_queue_is_full(void **state)
{
    (void)state;
    const struct verdict verdict =
        verdict_on((struct verdict_measurements){.requests_per_second = 5,
                                                 WORKS({.name = "worker",
                                                        .heavy = true,
                                                        .waiting = 100,
                                                        .running = 2,
                                                        .refused = 12,
                                                        .oldest_wait_ms = 9000})});
    assert_rule(&verdict, VERDICT_WARNING, "queue-full");
    assert_words(&verdict, "The queue of worker is full",
                 "12 jobs of worker were refused within 5 s, with status 503. 100 wait, 2 run.",
                 "To refuse at once is better than to let everybody wait too long. Fewer or "
                 "shorter jobs help; a larger --max-queue only makes the wait longer.");
}

/* A server that fails at once is not calm, however idle its loop is. */
static void test_answers_are_errors(void **state)
{
    (void)state;
    struct verdict verdict = verdict_on((struct verdict_measurements){.requests_per_second = 5,
                                                                      .failing_route = "/slow",
                                                                      .failing_errors = 12,
                                                                      .failing_answers = 13});
    assert_rule(&verdict, VERDICT_WARNING, "answers-fail");
    assert_words(&verdict, "Answers of /slow are errors",
                 "12 of the last 13 answers of /slow were errors (status 5xx), within 5 s.",
                 "Each of these answers says what was wrong: read one, with curl.");
    verdict = verdict_on((struct verdict_measurements){
        .failing_route = "other paths", .failing_errors = 1, .failing_answers = 1});
    assert_words(&verdict, "Answers of other paths are errors",
                 "1 of the last 1 answer of other paths was an error (status 5xx), within 5 s.",
                 "Each of these answers says what was wrong: read one, with curl.");
}

static void test_jobs_hold_the_pool_that_queries_need(void **state)
{
    (void)state;
    const struct verdict verdict =
        verdict_on((struct verdict_measurements){.requests_per_second = 5,
                                                 WORKS({.name = "threadpool",
                                                        .heavy = true,
                                                        .in_pool = true,
                                                        .running = 4,
                                                        .lanes = 4,
                                                        .waiting = 9,
                                                        .oldest_wait_ms = 3000},
                                                       {.name = "sqlite",
                                                        .in_pool = true,
                                                        .waiting = 1,
                                                        .oldest_wait_ms = 800,
                                                        .wait_p99_ms = 640})});
    assert_rule(&verdict, VERDICT_WARNING, "pool-shared");
    assert_words(&verdict, "Jobs of threadpool make sqlite wait",
                 "Both need threads of libuv's one pool. 4 jobs run there, and 1 query waits "
                 "behind them; waits reach 800 ms.",
                 "Try offload=worker, which has threads of its own, or a larger "
                 "UV_THREADPOOL_SIZE.");
}

/* The timer needs no thread, so nothing in the pool can hold it up. */
static void test_a_source_outside_the_pool_shares_nothing(void **state)
{
    (void)state;
    const struct verdict verdict = verdict_on((struct verdict_measurements){
        .requests_per_second = 5,
        WORKS({.name = "threadpool", .heavy = true, .in_pool = true, .running = 1},
              {.name = "timer", .wait_p99_ms = 800})});
    assert_rule(&verdict, VERDICT_GOOD, "calm");
}

static struct verdict verdict_on_queue(unsigned lanes, unsigned cores)
{
    return verdict_on((struct verdict_measurements){.requests_per_second = 5,
                                                    .cores = cores,
                                                    WORKS({.name = "worker",
                                                           .heavy = true,
                                                           .waiting = 12,
                                                           .running = 2,
                                                           .lanes = lanes,
                                                           .oldest_wait_ms = 3200,
                                                           .run_p99_ms = 410})});
}

static void test_a_queue_is_long(void **state)
{
    (void)state;
    const struct verdict verdict = verdict_on_queue(2, 2);
    assert_rule(&verdict, VERDICT_WARNING, "queue-long");
    assert_words(&verdict, "More work comes than worker can do",
                 "12 jobs wait for worker, the oldest for 3.2 s. 2 run on 2 lanes, each for up to "
                 "410 ms.",
                 "More lanes than cores finish no more. Fewer or shorter jobs help.");
}

static void test_more_lanes_help_where_cores_are_left(void **state)
{
    (void)state;
    struct verdict verdict = verdict_on_queue(2, 8);
    assert_string_equal(verdict.advice, "More lanes would help: there are 8 cores.");
    verdict = verdict_on_queue(0, 8); /* nobody knows how many there are */
    assert_non_null(strstr(verdict.text, " 2 run, each for up to"));
    assert_non_null(strstr(verdict.advice, "Fewer or shorter jobs"));
}

static void test_queries_wait_without_any_job(void **state)
{
    (void)state;
    const struct verdict verdict =
        verdict_on((struct verdict_measurements){.requests_per_second = 5,
                                                 .cores = 8,
                                                 WORKS({.name = "sqlite",
                                                        .in_pool = true,
                                                        .waiting = 1,
                                                        .running = 4,
                                                        .lanes = 4,
                                                        .oldest_wait_ms = 150,
                                                        .run_p99_ms = 100})});
    assert_rule(&verdict, VERDICT_WARNING, "queue-long");
    assert_words(&verdict, "More work comes than sqlite can do",
                 "1 query waits for sqlite, the oldest for 150 ms. 4 run on 4 lanes, each for up "
                 "to 100 ms.",
                 "Shorter queries, or more of them at once, would help.");
}

static void test_of_two_queues_the_longer_wait_is_told(void **state)
{
    (void)state;
    const struct verdict verdict = verdict_on((struct verdict_measurements){
        .requests_per_second = 5,
        WORKS({.name = "worker", .heavy = true, .waiting = 9, .oldest_wait_ms = 200},
              {.name = "process", .heavy = true, .waiting = 1, .oldest_wait_ms = 900})});
    assert_string_equal(verdict.title, "More work comes than process can do");
}

/* ------------------------------------------------------------------ worth knowing */

/* Slices hold the loop on purpose: they are neither a stall nor a blocked loop. */
static void test_sliced(void **state)
{
    (void)state;
    const struct verdict verdict = verdict_on(
        (struct verdict_measurements){.loop_busy = 1,
                                      .lag_p99_ms = 5.04,
                                      .stalls = 30,
                                      .longest_stall_ms = 120,
                                      .culprit = CULPRIT,
                                      .culprit_strategy = "sliced",
                                      WORKS({.name = "sliced", .heavy = true, .running = 2})});
    assert_rule(&verdict, VERDICT_NOTICE, "sliced");
    assert_words(&verdict, "The loop computes in slices",
                 "2 jobs take turns on the loop: each turn holds the loop for about 5 ms. Others "
                 "wait for a slice, not for a whole job.",
                 "Nothing runs in parallel and no job gets faster. Try offload=worker to use "
                 "another core.");
}

static void test_more_jobs_than_cores(void **state)
{
    (void)state;
    const struct verdict verdict = verdict_on(
        (struct verdict_measurements){.requests_per_second = 5, .heavy_running = 4, .cores = 2});
    assert_rule(&verdict, VERDICT_NOTICE, "more-jobs-than-cores");
    assert_words(&verdict, "Concurrency is not parallelism",
                 "4 jobs run on 2 cores: they take turns, and each takes about twice as long.",
                 "As many lanes as cores finish just as much.");
}

static void test_timers_come_late(void **state)
{
    (void)state;
    struct verdict_measurements measured = {.lag_p99_ms = 35, .requests_per_second = 5};
    struct verdict verdict = verdict_on(measured);
    assert_rule(&verdict, VERDICT_NOTICE, "timers-late");
    assert_words(&verdict, "Timers come late",
                 "By up to 35 ms (p99), though no callback holds the loop for long: many short "
                 "ones are due at once, or the loop's thread waits for a core.",
                 "See what else runs on this machine.");
    measured.heavy_running = 1;
    verdict = verdict_on(measured);
    assert_string_equal(verdict.advice,
                        "A higher --offload-nice lets threads that compute yield to the loop.");
}

static void test_the_loop_is_at_its_limit(void **state)
{
    (void)state;
    const struct verdict verdict =
        verdict_on((struct verdict_measurements){.loop_busy = 0.99, .requests_per_second = 61234});
    assert_rule(&verdict, VERDICT_NOTICE, "loop-saturated");
    assert_words(&verdict, "The loop is at its limit",
                 "It is busy 99 % of the time with short callbacks, at 61234 requests per second.",
                 "One loop uses one core. A cluster has a loop for each.");
}

static void test_members_that_cannot_be_seen(void **state)
{
    (void)state;
    const struct verdict verdict =
        verdict_on((struct verdict_measurements){.members = 3, .members_unrecorded = 2});
    assert_rule(&verdict, VERDICT_NOTICE, "members-unrecorded");
    assert_words(&verdict, "2 of 3 members cannot be seen",
                 "They run another version of this program, which records otherwise than this "
                 "observer reads. They serve, but what their loops and jobs do is not known here.",
                 "Restart the cluster as a whole: SIGHUP replaces the members only.");
}

/* ------------------------------------------------------------------ the order */

static void assert_speaks(const struct verdict_measurements *measured, const char *rule)
{
    struct verdict verdict;
    verdict_of(measured, &verdict);
    assert_string_equal(verdict.rule, rule);
}

/* One thing after the other goes wrong, and each is told before all that went wrong earlier. */
static void test_the_worst_is_told_first(void **state)
{
    enum { SLICED, WORKER, THREADPOOL, PROCESS, SQLITE, COUNT };
    struct verdict_work works[COUNT] = {
        [SLICED] = {.name = "sliced", .heavy = true},
        [WORKER] = {.name = "worker", .heavy = true},
        [THREADPOOL] = {.name = "threadpool", .heavy = true, .in_pool = true},
        [PROCESS] = {.name = "process", .heavy = true},
        [SQLITE] = {.name = "sqlite", .in_pool = true},
    };
    struct verdict_measurements measured = {
        .window_ms = 5000, .works = works, .works_count = COUNT, .cores = 2, .members = 1};
    (void)state;
    assert_speaks(&measured, "idle");
    measured.requests_per_second = 100;
    assert_speaks(&measured, "calm");
    measured.loop_busy = 0.95;
    assert_speaks(&measured, "loop-saturated");
    measured.lag_p99_ms = 30;
    assert_speaks(&measured, "timers-late");
    measured.heavy_running = 4;
    assert_speaks(&measured, "more-jobs-than-cores");
    works[SLICED].running = 1;
    assert_speaks(&measured, "sliced");
    measured.members_unrecorded = 1;
    assert_speaks(&measured, "members-unrecorded");
    measured.failing_route = "/slow";
    measured.failing_errors = measured.failing_answers = 2;
    assert_speaks(&measured, "answers-fail");
    works[WORKER].waiting = 3;
    works[WORKER].oldest_wait_ms = 2000;
    assert_speaks(&measured, "queue-long");
    works[THREADPOOL].running = 4;
    works[SQLITE].wait_p99_ms = 300;
    assert_speaks(&measured, "pool-shared");
    works[WORKER].refused = 3;
    assert_speaks(&measured, "queue-full");
    works[PROCESS].lost = 1;
    assert_speaks(&measured, "work-lost");
    measured.loop_busy = 0.3;
    measured.stalls = 1;
    assert_speaks(&measured, "loop-stalled");
    measured.blocked_ms = 500;
    measured.members = 2;
    measured.members_blocked = 1;
    assert_speaks(&measured, "member-blocked");
    measured.loop_busy = 0.95;
    assert_speaks(&measured, "loop-mostly-blocked");
    measured.members = 1;
    assert_speaks(&measured, "loop-blocked");
    measured.members = 2;
    measured.members_blocked = 2;
    assert_speaks(&measured, "all-members-blocked");
}

/* Names may be long, figures huge: the text is cut, and nothing is written beyond it. */
static void test_long_names_are_cut(void **state)
{
    char name[1000];
    (void)state;
    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    struct verdict verdict = verdict_on((struct verdict_measurements){
        .blocked_ms = 1e12, .culprit = name, .culprit_strategy = name});
    assert_true(strlen(verdict.text) < sizeof verdict.text);
    verdict = verdict_on(
        (struct verdict_measurements){WORKS({.name = name, .heavy = true, .refused = UINT64_MAX})});
    assert_int_equal(strlen(verdict.text), sizeof verdict.text - 1);
}

/* ------------------------------------------------------------------ the machine's doing */

static void test_a_stall_without_cpu_time(void **state)
{
    (void)state;
    struct verdict_measurements measured = {.loop_busy = 0.2,
                                            .stalls = 3,
                                            .longest_stall_ms = 90,
                                            .throttled_ms = 80,
                                            .throttled_share = 0.5};
    struct verdict verdict = verdict_on(measured);
    assert_rule(&verdict, VERDICT_WARNING, "loop-stalled");
    assert_words(&verdict, "The loop was blocked for 90 ms",
                 "The loop is busy 20 % of the time. 3 stalls within 5 s, the longest 90 ms, by a "
                 "callback on the loop. For up to 80 ms of that the cgroup had used up its CPU "
                 "time: that is the machine's doing, not the request's alone.",
                 "Allow the cgroup more CPU time (cpu.max, docker --cpus), or let fewer threads "
                 "and processes compute in it.");
    measured.throttled_ms = 20; /* not a good part of it */
    verdict = verdict_on(measured);
    assert_rule(&verdict, VERDICT_WARNING, "loop-stalled");
    assert_null(strstr(verdict.text, "cgroup"));
    assert_null(strstr(verdict.advice, "cgroup"));
}

/* Both are to blame, and what can be done about the request comes first. */
static void test_a_request_without_cpu_time(void **state)
{
    (void)state;
    const struct verdict_measurements measured = {.loop_busy = 0.9,
                                                  .blocked_ms = 1500,
                                                  .culprit = CULPRIT,
                                                  .culprit_strategy = "none",
                                                  .throttled_ms = 1200,
                                                  .longest_stall_ms = 5000};
    const struct verdict verdict = verdict_on(measured);
    assert_rule(&verdict, VERDICT_BAD, "loop-blocked");
    assert_non_null(strstr(verdict.text, "For up to 1.2 s of that the cgroup had used up its CPU "
                                         "time: that is the machine's doing"));
    assert_non_null(strstr(verdict.text, CULPRIT));
    assert_non_null(strstr(verdict.advice, "offload=threadpool"));
}

static void test_members_without_cpu_time(void **state)
{
    (void)state;
    struct verdict_measurements measured = {
        .members = 2, .members_blocked = 1, .blocked_ms = 400, .throttled_ms = 300};
    struct verdict verdict = verdict_on(measured);
    assert_rule(&verdict, VERDICT_WARNING, "member-blocked");
    assert_non_null(strstr(verdict.text, "had used up its CPU time"));
    measured.members_blocked = 2;
    verdict = verdict_on(measured);
    assert_rule(&verdict, VERDICT_BAD, "all-members-blocked");
    assert_non_null(strstr(verdict.text, "had used up its CPU time"));
}

static void test_a_quota_that_is_used_up_between_callbacks(void **state)
{
    (void)state;
    struct verdict_measurements measured = {
        .loop_busy = 0.2, .lag_p99_ms = 75, .throttled_share = 0.3, .requests_per_second = 5};
    struct verdict verdict = verdict_on(measured);
    assert_rule(&verdict, VERDICT_NOTICE, "cpu-throttled");
    assert_words(&verdict, "The cgroup's CPU time is used up",
                 "For up to 30 % of the last 5 s nothing of this server could run: its cgroup had "
                 "used up what its quota allows. Timers are up to 75 ms late (p99).",
                 "Allow the cgroup more CPU time (cpu.max, docker --cpus), or let fewer threads "
                 "and processes compute in it.");
    measured.throttled_share = 0.01;
    verdict = verdict_on(measured);
    assert_rule(&verdict, VERDICT_NOTICE, "timers-late");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_stall_without_cpu_time),
        cmocka_unit_test(test_a_request_without_cpu_time),
        cmocka_unit_test(test_members_without_cpu_time),
        cmocka_unit_test(test_a_quota_that_is_used_up_between_callbacks),
        cmocka_unit_test(test_idle),
        cmocka_unit_test(test_calm),
        cmocka_unit_test(test_calm_beside_jobs),
        cmocka_unit_test(test_work_without_requests_is_not_idle),
        cmocka_unit_test(test_blocked_now_by_none),
        cmocka_unit_test(test_blocked_most_of_the_time_by_none),
        cmocka_unit_test(test_async_moves_nothing_off_the_loop),
        cmocka_unit_test(test_blocked_by_nobody_knows_what),
        cmocka_unit_test(test_a_short_hold_is_not_blocking),
        cmocka_unit_test(test_stalled_now_and_then),
        cmocka_unit_test(test_one_of_many_loops_stalled),
        cmocka_unit_test(test_one_member_is_blocked),
        cmocka_unit_test(test_some_members_are_blocked),
        cmocka_unit_test(test_all_members_are_blocked),
        cmocka_unit_test(test_a_child_was_lost),
        cmocka_unit_test(test_a_member_was_lost),
        cmocka_unit_test(test_the_queue_is_full),
        cmocka_unit_test(test_answers_are_errors),
        cmocka_unit_test(test_jobs_hold_the_pool_that_queries_need),
        cmocka_unit_test(test_a_source_outside_the_pool_shares_nothing),
        cmocka_unit_test(test_a_queue_is_long),
        cmocka_unit_test(test_more_lanes_help_where_cores_are_left),
        cmocka_unit_test(test_queries_wait_without_any_job),
        cmocka_unit_test(test_of_two_queues_the_longer_wait_is_told),
        cmocka_unit_test(test_sliced),
        cmocka_unit_test(test_more_jobs_than_cores),
        cmocka_unit_test(test_timers_come_late),
        cmocka_unit_test(test_the_loop_is_at_its_limit),
        cmocka_unit_test(test_members_that_cannot_be_seen),
        cmocka_unit_test(test_the_worst_is_told_first),
        cmocka_unit_test(test_long_names_are_cut),
    };
    return cmocka_run_group_tests_name("verdict", tests, NULL, NULL);
}
