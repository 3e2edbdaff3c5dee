/* lanes_test.c – a machine that cannot give all the lanes that were asked for. */
#include "server/offload/lanes.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include <uv.h>

#include <cmocka.h>

#include "server/machine/backoff.h"
#include "server/machine/descriptors.h"
#include "tests/support/harness.h"
#include "tests/support/temporary.h"

enum { WANTED = 64, DESCRIPTORS_TO_HAVE = 60, JOBS = 100 };

struct bench {
    uv_loop_t loop;
    struct offload *offload;
    char program[512];
    struct shortage told;
    unsigned times_told;
    struct rlimit before;
};

struct tracked {
    struct job job;
    bool done;
};

static void on_shortage(void *data, const struct shortage *shortage)
{
    struct bench *bench = data;
    bench->told = *shortage;
    bench->times_told++;
}

static void bench_open(struct bench *bench, const char *program)
{
    memset(bench, 0, sizeof *bench);
    snprintf(bench->program, sizeof bench->program, "%s", program);
    assert_int_equal(uv_loop_init(&bench->loop), 0);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &bench->before), 0);
    const struct offload_options options = {.threadpool_size = 1,
                                            .workers = WANTED,
                                            .processes = WANTED,
                                            .max_queue = JOBS,
                                            .slice_ms = 1,
                                            .kernel_program = bench->program,
                                            .on_shortage = on_shortage,
                                            .shortage_data = bench};
    assert_int_equal(offload_new(&bench->offload, &bench->loop, &options), 0);
}

static void bench_close(struct bench *bench)
{
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &bench->before), 0);
    offload_stop(bench->offload);
    assert_int_equal(uv_run(&bench->loop, UV_RUN_DEFAULT), 0);
    offload_free(bench->offload);
    assert_int_equal(uv_loop_close(&bench->loop), 0);
}

/* So many more may be opened. */
static void leave_descriptors(struct bench *bench, unsigned count)
{
    rlim_t open = bench->before.rlim_cur - descriptors_left();
    const struct rlimit few = {open + count, bench->before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
}

static void on_done(struct job *job)
{
    ((struct tracked *)job)->done = true;
}

static void submit(struct bench *bench, const char *strategy, struct tracked *tracked)
{
    *tracked = (struct tracked){.job.kernel = kernel_find("primes"), .job.done = on_done};
    kernel_arguments_init(&tracked->job.arguments, tracked->job.kernel);
    tracked->job.arguments.values[0] = 1000;
    tracked->job.owner = bench;
    offload_submit(bench->offload, strategy_find(strategy), &tracked->job);
}

static void run_until_done(struct bench *bench, struct tracked *tracked)
{
    while (!tracked->done)
        uv_run(&bench->loop, UV_RUN_ONCE);
}

/* ------------------------------------------------------------------ fewer */

static void work_with_fewer(const char *strategy, unsigned most)
{
    struct bench bench;
    struct tracked tracked[JOBS];
    char program[512];
    harness_kernel_program(program, sizeof program);
    bench_open(&bench, program);
    leave_descriptors(&bench, DESCRIPTORS_TO_HAVE);
    for (unsigned i = 0; i < JOBS; i++)
        submit(&bench, strategy, &tracked[i]);
    assert_int_equal(bench.times_told, 1);
    assert_ptr_equal(bench.told.strategy, strategy_find(strategy));
    assert_int_equal(bench.told.wanted, WANTED);
    assert_in_range(bench.told.had, 1, most);
    assert_int_equal(bench.told.error, UV_EMFILE);
    assert_true(descriptors_left() >= DESCRIPTORS_TO_HAVE / 3); /* for clients */
    for (unsigned i = 0; i < JOBS; i++) {
        run_until_done(&bench, &tracked[i]);
        assert_int_equal(tracked[i].job.outcome, TRIP_SUCCEEDED);
        job_close(&tracked[i].job);
    }
    assert_int_equal(bench.times_told, 1);
    bench_close(&bench);
}

static void test_fewer_children(void **state)
{
    (void)state;
    work_with_fewer("process", DESCRIPTORS_TO_HAVE / 2 / 2);
}

static void test_fewer_workers(void **state)
{
    (void)state;
    work_with_fewer("worker", DESCRIPTORS_TO_HAVE / 2 / 5);
}

/* ------------------------------------------------------------------ none */

/* The program comes a moment after the second job: nobody looks for it before the rest is over. */
static void test_what_cannot_be_had_is_not_asked_for_by_each_request(void **state)
{
    char folder[128], link[160], program[512];
    struct bench bench;
    struct tracked tracked;
    (void)state;
    temporary_folder(folder, sizeof folder);
    snprintf(link, sizeof link, "%s/offloop-kernel", folder);
    bench_open(&bench, link);
    uint64_t began_ns = uv_hrtime();
    for (int i = 0; i < 2; i++) {
        submit(&bench, "process", &tracked);
        assert_int_equal(tracked.job.outcome, TRIP_REFUSED);
    }
    harness_kernel_program(program, sizeof program);
    assert_int_equal(symlink(program, link), 0);
    unsigned refused = 0;
    do {
        submit(&bench, "process", &tracked);
        run_until_done(&bench, &tracked);
        refused += tracked.job.outcome == TRIP_REFUSED;
        if (tracked.job.outcome == TRIP_REFUSED)
            assert_int_equal(tracked.job.error, -ENOENT);
    } while (tracked.job.outcome == TRIP_REFUSED);
    assert_true(refused > 0);
    assert_true(uv_hrtime() - began_ns >= BACKOFF_MIN_MS * 1000000ull);
    assert_int_equal(tracked.job.outcome, TRIP_SUCCEEDED);
    assert_int_equal(bench.times_told, 1);
    assert_int_equal(bench.told.had, 0);
    assert_int_equal(bench.told.error, UV_ENOENT);
    job_close(&tracked.job);
    bench_close(&bench);
    temporary_folder_remove(folder);
}

static void refuse(const char *strategy)
{
    struct bench bench;
    struct tracked tracked;
    char program[512];
    harness_kernel_program(program, sizeof program);
    bench_open(&bench, program);
    leave_descriptors(&bench, 0);
    for (unsigned i = 0; i < JOBS; i++) {
        submit(&bench, strategy, &tracked);
        assert_int_equal(tracked.job.outcome, TRIP_REFUSED);
        assert_int_equal(tracked.job.error, UV_EMFILE);
    }
    assert_int_equal(bench.times_told, 1);
    bench_close(&bench);
}

static void test_no_descriptor_at_all(void **state)
{
    (void)state;
    refuse("process");
    refuse("worker");
}

/* ------------------------------------------------------------------ arithmetic */

static void test_how_many_are_kept(void **state)
{
    (void)state;
    assert_int_equal(lanes_kept(64, 64), 64);
    assert_int_equal(lanes_kept(1, 1), 1);
    assert_int_equal(lanes_kept(40, 64), 30);
    assert_int_equal(lanes_kept(1, 64), 1);
    assert_int_equal(lanes_kept(3, 64), 3);
    assert_true(lanes_affordable(1000000) == 1);
}

static void test_rests_grow(void **state)
{
    struct backoff backoff = {0};
    const uint64_t now_ns = 5;
    static const unsigned rests_ms[] = {0, 1000, 2000, 4000, 8000, 16000, 30000, 30000};
    (void)state;
    assert_false(backoff_rests(&backoff, 0));
    for (size_t i = 0; i < sizeof rests_ms / sizeof *rests_ms; i++) {
        backoff_failed(&backoff, now_ns);
        if (rests_ms[i] > 0)
            assert_true(backoff_rests(&backoff, now_ns + rests_ms[i] * 1000000ull - 1));
        assert_false(backoff_rests(&backoff, now_ns + rests_ms[i] * 1000000ull));
    }
}

static void test_descriptors_are_counted(void **state)
{
    unsigned before = descriptors_left();
    (void)state;
    int fd = dup(0);
    assert_int_equal(descriptors_left(), before - 1);
    close(fd);
    assert_int_equal(descriptors_left(), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fewer_children),
        cmocka_unit_test(test_fewer_workers),
        cmocka_unit_test(test_what_cannot_be_had_is_not_asked_for_by_each_request),
        cmocka_unit_test(test_no_descriptor_at_all),
        cmocka_unit_test(test_how_many_are_kept),
        cmocka_unit_test(test_rests_grow),
        cmocka_unit_test(test_descriptors_are_counted),
    };
    harness_prepare_process();
    return cmocka_run_group_tests_name("lanes", tests, NULL, NULL);
}
