/* process_test.c – child processes: the strategy's contract, and what only they must stand.
 *
 * The general suite holds kernels at a gate in this process's memory, where a child cannot see it.
 * Here jobs are real kernels, and "it runs" is known from the child's CPU: a job that was handed to
 * one of fewer children than jobs. Children are found in /proc and killed by their own pid. */
#include "server/offload/offload.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>

#include <cmocka.h>

#include "kernel/crash.h"
#include "tests/support/harness.h"
#include "tests/support/random.h"

enum { CHILDREN = 2, MAX_QUEUE = 2000, FOR_EVER_MS = 60000, KILLS = 1000 };

struct bench {
    uv_loop_t loop;
    struct offload *offload;
    uv_thread_t thread;
    char program[4096];
};

/* A job and how often it came home. */
struct tracked {
    struct job job;
    struct bench *bench;
    unsigned times_done;
};

/* ------------------------------------------------------------------ the bench */

static struct bench *bench_open(unsigned children, unsigned job_timeout_ms, const char *program)
{
    struct bench *bench = calloc(1, sizeof *bench);
    assert_non_null(bench);
    if (program != NULL)
        snprintf(bench->program, sizeof bench->program, "%s", program);
    else
        harness_kernel_program(bench->program, sizeof bench->program);
    bench->thread = uv_thread_self();
    assert_int_equal(uv_loop_init(&bench->loop), 0);
    const struct offload_options options = {
        .threadpool_size = 1,
        .workers = 1,
        .max_queue = MAX_QUEUE,
        .slice_ms = 1,
        .processes = children,
        .job_timeout_ms = job_timeout_ms,
        .kernel_program = bench->program,
    };
    assert_int_equal(offload_new(&bench->offload, &bench->loop, &options), 0);
    return bench;
}

/* No handle, no child and no zombie stays. */
static void bench_close(struct bench *bench)
{
    offload_stop(bench->offload);
    assert_int_equal(uv_run(&bench->loop, UV_RUN_DEFAULT), 0);
    offload_free(bench->offload);
    assert_int_equal(uv_loop_close(&bench->loop), 0);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_int_equal(errno, ECHILD);
    free(bench);
}

static void on_done(struct job *job)
{
    struct tracked *tracked = (struct tracked *)job;
    uv_thread_t self = uv_thread_self();
    assert_true(uv_thread_equal(&self, &tracked->bench->thread));
    tracked->times_done++;
}

static void submit_with_timeout(struct bench *bench, struct tracked *tracked,
                                const struct kernel *kernel, uint64_t size, uint64_t timeout_ms)
{
    *tracked = (struct tracked){.bench = bench, .job.timeout_ms = timeout_ms};
    kernel_arguments_init(&tracked->job.arguments, kernel);
    tracked->job.kernel = kernel;
    tracked->job.arguments.values[0] = size;
    tracked->job.arguments.image = kernel->image_type != NULL;
    tracked->job.done = on_done;
    tracked->job.owner = bench;
    offload_submit(bench->offload, strategy_find("process"), &tracked->job);
}

static void submit(struct bench *bench, struct tracked *tracked, const struct kernel *kernel,
                   uint64_t size)
{
    submit_with_timeout(bench, tracked, kernel, size, 0);
}

static void run_until_done(struct bench *bench, const struct tracked *tracked)
{
    while (tracked->times_done == 0)
        uv_run(&bench->loop, UV_RUN_ONCE);
}

/* The pids of this process's children; returns how many. */
static int list_children(int *pids, int most)
{
    char path[64];
    int count = 0;
    snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)syscall(SYS_gettid));
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    while (count < most && fscanf(file, "%d", &pids[count]) == 1)
        count++;
    fclose(file);
    return count;
}

static unsigned count_descriptors(void)
{
    unsigned count = 0;
    DIR *folder = opendir("/proc/self/fd");
    assert_non_null(folder);
    while (readdir(folder) != NULL)
        count++;
    closedir(folder);
    return count;
}

/* ------------------------------------------------------------------ the contract */

static void assert_same_result(const struct kernel_result *left, const struct kernel_result *right)
{
    assert_int_equal(left->number_count, right->number_count);
    for (size_t i = 0; i < left->number_count; i++) {
        assert_string_equal(left->numbers[i].name, right->numbers[i].name);
        assert_memory_equal(&left->numbers[i].value, &right->numbers[i].value,
                            sizeof left->numbers[i].value);
    }
    assert_int_equal(left->image_bytes, right->image_bytes);
    if (left->image_bytes > 0)
        assert_memory_equal(left->image, right->image, left->image_bytes);
}

static void run_here(const struct job *job, struct kernel_result *result)
{
    struct kernel_run run;
    assert_int_equal(kernel_run_init(&run, job->kernel, &job->arguments), 0);
    while (kernel_run_step(&run, job->kernel->step_units))
        continue;
    assert_int_equal(kernel_run_finish(&run, result), 0);
    kernel_run_close(&run);
}

static void test_every_kernel_gives_the_result_that_it_gives_here(void **state)
{
    (void)state;
    struct bench *bench = bench_open(CHILDREN, 0, NULL);
    const struct kernel *kernel;
    for (size_t i = 0; (kernel = kernel_at(i)) != NULL; i++) {
        struct tracked tracked;
        struct kernel_result expected;
        submit(bench, &tracked, kernel, kernel->parameters[0].min + 40);
        run_until_done(bench, &tracked);
        assert_int_equal(tracked.job.outcome, TRIP_SUCCEEDED);
        run_here(&tracked.job, &expected);
        assert_same_result(&tracked.job.result, &expected);
        kernel_result_close(&expected);
        job_close(&tracked.job);
    }
    bench_close(bench);
}

static void test_the_stamps_are_in_order_and_the_lane_is_a_child(void **state)
{
    (void)state;
    struct bench *bench = bench_open(CHILDREN, 0, NULL);
    struct tracked tracked;
    submit(bench, &tracked, kernel_find("primes"), 100000);
    run_until_done(bench, &tracked);
    const struct trip *trip = &tracked.job.trip;
    assert_true(trip->submitted_ns <= trip->started_ns && trip->started_ns <= trip->finished_ns &&
                trip->finished_ns <= trip->delivered_ns);
    assert_int_equal(trip->lane.kind, LANE_CHILD);
    assert_in_range(trip->lane.number, 1, CHILDREN);
    job_close(&tracked.job);
    bench_close(bench);
}

static void test_cancel_waiting_and_running(void **state)
{
    (void)state;
    struct bench *bench = bench_open(1, 0, NULL);
    struct tracked running, waiting, after;
    submit(bench, &running, kernel_find("sleep"), FOR_EVER_MS);
    submit(bench, &waiting, kernel_find("sleep"), FOR_EVER_MS);
    offload_cancel(&waiting.job);
    assert_int_equal(waiting.times_done, 1);
    assert_int_equal(waiting.job.outcome, TRIP_CANCELLED);
    offload_cancel(&running.job);
    offload_cancel(&running.job);
    run_until_done(bench, &running);
    assert_int_equal(running.job.outcome, TRIP_CANCELLED);
    submit(bench, &after, kernel_find("primes"), 10);
    run_until_done(bench, &after);
    assert_int_equal(after.job.outcome, TRIP_SUCCEEDED);
    assert_int_equal(after.job.trip.lane.number, 1);
    job_close(&after.job);
    bench_close(bench);
}

static void test_stop_with_jobs_out(void **state)
{
    (void)state;
    struct bench *bench = bench_open(CHILDREN, 0, NULL);
    struct tracked jobs[6];
    for (int i = 0; i < 6; i++)
        submit(bench, &jobs[i], kernel_find("sleep"), FOR_EVER_MS);
    bench_close(bench);
    for (int i = 0; i < 6; i++) {
        assert_int_equal(jobs[i].times_done, 1);
        assert_int_equal(jobs[i].job.outcome, TRIP_CANCELLED);
    }
}

/* Ctrl-C and a service manager tell the server's children what they tell the server. That drains,
 * and needs them for it. */
static void test_what_ends_a_server_does_not_end_its_children(void **state)
{
    (void)state;
    struct bench *bench = bench_open(1, 0, NULL);
    struct tracked first, running;
    int pid = 0;
    submit(bench, &first, kernel_find("primes"), 10);
    run_until_done(bench, &first);
    assert_int_equal(list_children(&pid, 1), 1);
    submit(bench, &running, kernel_find("sleep"), 20);
    assert_int_equal(kill(pid, SIGINT), 0);
    assert_int_equal(kill(pid, SIGTERM), 0);
    run_until_done(bench, &running);
    assert_int_equal(running.job.outcome, TRIP_SUCCEEDED);
    job_close(&first.job);
    job_close(&running.job);
    bench_close(bench);
}

/* ------------------------------------------------------------------ bad children */

static void test_a_crash_costs_one_job(void **state)
{
    (void)state;
    struct bench *bench = bench_open(1, 0, NULL);
    struct tracked crash, behind;
    submit(bench, &crash, &kernel_crash, 1);
    submit(bench, &behind, kernel_find("primes"), 1000);
    run_until_done(bench, &crash);
    run_until_done(bench, &behind);
    assert_int_equal(crash.job.outcome, TRIP_LOST);
    assert_non_null(strstr(crash.job.problem, "signal 11"));
    assert_int_equal(behind.job.outcome, TRIP_SUCCEEDED);
    assert_int_equal(behind.job.result.numbers[0].value.integer, 168);
    job_close(&behind.job);
    bench_close(bench);
}

/* A child that obeys when it is told to stop lives on. */
static void test_a_job_that_exceeds_the_time_is_stopped(void **state)
{
    (void)state;
    struct bench *bench = bench_open(1, 0, NULL);
    struct tracked slow, after;
    int before = 0, then = 0;
    submit_with_timeout(bench, &slow, kernel_find("sleep"), FOR_EVER_MS, 30);
    assert_int_equal(list_children(&before, 1), 1);
    run_until_done(bench, &slow);
    assert_int_equal(slow.job.outcome, TRIP_EXPIRED);
    assert_int_equal(slow.job.error, -ETIMEDOUT);
    assert_string_equal(slow.job.problem, "");
    assert_true(trip_run_ms(&slow.job.trip) > 0);
    submit(bench, &after, kernel_find("primes"), 10);
    run_until_done(bench, &after);
    assert_int_equal(after.job.outcome, TRIP_SUCCEEDED);
    assert_int_equal(list_children(&then, 1), 1);
    assert_int_equal(then, before);
    job_close(&after.job);
    bench_close(bench);
}

/* Runs a job on a child that is a shell script. */
static void run_on_script(const char *script, unsigned job_timeout_ms, struct tracked *tracked)
{
    char path[] = "/tmp/offloop-child-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, script, strlen(script)), strlen(script));
    assert_int_equal(fchmod(fd, 0700), 0);
    close(fd);
    struct bench *bench = bench_open(1, job_timeout_ms, path);
    submit(bench, tracked, kernel_find("primes"), 1000);
    run_until_done(bench, tracked);
    bench_close(bench);
    unlink(path);
}

static void test_a_child_that_exceeds_the_time_and_hangs_is_killed(void **state)
{
    (void)state;
    struct tracked tracked;
    run_on_script("#!/bin/sh\nexec sleep 1000\n", 30, &tracked);
    assert_int_equal(tracked.job.outcome, TRIP_EXPIRED);
    assert_non_null(strstr(tracked.job.problem, "did not stop"));
    assert_non_null(strstr(tracked.job.problem, "killed"));
}

static void test_a_child_that_writes_nonsense_is_killed(void **state)
{
    (void)state;
    struct tracked tracked;
    run_on_script("#!/bin/sh\nexec cat /dev/zero\n", 0, &tracked);
    assert_int_equal(tracked.job.outcome, TRIP_LOST);
    assert_non_null(strstr(tracked.job.problem, "nonsense"));
}

static void test_a_child_that_ends_loses_its_job(void **state)
{
    (void)state;
    struct tracked tracked;
    run_on_script("#!/bin/sh\nexit 3\n", 0, &tracked);
    assert_int_equal(tracked.job.outcome, TRIP_LOST);
    assert_string_equal(tracked.job.problem, "the child process ended with status 3");
}

static void test_a_program_that_is_not_there_is_refused(void **state)
{
    (void)state;
    struct bench *bench = bench_open(CHILDREN, 0, "/nonexistent/offloop-kernel");
    struct tracked tracked;
    submit(bench, &tracked, kernel_find("primes"), 1000);
    assert_int_equal(tracked.times_done, 1);
    assert_int_equal(tracked.job.outcome, TRIP_REFUSED);
    assert_int_equal(tracked.job.error, -ENOENT);
    assert_int_equal(offload_warm_up(bench->offload, strategy_find("process")), UV_ENOENT);
    bench_close(bench);
}

static void test_the_first_job_finds_its_children_warm(void **state)
{
    (void)state;
    struct bench *bench = bench_open(CHILDREN, 0, NULL);
    struct tracked tracked;
    int before[CHILDREN + 1], after[CHILDREN + 1];
    assert_int_equal(list_children(before, CHILDREN + 1), 0);
    assert_int_equal(offload_warm_up(bench->offload, strategy_find("process")), 0);
    assert_int_equal(list_children(before, CHILDREN + 1), CHILDREN);
    submit(bench, &tracked, kernel_find("primes"), 1000);
    run_until_done(bench, &tracked);
    assert_int_equal(tracked.job.outcome, TRIP_SUCCEEDED);
    assert_int_equal(list_children(after, CHILDREN + 1), CHILDREN);
    assert_memory_equal(before, after, CHILDREN * sizeof *before);
    job_close(&tracked.job);
    bench_close(bench);
}

/* ------------------------------------------------------------------ jobs behind dead children */

/* Kills a child and waits until it is dead, which this process does not know yet. */
static void kill_behind_the_loop(int pid)
{
    siginfo_t info;
    assert_true(pid > 1);
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
}

static void test_a_job_that_no_child_has_read_is_not_lost(void **state)
{
    (void)state;
    struct bench *bench = bench_open(1, 0, NULL);
    struct tracked first, next;
    int pid = 0;
    submit(bench, &first, kernel_find("primes"), 10);
    run_until_done(bench, &first);
    assert_int_equal(list_children(&pid, 1), 1);
    kill_behind_the_loop(pid);
    submit(bench, &next, kernel_find("primes"), 10);
    run_until_done(bench, &next);
    assert_int_equal(next.job.outcome, TRIP_SUCCEEDED);
    job_close(&first.job);
    job_close(&next.job);
    bench_close(bench);
}

/* The program goes away, and one of two children dies: the jobs that wait belong to the other. When
 * that is dead too there is no hope for them. */
static void test_jobs_wait_as_long_as_one_child_lives(void **state)
{
    enum { LONGER_THAN_IT_IS_TRIED_MS = 3500 };
    char folder[] = "/tmp/offloop-program-XXXXXX", program[4096], link[100];
    struct tracked running, waiting, hopeless;
    int pids[2];
    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(link, sizeof link, "%s/offloop-kernel", folder);
    harness_kernel_program(program, sizeof program);
    assert_int_equal(symlink(program, link), 0);
    struct bench *bench = bench_open(2, 0, link);
    submit(bench, &running, kernel_find("sleep"), LONGER_THAN_IT_IS_TRIED_MS);
    assert_int_equal(list_children(pids, 2), 2);
    assert_int_equal(unlink(link), 0);
    assert_int_equal(rmdir(folder), 0);
    kill_behind_the_loop(pids[1]);
    submit(bench, &waiting, kernel_find("primes"), 10);
    run_until_done(bench, &waiting);
    assert_int_equal(waiting.job.outcome, TRIP_SUCCEEDED);
    kill_behind_the_loop(pids[0]);
    submit(bench, &hopeless, kernel_find("primes"), 10);
    run_until_done(bench, &hopeless);
    assert_int_equal(hopeless.job.outcome, TRIP_LOST);
    assert_string_equal(hopeless.job.problem,
                        "no child process can be started: no such file or directory");
    job_close(&running.job);
    job_close(&waiting.job);
    bench_close(bench);
}

/* ------------------------------------------------------------------ a thousand deaths */

static void kill_one(uint64_t *random)
{
    int pids[64];
    int count = list_children(pids, 64);
    if (count > 0)
        kill(pids[random_below(random, (unsigned)count)], SIGKILL);
}

/* One job after the other ends; each time a child is killed at random, idle, busy or just being
 * born. Every job must come home once, no more be lost than children were killed, and no descriptor
 * stay (libuv has made those that it keeps for the tests before this one). */
static void test_a_thousand_kills_lose_only_what_the_killed_held(void **state)
{
    (void)state;
    enum { BATCH = 20, CHILDREN_TO_KILL = 8 };
    uint64_t random = random_seed();
    unsigned descriptors = count_descriptors();
    struct bench *bench = bench_open(CHILDREN_TO_KILL, 0, NULL);
    struct tracked jobs[BATCH];
    unsigned kills = 0, lost = 0;
    while (kills < KILLS) {
        for (int i = 0; i < BATCH; i++)
            submit(bench, &jobs[i], kernel_find("primes"), 1000 + random_below(&random, 2000000));
        for (int i = 0; i < BATCH; i++) {
            kill_one(&random);
            kills++;
            run_until_done(bench, &jobs[i]);
        }
        for (int i = 0; i < BATCH; i++) {
            run_until_done(bench, &jobs[i]);
            assert_int_equal(jobs[i].times_done, 1);
            assert_true(jobs[i].job.outcome == TRIP_SUCCEEDED || jobs[i].job.outcome == TRIP_LOST);
            lost += jobs[i].job.outcome == TRIP_LOST;
            job_close(&jobs[i].job);
        }
    }
    print_message("%u kills, %u jobs lost with their child\n", kills, lost);
    assert_true(lost <= kills);
    bench_close(bench);
    assert_int_equal(count_descriptors(), descriptors);
}

/* ------------------------------------------------------------------ the parent's death */

/* A parent that is killed can tell its child nothing; the child must end all the same. */
static void test_children_die_with_a_parent_that_is_killed(void **state)
{
    (void)state;
    int pipe_fds[2];
    assert_int_equal(pipe(pipe_fds), 0);
    pid_t parent = fork();
    if (parent == 0) {
        struct bench *bench = bench_open(1, 0, NULL);
        struct tracked tracked;
        int child = 0;
        submit(bench, &tracked, kernel_find("sleep"), FOR_EVER_MS);
        bool told = list_children(&child, 1) == 1 &&
                    write(pipe_fds[1], &child, sizeof child) == sizeof child;
        uv_run(&bench->loop, UV_RUN_DEFAULT);
        _exit(told);
    }
    int child = 0;
    assert_int_equal(read(pipe_fds[0], &child, sizeof child), sizeof child);
    int pidfd = (int)syscall(SYS_pidfd_open, child, 0);
    assert_true(pidfd >= 0);
    kill(parent, SIGKILL);
    assert_int_equal(waitpid(parent, NULL, 0), parent);
    struct pollfd ended = {.fd = pidfd, .events = POLLIN};
    assert_int_equal(poll(&ended, 1, FOR_EVER_MS), 1);
    close(pidfd);
    close(pipe_fds[0]);
    close(pipe_fds[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_kernel_gives_the_result_that_it_gives_here),
        cmocka_unit_test(test_the_stamps_are_in_order_and_the_lane_is_a_child),
        cmocka_unit_test(test_cancel_waiting_and_running),
        cmocka_unit_test(test_stop_with_jobs_out),
        cmocka_unit_test(test_what_ends_a_server_does_not_end_its_children),
        cmocka_unit_test(test_a_crash_costs_one_job),
        cmocka_unit_test(test_a_job_that_exceeds_the_time_is_stopped),
        cmocka_unit_test(test_a_child_that_exceeds_the_time_and_hangs_is_killed),
        cmocka_unit_test(test_a_child_that_writes_nonsense_is_killed),
        cmocka_unit_test(test_a_child_that_ends_loses_its_job),
        cmocka_unit_test(test_a_program_that_is_not_there_is_refused),
        cmocka_unit_test(test_the_first_job_finds_its_children_warm),
        cmocka_unit_test(test_a_job_that_no_child_has_read_is_not_lost),
        cmocka_unit_test(test_jobs_wait_as_long_as_one_child_lives),
        cmocka_unit_test(test_a_thousand_kills_lose_only_what_the_killed_held),
        cmocka_unit_test(test_children_die_with_a_parent_that_is_killed),
    };
    harness_prepare_process();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
