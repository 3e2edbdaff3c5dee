/* lowered_test.c – threads of nice 19, and a loop that waits for none of them.
 *
 * A lowered thread can lose its core at any point for as long as others want it. Here it is held at
 * the worst points on purpose, and for as long as the test likes: a loop that waits there would
 * wait for ever. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include <uv.h>

#include <cmocka.h>

#include "server/offload/companion.h"
#include "server/offload/offload.h"
#include "tests/support/harness.h"

enum { NICE = 19, POOL = 4, JOBS = 3 };

struct bench {
    uv_loop_t loop;
    struct offload *offload;
};

struct tracked {
    struct job job;
    bool done;
};

static int own_nice_value(void)
{
    return getpriority(PRIO_PROCESS, (id_t)gettid());
}

static void bench_open(struct bench *bench, bool per_request)
{
    const struct offload_options options = {.threadpool_size = POOL,
                                            .workers = 1,
                                            .processes = 1,
                                            .max_queue = 10,
                                            .worker_per_request = per_request,
                                            .slice_ms = 1,
                                            .nice_value = NICE};
    assert_int_equal(uv_loop_init(&bench->loop), 0);
    assert_int_equal(offload_new(&bench->offload, &bench->loop, &options), 0);
}

static void bench_close(struct bench *bench)
{
    assert_int_equal(uv_run(&bench->loop, UV_RUN_DEFAULT), 0);
    offload_free(bench->offload);
    assert_int_equal(uv_loop_close(&bench->loop), 0);
}

static void on_done(struct job *job)
{
    ((struct tracked *)job)->done = true;
}

static void run_job(struct bench *bench, const char *strategy, const struct kernel *kernel,
                    void *argument)
{
    struct tracked tracked = {.job = {.kernel = kernel, .done = on_done, .owner = bench}};
    tracked.job.arguments.values[0] = (uint64_t)(uintptr_t)argument;
    offload_submit(bench->offload, strategy_find(strategy), &tracked.job);
    while (!tracked.done)
        uv_run(&bench->loop, UV_RUN_ONCE);
    assert_int_equal(tracked.job.outcome, TRIP_SUCCEEDED);
    job_close(&tracked.job);
}

/* ------------------------------------------------------------------ a kernel that looks at itself
 */

/* What a job leaves on the thread that ran it. */
struct visit {
    int nice_value;
    pthread_key_t key;  /* its destructor holds the thread's end */
    uv_sem_t *released; /* NULL: its end is not held */
};

static int visit_init(void *state, const struct kernel_arguments *arguments, uint64_t *total_units)
{
    *(struct visit **)state = (struct visit *)(uintptr_t)arguments->values[0];
    *total_units = 1;
    return 0;
}

static uint64_t visit_step(void *state, uint64_t budget)
{
    struct visit *visit = *(struct visit **)state;
    (void)budget;
    visit->nice_value = own_nice_value();
    if (visit->released != NULL)
        pthread_setspecific(visit->key, visit->released);
    return 1;
}

static int visit_finish(void *state, struct kernel_result *result)
{
    (void)state, (void)result;
    return 0;
}

static void visit_close(void *state)
{
    (void)state;
}

static uint64_t any_size(uint64_t units)
{
    return units;
}

static const struct kernel visit_kernel = {
    .name = "visit",
    .help = "looks at its thread",
    .unit = "looks",
    .parameters = {{"n", "where to write it", 0, UINT64_MAX, 0}},
    .step_units = 1,
    .sample_size = 1,
    .size_of = any_size,
    .state_bytes = sizeof(struct visit *),
    .init = visit_init,
    .step = visit_step,
    .finish = visit_finish,
    .close = visit_close,
};

/* ------------------------------------------------------------------ threads that do not end */

static void wait_for_release(void *released)
{
    uv_sem_wait(released);
}

/* One thread after the other has brought its result and cannot end. Jobs come and go all the same,
 * and so does the strategy; it is closed when the last thread has ended. */
static void hold_the_ends(bool per_request, unsigned threads)
{
    struct bench bench;
    uv_sem_t released;
    struct visit visit = {.released = &released};
    assert_int_equal(uv_sem_init(&released, 0), 0);
    assert_int_equal(pthread_key_create(&visit.key, wait_for_release), 0);
    bench_open(&bench, per_request);
    for (unsigned i = 0; i < JOBS; i++)
        run_job(&bench, "worker", &visit_kernel, &visit);
    offload_stop(bench.offload);
    uv_run(&bench.loop, UV_RUN_NOWAIT);
    assert_true(uv_loop_alive(&bench.loop));
    for (unsigned i = 0; i < threads; i++)
        uv_sem_post(&released);
    bench_close(&bench);
    pthread_key_delete(visit.key);
    uv_sem_destroy(&released);
}

static void test_workers_that_do_not_end_hold_nobody(void **state)
{
    (void)state;
    hold_the_ends(false, 1);
}

static void test_a_worker_for_each_request_holds_nobody(void **state)
{
    (void)state;
    hold_the_ends(true, JOBS);
}

static void test_no_more_threads_are_made_than_may_wait_to_end(void **state)
{
    struct rlimit before, few;
    struct bench bench;
    uv_sem_t released;
    struct visit visit = {.released = &released};
    struct tracked tracked = {.job = {.kernel = &visit_kernel, .done = on_done}};
    unsigned threads = 0;
    (void)state;
    assert_int_equal(uv_sem_init(&released, 0), 0);
    assert_int_equal(pthread_key_create(&visit.key, wait_for_release), 0);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    few = (struct rlimit){100, before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    bench_open(&bench, true);
    tracked.job.arguments.values[0] = (uint64_t)(uintptr_t)&visit;
    for (; threads < 100; threads++) {
        tracked.done = false;
        offload_submit(bench.offload, strategy_find("worker"), &tracked.job);
        while (!tracked.done)
            uv_run(&bench.loop, UV_RUN_ONCE);
        if (tracked.job.outcome == TRIP_REFUSED)
            break;
    }
    assert_int_equal(tracked.job.error, UV_EMFILE);
    assert_in_range(threads, 1, 100 / 2 / 5);
    int fd = dup(0);
    assert_true(fd >= 0); /* something is left for clients */
    close(fd);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    for (unsigned i = 0; i < threads; i++)
        uv_sem_post(&released);
    offload_stop(bench.offload);
    bench_close(&bench);
    pthread_key_delete(visit.key);
    uv_sem_destroy(&released);
}

/* ------------------------------------------------------------------ who is lowered */

static void look_at_priority(uv_work_t *work)
{
    uv_barrier_wait(((void **)work->data)[0]);
    atomic_fetch_add((atomic_int *)((void **)work->data)[1], own_nice_value() != 0);
}

/* Between two jobs these threads hold libuv's locks, which the loop takes as well. */
static void test_the_pool_itself_is_not_lowered(void **state)
{
    struct bench bench;
    uv_barrier_t all_at_once;
    atomic_int lowered = 0;
    uv_work_t work[POOL];
    void *both[] = {&all_at_once, &lowered};
    (void)state;
    if (own_nice_value() != 0)
        skip();
    bench_open(&bench, false);
    for (unsigned i = 0; i < JOBS * POOL; i++) {
        struct visit visit = {0};
        run_job(&bench, "threadpool", &visit_kernel, &visit);
        assert_int_equal(visit.nice_value, NICE);
    }
    assert_int_equal(uv_barrier_init(&all_at_once, POOL), 0);
    for (unsigned i = 0; i < POOL; i++) {
        work[i].data = both;
        assert_int_equal(uv_queue_work(&bench.loop, &work[i], look_at_priority, NULL), 0);
    }
    offload_stop(bench.offload);
    bench_close(&bench);
    assert_int_equal(lowered, 0);
    uv_barrier_destroy(&all_at_once);
}

static void test_workers_are_lowered(void **state)
{
    (void)state;
    for (int per_request = 0; per_request < 2; per_request++) {
        struct bench bench;
        struct visit visit = {0};
        bench_open(&bench, per_request);
        run_job(&bench, "worker", &visit_kernel, &visit);
        assert_int_equal(visit.nice_value, NICE);
        offload_stop(bench.offload);
        bench_close(&bench);
    }
}

/* ------------------------------------------------------------------ companions */

struct errand {
    struct companions *companions;
    unsigned count; /* how often it was run */
};

static void run_errand(void *data)
{
    ((struct errand *)data)->count++;
}

static void run_errands(void *data)
{
    struct errand *errand = data;
    for (unsigned i = 0; i < 1000; i++)
        companions_run(errand->companions, run_errand, errand);
}

static void on_closed(void *data)
{
    *(bool *)data = true;
}

static void run_errands_at_once(unsigned nice_value)
{
    uv_loop_t loop;
    struct companions companions;
    struct errand errands[POOL];
    uv_thread_t threads[POOL];
    bool closed = false;
    assert_int_equal(uv_loop_init(&loop), 0);
    assert_int_equal(companions_init(&companions, &loop, nice_value), 0);
    for (unsigned i = 0; i < POOL; i++) {
        errands[i] = (struct errand){.companions = &companions};
        assert_int_equal(uv_thread_create(&threads[i], run_errands, &errands[i]), 0);
    }
    for (unsigned i = 0; i < POOL; i++) {
        uv_thread_join(&threads[i]);
        assert_int_equal(errands[i].count, 1000);
    }
    companions_close(&companions, on_closed, &closed);
    assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
    assert_true(closed);
    assert_int_equal(uv_loop_close(&loop), 0);
}

static void test_companions_do_each_errand_once(void **state)
{
    (void)state;
    run_errands_at_once(NICE);
    run_errands_at_once(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_workers_that_do_not_end_hold_nobody),
        cmocka_unit_test(test_a_worker_for_each_request_holds_nobody),
        cmocka_unit_test(test_no_more_threads_are_made_than_may_wait_to_end),
        cmocka_unit_test(test_the_pool_itself_is_not_lowered),
        cmocka_unit_test(test_workers_are_lowered),
        cmocka_unit_test(test_companions_do_each_errand_once),
    };
    harness_prepare_process();
    return cmocka_run_group_tests_name("lowered", tests, NULL, NULL);
}
