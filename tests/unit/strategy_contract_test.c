/* strategy_contract_test.c – what every way of running jobs promises.
 *
 * The suite runs once for every row of the strategy table, and once more for a worker per request,
 * so a new strategy is held to the contract as soon as it has a row. That a job is running, or
 * waits, is known for certain, not guessed by time: tests/support/gate.h holds a kernel at its
 * first step, and jobs are admitted to lanes in the order in which they come. */
#include "server/offload/offload.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include <cmocka.h>

#include "tests/support/gate.h"
#include "tests/support/harness.h"
#include "tests/support/random.h"

enum {
    THREADPOOL_SIZE = 4,
    WORKERS = 2,
    PROCESSES = 2,
    MAX_QUEUE = 6,
    JOBS_MAX = 500,
    OPEN_UNITS = 100,
    FOR_EVER_MS = 60000
};

enum place {
    IN_PLACE,    /* submit does not return before the job is done */
    ON_THE_LOOP, /* between submit and done the loop has to turn */
    ON_THREADS,  /* jobs run while the loop stands still */
    ELSEWHERE,   /* in another process: only kernels of the table can go there */
};

struct variant {
    const char *name;
    const struct strategy *strategy;
    enum place place;
    bool per_request;
    bool slices;           /* other callbacks of the loop run while a job does */
    unsigned lanes;        /* jobs that run at the same time; 0: nobody counts them */
    enum lane_kind kind;   /* of its lanes */
    unsigned lane_numbers; /* how many there may be */
};

/* A job, what its test expects of it, and what it does to others when it comes home. */
struct tracked {
    struct job job;
    struct bench *bench;
    unsigned times_done;
    struct gate gate;
    void (*then)(struct tracked *tracked);
};

/* One strategy under test, on a loop of its own. */
struct bench {
    const struct variant *variant;
    uv_loop_t loop;
    uv_thread_t thread;
    struct offload *offload;
    char kernel_program[512];
    struct tracked tracked[JOBS_MAX];
    unsigned count;
    bool stopped;
};

/* ------------------------------------------------------------------ the bench */

static struct bench *bench_open_with(void **state, unsigned max_queue)
{
    struct bench *bench = calloc(1, sizeof *bench);
    assert_non_null(bench);
    bench->variant = *state;
    bench->thread = uv_thread_self();
    assert_int_equal(uv_loop_init(&bench->loop), 0);
    harness_kernel_program(bench->kernel_program, sizeof bench->kernel_program);
    const struct offload_options options = {
        .processes = PROCESSES,
        .kernel_program = bench->kernel_program,
        .threadpool_size = THREADPOOL_SIZE,
        .workers = WORKERS,
        .max_queue = max_queue,
        .worker_per_request = bench->variant->per_request,
        .slice_ms = 1,
    };
    assert_int_equal(offload_new(&bench->offload, &bench->loop, &options), 0);
    return bench;
}

static struct bench *bench_open(void **state)
{
    return bench_open_with(state, MAX_QUEUE);
}

/* How many jobs can be out before the next is refused. */
static unsigned capacity(const struct bench *bench, unsigned max_queue)
{
    return (bench->variant->per_request ? 1 : bench->variant->lanes) + max_queue;
}

static void run_until(struct bench *bench, const struct tracked *tracked)
{
    while (tracked->times_done == 0)
        assert_true(uv_run(&bench->loop, UV_RUN_ONCE) != 0 || tracked->times_done != 0);
}

static void run_until_all_are_home(struct bench *bench)
{
    for (unsigned i = 0; i < bench->count; i++)
        run_until(bench, &bench->tracked[i]);
}

static void check_books(const struct bench *bench)
{
    const struct offload_counters *counters =
        offload_counters(bench->offload, bench->variant->strategy);
    struct offload_counters expected = {0};
    for (unsigned i = 0; i < bench->count; i++) {
        const struct tracked *tracked = &bench->tracked[i];
        expected.submitted++;
        expected.succeeded += tracked->job.outcome == TRIP_SUCCEEDED;
        expected.cancelled += tracked->job.outcome == TRIP_CANCELLED;
        expected.refused += tracked->job.outcome == TRIP_REFUSED;
        expected.failed += tracked->job.outcome == TRIP_FAILED;
        expected.lost += tracked->job.outcome == TRIP_LOST;
        expected.expired += tracked->job.outcome == TRIP_EXPIRED;
        expected.dropped += tracked->job.outcome == TRIP_SUCCEEDED && tracked->job.owner == NULL;
    }
    assert_memory_equal(counters, &expected, sizeof expected);
}

/* Everything comes home exactly once, is counted, and nothing stays on the loop. */
static void bench_close(struct bench *bench)
{
    if (!bench->stopped)
        offload_stop(bench->offload);
    assert_int_equal(uv_run(&bench->loop, UV_RUN_DEFAULT), 0);
    for (unsigned i = 0; i < bench->count; i++)
        assert_int_equal(bench->tracked[i].times_done, 1);
    check_books(bench);
    offload_free(bench->offload);
    assert_int_equal(uv_loop_close(&bench->loop), 0);
    for (unsigned i = 0; i < bench->count; i++) {
        job_close(&bench->tracked[i].job);
        gate_destroy(&bench->tracked[i].gate);
    }
    free(bench);
}

/* ------------------------------------------------------------------ jobs */

static void check_lane(const struct variant *variant, const struct lane *lane)
{
    assert_int_equal(lane->kind, variant->kind);
    if (variant->place == ON_THREADS || variant->place == ELSEWHERE)
        assert_true(lane->number >= 1);
    else
        assert_int_equal(lane->number, 0);
    if (variant->lane_numbers > 0)
        assert_true(lane->number <= variant->lane_numbers);
}

static void check_stamps(const struct trip *trip, enum trip_outcome outcome)
{
    assert_true(trip->submitted_ns > 0 && trip->submitted_ns <= trip->delivered_ns);
    if (outcome == TRIP_SUCCEEDED)
        assert_true(trip->started_ns > 0);
    if (trip->started_ns == 0)
        return;
    assert_true(trip->submitted_ns <= trip->started_ns);
    assert_true(trip->started_ns <= trip->finished_ns);
    assert_true(trip->finished_ns <= trip->delivered_ns);
}

static void on_done(struct job *job)
{
    struct tracked *tracked = (struct tracked *)job; /* its first member */
    const uv_thread_t here = uv_thread_self();
    assert_true(uv_thread_equal(&here, &tracked->bench->thread));
    assert_int_equal(++tracked->times_done, 1);
    assert_ptr_equal(job->strategy, tracked->bench->variant->strategy);
    check_stamps(&job->trip, job->outcome);
    if (job->trip.started_ns != 0)
        check_lane(tracked->bench->variant, &job->trip.lane);
    if (job->outcome == TRIP_SUCCEEDED)
        assert_int_equal(job->error, 0);
    if (tracked->then != NULL)
        tracked->then(tracked);
}

static struct tracked *track(struct bench *bench, const struct kernel *kernel)
{
    assert_true(bench->count < JOBS_MAX);
    struct tracked *tracked = &bench->tracked[bench->count++];
    tracked->bench = bench;
    tracked->job.kernel = kernel;
    tracked->job.done = on_done;
    tracked->job.owner = tracked;
    kernel_arguments_init(&tracked->job.arguments, kernel);
    gate_init(&tracked->gate, 1);
    return tracked;
}

static void submit(struct tracked *tracked)
{
    offload_submit(tracked->bench->offload, tracked->bench->variant->strategy, &tracked->job);
}

static struct tracked *submit_sized(struct bench *bench, const char *kernel, uint64_t size)
{
    struct tracked *tracked = track(bench, kernel_find(kernel));
    tracked->job.arguments.values[0] = size;
    submit(tracked);
    return tracked;
}

static struct tracked *submit_timed(struct bench *bench, const char *kernel, uint64_t ms)
{
    struct tracked *tracked = track(bench, kernel_find(kernel));
    tracked->job.ms = ms;
    submit(tracked);
    return tracked;
}

/* A job that stands at its gate until that lets so many units pass. On the loop nobody could open
 * it once the job runs, so there it stands open from the start; into another process it cannot go,
 * so there a sleep stands in for it. */
static struct tracked *submit_gated(struct bench *bench, const struct kernel *kernel,
                                    uint64_t units)
{
    if (bench->variant->place == ELSEWHERE)
        return submit_sized(bench, "sleep", units < FOR_EVER_MS ? units : FOR_EVER_MS);
    struct tracked *tracked = track(bench, kernel);
    tracked->gate.units = units;
    tracked->job.arguments = gate_arguments(&tracked->gate);
    if (bench->variant->place != ON_THREADS)
        gate_open(&tracked->gate, units < OPEN_UNITS ? (unsigned)units : OPEN_UNITS);
    submit(tracked);
    return tracked;
}

/* Fills every lane with a job, and returns the first of them. On threads they are running then; on
 * the loop they are not, unless it turns. */
static struct tracked *occupy_lanes(struct bench *bench)
{
    struct tracked *first = &bench->tracked[bench->count];
    for (unsigned i = 0; i < bench->variant->lanes; i++) {
        struct tracked *tracked = submit_gated(bench, &gate_kernel, UINT64_MAX);
        if (bench->variant->place == ON_THREADS)
            gate_await_entry(&tracked->gate);
    }
    return first;
}

/* Ends what occupy_lanes has begun. */
static void free_lanes(struct bench *bench, struct tracked *first)
{
    for (unsigned i = 0; i < bench->variant->lanes; i++) {
        offload_cancel(&first[i].job);
        gate_open(&first[i].gate, 1);
    }
}

static void calibrate(struct bench *bench)
{
    run_until(bench, submit_timed(bench, "primes", 1));
}

/* ------------------------------------------------------------------ results */

static void test_brings_the_result(void **state)
{
    struct bench *bench = bench_open(state);
    struct tracked *tracked = submit_sized(bench, "primes", 1000);
    assert_int_equal(tracked->times_done, bench->variant->place == IN_PLACE ? 1 : 0);
    run_until(bench, tracked);
    assert_int_equal(tracked->job.outcome, TRIP_SUCCEEDED);
    assert_string_equal(tracked->job.result.numbers[0].name, "primes");
    assert_int_equal(tracked->job.result.numbers[0].value.integer, 168);
    assert_true(trip_run_ms(&tracked->job.trip) > 0);
    bench_close(bench);
}

static void test_brings_an_image(void **state)
{
    struct bench *bench = bench_open(state);
    struct tracked *tracked = track(bench, kernel_find("mandelbrot"));
    tracked->job.arguments.values[0] = 16;
    tracked->job.arguments.image = true;
    submit(tracked);
    run_until(bench, tracked);
    assert_string_equal(tracked->job.result.image_type, "image/png");
    assert_true(tracked->job.result.image_bytes > 8);
    assert_memory_equal(tracked->job.result.image, "\x89PNG\r\n\x1a\n", 8);
    bench_close(bench);
}

static void test_many_jobs_all_come_home(void **state)
{
    struct bench *bench = bench_open_with(state, 200);
    for (unsigned i = 0; i < 100; i++)
        submit_sized(bench, "primes", i);
    run_until_all_are_home(bench);
    for (unsigned i = 0; i < 100; i++)
        assert_int_equal(bench->tracked[i].job.outcome, TRIP_SUCCEEDED);
    assert_int_equal(bench->tracked[97].job.result.numbers[0].value.integer, 25);
    bench_close(bench);
}

static void test_a_kernel_that_fails(void **state)
{
    struct bench *bench = bench_open(state);
    if (bench->variant->place == ELSEWHERE) {
        bench_close(bench);
        return;
    }
    struct tracked *at_start = submit_gated(bench, &broken_at_start_kernel, 1);
    struct tracked *at_end = track(bench, &broken_at_end_kernel);
    at_end->job.arguments = gate_arguments(&at_end->gate);
    gate_open(&at_end->gate, 1);
    submit(at_end);
    run_until_all_are_home(bench);
    assert_int_equal(at_start->job.outcome, TRIP_FAILED);
    assert_int_equal(at_start->job.error, -ENOMEM);
    assert_int_equal(at_end->job.outcome, TRIP_FAILED);
    assert_int_equal(at_end->job.error, -EIO);
    assert_true(at_end->gate.closed);
    bench_close(bench);
}

static void test_a_result_for_nobody_is_dropped(void **state)
{
    struct bench *bench = bench_open(state);
    struct tracked *tracked = track(bench, kernel_find("mandelbrot"));
    tracked->job.arguments.values[0] = 8;
    tracked->job.arguments.image = true;
    tracked->job.owner = NULL;
    submit(tracked);
    run_until(bench, tracked);
    const struct offload_counters *counters =
        offload_counters(bench->offload, bench->variant->strategy);
    assert_int_equal(counters->dropped, 1);
    bench_close(bench);
}

/* The lanes do run at the same time: as many gates as there are lanes are entered, none is left. */
static void test_lanes_run_side_by_side(void **state)
{
    struct bench *bench = bench_open(state);
    if (bench->variant->place == ON_THREADS) {
        struct tracked *first = occupy_lanes(bench);
        free_lanes(bench, first);
        run_until_all_are_home(bench);
        for (unsigned i = 0; i < bench->variant->lanes; i++) {
            for (unsigned j = 0; j < i; j++)
                assert_true(first[i].job.trip.lane.number != first[j].job.trip.lane.number);
        }
    }
    bench_close(bench);
}

/* ------------------------------------------------------------------ sizes in milliseconds */

static void test_a_job_in_ms_waits_for_the_calibration(void **state)
{
    struct bench *bench = bench_open(state);
    struct tracked *early = submit_timed(bench, "primes", 1);
    struct tracked *exact = submit_timed(bench, "sleep", 1);
    assert_int_equal(early->times_done + exact->times_done, 0); /* not even on the loop */
    run_until_all_are_home(bench);
    assert_int_equal(early->job.outcome, TRIP_SUCCEEDED);
    assert_true(early->job.arguments.values[0] > 0);
    struct tracked *late = submit_timed(bench, "primes", 1);
    run_until(bench, late);
    assert_int_equal(late->job.arguments.values[0], early->job.arguments.values[0]);
    bench_close(bench);
}

static void test_cancel_before_the_calibration(void **state)
{
    struct bench *bench = bench_open(state);
    struct tracked *jobs[3];
    for (unsigned i = 0; i < 3; i++)
        jobs[i] = submit_timed(bench, "sleep", 1);
    offload_cancel(&jobs[1]->job);
    assert_int_equal(jobs[1]->times_done, 1);
    assert_int_equal(jobs[1]->job.outcome, TRIP_CANCELLED);
    assert_int_equal(jobs[1]->job.trip.started_ns, 0);
    run_until_all_are_home(bench);
    assert_int_equal(jobs[0]->job.outcome, TRIP_SUCCEEDED);
    assert_int_equal(jobs[2]->job.outcome, TRIP_SUCCEEDED);
    bench_close(bench);
}

static void cancel_the_others(struct tracked *tracked)
{
    struct bench *bench = tracked->bench;
    for (unsigned i = 0; i < bench->count; i++) {
        if (bench->tracked[i].times_done == 0)
            offload_cancel(&bench->tracked[i].job);
    }
}

/* The first that comes home takes the others with it, some of which still have no size. */
static void test_cancel_while_the_calibration_is_handed_out(void **state)
{
    struct bench *bench = bench_open_with(state, 0);
    for (unsigned i = 0; i < capacity(bench, 0) + 3; i++)
        submit_timed(bench, "sleep", 1)->then = cancel_the_others;
    run_until_all_are_home(bench);
    for (unsigned i = 0; i < bench->count; i++)
        assert_true(bench->tracked[i].job.outcome != TRIP_FAILED);
    bench_close(bench);
}

static void stop_all(struct tracked *tracked)
{
    if (!tracked->bench->stopped) {
        tracked->bench->stopped = true;
        offload_stop(tracked->bench->offload);
    }
}

static void test_stop_while_the_calibration_is_handed_out(void **state)
{
    struct bench *bench = bench_open_with(state, 0);
    for (unsigned i = 0; i < capacity(bench, 0) + 3; i++)
        submit_timed(bench, "sleep", 1)->then = stop_all;
    run_until_all_are_home(bench);
    bench_close(bench);
}

/* ------------------------------------------------------------------ cancelling */

/* A job may have to wait for a lane, instead of getting one of its own or running at once. */
static bool queues(const struct variant *variant)
{
    return variant->place != IN_PLACE && !variant->per_request;
}

static void test_cancel_a_waiting_job(void **state)
{
    struct bench *bench = bench_open(state);
    if (!queues(bench->variant)) {
        bench_close(bench);
        return;
    }
    struct tracked *first = occupy_lanes(bench), *waiting[3];
    for (unsigned i = 0; i < 3; i++)
        waiting[i] = submit_gated(bench, &gate_kernel, 1);
    gate_open(&waiting[0]->gate, 1);
    offload_cancel(&waiting[1]->job); /* from the middle, then the last */
    offload_cancel(&waiting[2]->job);
    free_lanes(bench, first);
    run_until_all_are_home(bench);
    assert_int_equal(waiting[0]->job.outcome, TRIP_SUCCEEDED);
    for (unsigned i = 1; i < 3; i++) {
        assert_int_equal(waiting[i]->job.outcome, TRIP_CANCELLED);
        assert_int_equal(waiting[i]->job.error, -ECANCELED);
        assert_int_equal(waiting[i]->job.trip.started_ns, 0);
    }
    bench_close(bench);
}

/* A running job makes the step that it is in, and no other. */
static void test_cancel_a_running_job(void **state)
{
    struct bench *bench = bench_open(state);
    if (bench->variant->place == ON_THREADS) {
        struct tracked *tracked = submit_gated(bench, &gate_kernel, UINT64_MAX);
        gate_await_entry(&tracked->gate);
        offload_cancel(&tracked->job);
        assert_int_equal(tracked->times_done, 0);
        gate_open(&tracked->gate, 1);
        run_until(bench, tracked);
        assert_int_equal(tracked->job.outcome, TRIP_CANCELLED);
        assert_int_equal(tracked->gate.passed, 1);
        assert_true(tracked->gate.closed);
    }
    bench_close(bench);
}

/* Between two slices the loop belongs to others, who may cancel the job. */
static void test_cancel_between_two_slices(void **state)
{
    struct bench *bench = bench_open(state);
    if (bench->variant->slices) {
        struct tracked *tracked = submit_gated(bench, &gate_kernel, UINT64_MAX);
        struct tracked *beside = submit_gated(bench, &gate_kernel, 2);
        while (tracked->gate.passed < 2)
            uv_run(&bench->loop, UV_RUN_NOWAIT);
        unsigned passed = tracked->gate.passed;
        offload_cancel(&tracked->job);
        run_until_all_are_home(bench);
        assert_int_equal(tracked->job.outcome, TRIP_CANCELLED);
        assert_int_equal(tracked->gate.passed, passed);
        assert_true(tracked->gate.closed);
        assert_int_equal(beside->job.outcome, TRIP_SUCCEEDED);
    }
    bench_close(bench);
}

static void test_cancel_a_kernel_of_the_table(void **state)
{
    struct bench *bench = bench_open(state);
    if (bench->variant->place != IN_PLACE) {
        struct tracked *sleeps = submit_sized(bench, "sleep", FOR_EVER_MS);
        struct tracked *counts = submit_sized(bench, "primes", 10000000000u);
        offload_cancel(&sleeps->job);
        offload_cancel(&counts->job);
        run_until_all_are_home(bench);
        assert_int_equal(sleeps->job.outcome, TRIP_CANCELLED);
        assert_int_equal(counts->job.outcome, TRIP_CANCELLED);
    }
    bench_close(bench);
}

static void test_cancel_twice(void **state)
{
    struct bench *bench = bench_open(state);
    if (bench->variant->place != IN_PLACE) {
        struct tracked *first = occupy_lanes(bench);
        offload_cancel(&first->job);
        offload_cancel(&first->job);
        free_lanes(bench, first);
        run_until(bench, first);
        assert_int_equal(first->job.outcome, TRIP_CANCELLED);
    }
    bench_close(bench);
}

/* The job is done and its result is on the way: the loop has been woken, but has not looked. */
static void test_cancel_when_the_result_is_on_its_way(void **state)
{
    struct bench *bench = bench_open(state);
    if (bench->variant->place == ON_THREADS) {
        calibrate(bench);                    /* whose wake-up would be mistaken for the job's */
        uv_run(&bench->loop, UV_RUN_NOWAIT); /* arms the descriptor that the wake-up comes by */
        struct tracked *tracked = submit_gated(bench, &gate_kernel, 1);
        struct pollfd woken = {.fd = uv_backend_fd(&bench->loop), .events = POLLIN};
        gate_open(&tracked->gate, 1);
        assert_int_equal(poll(&woken, 1, -1), 1);
        tracked->job.owner = NULL;
        offload_cancel(&tracked->job);
        assert_int_equal(tracked->times_done, 0);
        run_until(bench, tracked);
        assert_int_equal(tracked->job.outcome, TRIP_SUCCEEDED);
        assert_int_equal(tracked->gate.passed, 1);
    }
    bench_close(bench);
}

static void test_cancel_all_when_one_comes_home(void **state)
{
    struct bench *bench = bench_open_with(state, 50);
    for (unsigned i = 0; i < 50; i++) {
        struct tracked *tracked = track(bench, kernel_find("primes"));
        tracked->job.arguments.values[0] = 1000;
        tracked->then = cancel_the_others;
        submit(tracked);
        if (tracked->times_done > 0)
            break; /* the rest would be no different */
    }
    run_until_all_are_home(bench);
    bench_close(bench);
}

/* ------------------------------------------------------------------ admission */

static void check_admission(void **state, unsigned max_queue)
{
    struct bench *bench = bench_open_with(state, max_queue);
    unsigned admitted = capacity(bench, max_queue), surplus = 3;
    for (unsigned i = 0; i < admitted + surplus; i++) {
        struct tracked *tracked = submit_gated(bench, &gate_kernel, 1);
        bool refused = i >= admitted;
        assert_int_equal(tracked->times_done, refused ? 1 : 0);
        if (refused) {
            assert_int_equal(tracked->job.outcome, TRIP_REFUSED);
            assert_int_equal(tracked->job.error, UV_ENOBUFS);
            assert_int_equal(tracked->job.trip.started_ns, 0);
        }
    }
    for (unsigned i = 0; i < admitted; i++)
        gate_open(&bench->tracked[i].gate, 1);
    run_until_all_are_home(bench);
    for (unsigned i = 0; i < admitted; i++)
        assert_int_equal(bench->tracked[i].job.outcome, TRIP_SUCCEEDED);
    assert_int_equal(submit_sized(bench, "primes", 10)->job.trip.delivered_ns, 0);
    run_until_all_are_home(bench); /* there is room again */
    assert_int_equal(bench->tracked[bench->count - 1].job.outcome, TRIP_SUCCEEDED);
    bench_close(bench);
}

static void test_a_full_queue_refuses_the_surplus(void **state)
{
    const struct variant *variant = *state;
    if (variant->place == IN_PLACE)
        return; /* whoever comes waits in the sockets' buffers, and is not seen */
    check_admission(state, 0);
    check_admission(state, 1);
    check_admission(state, 5);
}

static void test_the_bound_holds_after_the_calibration(void **state)
{
    struct bench *bench = bench_open_with(state, 1);
    if (bench->variant->place == IN_PLACE) {
        bench_close(bench);
        return;
    }
    unsigned admitted = capacity(bench, 1);
    uint64_t ms = bench->variant->place == ON_THE_LOOP ? 1 : FOR_EVER_MS;
    for (unsigned i = 0; i < admitted + 3; i++)
        submit_timed(bench, "sleep", ms);
    run_until(bench, &bench->tracked[admitted]);
    for (unsigned i = 0; i < admitted + 3; i++)
        assert_int_equal(bench->tracked[i].job.outcome == TRIP_REFUSED, i >= admitted);
    bench_close(bench);
}

/* A waiting job that is withdrawn makes room. */
static void test_cancelling_makes_room(void **state)
{
    struct bench *bench = bench_open_with(state, 1);
    if (!queues(bench->variant)) {
        bench_close(bench);
        return;
    }
    struct tracked *first = occupy_lanes(bench);
    struct tracked *waiting = submit_gated(bench, &gate_kernel, 1);
    assert_int_equal(submit_gated(bench, &gate_kernel, 1)->job.outcome, TRIP_REFUSED);
    offload_cancel(&waiting->job);
    assert_int_equal(waiting->times_done, 1); /* at once: the loop has not turned */
    struct tracked *next = submit_gated(bench, &gate_kernel, 1);
    assert_int_equal(next->times_done, 0);
    gate_open(&next->gate, 1);
    free_lanes(bench, first);
    run_until(bench, next);
    assert_int_equal(next->job.outcome, TRIP_SUCCEEDED);
    bench_close(bench);
}

/* A lane whose job is cancelled goes on with the one that waits. */
static void test_cancelling_frees_the_lane(void **state)
{
    struct bench *bench = bench_open_with(state, 1);
    if (queues(bench->variant)) {
        struct tracked *first = occupy_lanes(bench);
        struct tracked *waiting = submit_gated(bench, &gate_kernel, 1);
        gate_open(&waiting->gate, 1);
        offload_cancel(&first->job);
        gate_open(&first->gate, 1);
        run_until(bench, waiting);
        assert_int_equal(waiting->job.outcome, TRIP_SUCCEEDED);
        free_lanes(bench, first);
    }
    bench_close(bench);
}

/* Where nobody waits, a place is one of a running job, and is free when that is home. */
static void test_cancelling_frees_a_place_of_its_own(void **state)
{
    struct bench *bench = bench_open_with(state, 0);
    if (bench->variant->per_request) {
        struct tracked *only = submit_gated(bench, &gate_kernel, UINT64_MAX);
        assert_int_equal(submit_gated(bench, &gate_kernel, 1)->job.outcome, TRIP_REFUSED);
        offload_cancel(&only->job);
        gate_open(&only->gate, 1);
        run_until(bench, only);
        struct tracked *next = submit_sized(bench, "primes", 10);
        run_until(bench, next);
        assert_int_equal(next->job.outcome, TRIP_SUCCEEDED);
    }
    bench_close(bench);
}

/* ------------------------------------------------------------------ deadlines */

static struct tracked *submit_with_timeout(struct bench *bench, uint64_t timeout_ms)
{
    struct tracked *tracked = track(bench, kernel_find("sleep"));
    tracked->job.arguments.values[0] = FOR_EVER_MS;
    tracked->job.timeout_ms = timeout_ms;
    submit(tracked);
    return tracked;
}

static void assert_expired(const struct tracked *tracked)
{
    const struct job *job = &tracked->job;
    assert_int_equal(job->outcome, TRIP_EXPIRED);
    assert_int_equal(job->error, -ETIMEDOUT);
    assert_true(job->trip.delivered_ns - job->trip.submitted_ns >= job->timeout_ms * 1000000u);
}

/* Even where the kernel holds the loop, so that no timer could ring. On a machine that is busy
 * elsewhere it may not get to run in time; another will. */
static void test_a_running_job_ends_at_its_deadline(void **state)
{
    struct bench *bench = bench_open(state);
    struct tracked *tracked;
    do {
        tracked = submit_with_timeout(bench, 20);
        run_until(bench, tracked);
        assert_expired(tracked);
    } while (tracked->job.trip.started_ns == 0);
    bench_close(bench);
}

/* It stands behind jobs that last longer than it may wait, and in front of one that may wait for
 * ever. Returns whether it waited all the time, as it must unless this thread was held up between
 * two submissions, or the strategy gives every job a slice. */
static bool wait_behind_others(struct bench *bench)
{
    for (unsigned i = 0; i < bench->variant->lanes; i++)
        submit_with_timeout(bench, 60);
    struct tracked *waiting = submit_with_timeout(bench, 20);
    struct tracked *behind = submit_sized(bench, "primes", 10);
    run_until_all_are_home(bench);
    assert_expired(waiting);
    assert_int_equal(behind->job.outcome, TRIP_SUCCEEDED);
    return waiting->job.trip.started_ns == 0;
}

static void test_a_waiting_job_ends_at_its_deadline(void **state)
{
    struct bench *bench = bench_open_with(state, 2);
    if (queues(bench->variant)) {
        while (!wait_behind_others(bench) && !bench->variant->slices)
            continue; /* JOBS_MAX ends it */
    }
    bench_close(bench);
}

/* A thread that stands still holds its job, but not those that wait for it. */
static void test_a_waiting_job_is_home_before_the_lanes_are_free(void **state)
{
    struct bench *bench = bench_open_with(state, 1);
    if (bench->variant->place == ON_THREADS && !bench->variant->per_request) {
        struct tracked *first = occupy_lanes(bench);
        struct tracked *waiting = submit_with_timeout(bench, 5);
        run_until(bench, waiting);
        assert_expired(waiting);
        assert_int_equal(waiting->job.trip.started_ns, 0);
        assert_int_equal(first->times_done, 0);
        free_lanes(bench, first);
    }
    bench_close(bench);
}

static void test_a_job_that_waits_for_its_size_ends_at_its_deadline(void **state)
{
    struct bench *bench = bench_open(state);
    struct tracked *tracked = track(bench, kernel_find("primes"));
    tracked->job.ms = FOR_EVER_MS;
    tracked->job.timeout_ms = 1; /* no calibration is as fast as that */
    submit(tracked);
    run_until(bench, tracked);
    assert_expired(tracked);
    assert_int_equal(tracked->job.trip.started_ns, 0);
    bench_close(bench);
}

/* Nor does a deadline that lies far ahead keep the loop from its end. */
static void test_a_job_that_is_in_time(void **state)
{
    struct bench *bench = bench_open(state);
    struct tracked *tracked = track(bench, kernel_find("primes"));
    tracked->job.arguments.values[0] = 1000;
    tracked->job.timeout_ms = UINT64_C(86400000);
    submit(tracked);
    run_until(bench, tracked);
    assert_int_equal(tracked->job.outcome, TRIP_SUCCEEDED);
    assert_int_equal(tracked->job.result.numbers[0].value.integer, 168);
    bench_close(bench);
}

static void test_cancelled_before_the_deadline(void **state)
{
    struct bench *bench = bench_open(state);
    if (bench->variant->place == ON_THREADS) {
        struct tracked *tracked = submit_gated(bench, &gate_kernel, UINT64_MAX);
        gate_await_entry(&tracked->gate);
        tracked->job.deadline_ns = 1; /* it has passed when the step is over */
        offload_cancel(&tracked->job);
        gate_open(&tracked->gate, 1);
        run_until(bench, tracked);
        assert_int_equal(tracked->job.outcome, TRIP_CANCELLED);
    }
    bench_close(bench);
}

/* ------------------------------------------------------------------ from within `done` */

static void submit_the_next(struct tracked *tracked)
{
    struct bench *bench = tracked->bench;
    if (bench->count >= 20)
        return;
    struct tracked *next = track(bench, kernel_find("primes"));
    next->job.arguments.values[0] = 100;
    next->then = submit_the_next;
    submit(next);
}

static void test_a_job_that_comes_home_sends_the_next(void **state)
{
    struct bench *bench = bench_open_with(state, 0);
    struct tracked *first = track(bench, kernel_find("primes"));
    first->job.arguments.values[0] = 100;
    first->then = submit_the_next;
    submit(first);
    while (bench->count < 20)
        uv_run(&bench->loop, UV_RUN_ONCE);
    run_until_all_are_home(bench);
    for (unsigned i = 0; i < bench->count; i++) /* each freed its lane before it came home */
        assert_int_equal(bench->tracked[i].job.outcome, TRIP_SUCCEEDED);
    bench_close(bench);
}

static void test_stop_when_one_comes_home(void **state)
{
    struct bench *bench = bench_open_with(state, 50);
    for (unsigned i = 0; i < 20 && !bench->stopped; i++) {
        struct tracked *tracked = track(bench, kernel_find("primes"));
        tracked->job.arguments.values[0] = 1000;
        tracked->then = stop_all;
        submit(tracked);
    }
    run_until_all_are_home(bench);
    bench_close(bench);
}

/* ------------------------------------------------------------------ the end */

static void test_stop_without_a_job(void **state)
{
    bench_close(bench_open(state));
}

static void test_stop_with_idle_lanes(void **state)
{
    struct bench *bench = bench_open(state);
    submit_sized(bench, "primes", 10);
    run_until_all_are_home(bench);
    bench_close(bench);
}

/* Running, waiting, and not even sized: all of them come home, cancelled. */
static void test_stop_with_jobs_out(void **state)
{
    struct bench *bench = bench_open(state);
    unsigned lanes = bench->variant->lanes;
    if (bench->variant->place != IN_PLACE) {
        occupy_lanes(bench);
        for (unsigned i = 0; !bench->variant->per_request && i < MAX_QUEUE; i++)
            submit_gated(bench, &gate_kernel, 1);
    }
    for (unsigned i = 0; i < 3; i++)
        submit_timed(bench, "sleep", FOR_EVER_MS);
    offload_stop(bench->offload);
    bench->stopped = true;
    for (unsigned i = 0; i < lanes; i++)
        gate_open(&bench->tracked[i].gate, 1);
    assert_int_equal(uv_run(&bench->loop, UV_RUN_DEFAULT), 0);
    for (unsigned i = 0; i < bench->count; i++)
        assert_int_equal(bench->tracked[i].job.outcome, TRIP_CANCELLED);
    bench_close(bench);
}

/* ------------------------------------------------------------------ many at random */

static void submit_random(struct bench *bench, uint64_t *random)
{
    switch (random_below(random, 5)) {
    case 0:
        submit_timed(bench, "sleep", 1);
        break;
    case 1:
        submit_sized(bench, "sleep", 1 + random_below(random, 2));
        break;
    case 2:
        submit_with_timeout(bench, 1 + random_below(random, 5));
        break;
    default:
        submit_sized(bench, "primes", random_below(random, 5000));
        break;
    }
}

static void cancel_random(struct bench *bench, uint64_t *random)
{
    struct tracked *tracked = &bench->tracked[random_below(random, bench->count)];
    if (tracked->times_done > 0)
        return; /* it is the caller's again, and nobody's to cancel */
    tracked->job.owner = NULL;
    offload_cancel(&tracked->job);
}

static void test_many_jobs_cancelled_at_random(void **state)
{
    struct bench *bench = bench_open_with(state, 40);
    uint64_t random = random_seed();
    while (bench->count < JOBS_MAX) {
        submit_random(bench, &random);
        if (random_below(&random, 3) == 0)
            cancel_random(bench, &random);
        if (random_below(&random, 5) == 0)
            uv_run(&bench->loop, UV_RUN_NOWAIT);
        if (random_below(&random, 60) == 0)
            run_until(bench, &bench->tracked[random_below(&random, bench->count)]);
    }
    bench_close(bench); /* some are still out */
}

/* ------------------------------------------------------------------ the table */

static struct variant variant_of(const struct strategy *strategy, bool per_request)
{
    static const struct variant known[] = {
        {.name = "none", .place = IN_PLACE, .kind = LANE_LOOP},
        {.name = "deferred", .place = ON_THE_LOOP, .lanes = 1, .kind = LANE_LOOP},
        {.name = "sliced", .place = ON_THE_LOOP, .lanes = 1, .kind = LANE_LOOP, .slices = true},
        {.name = "threadpool",
         .place = ON_THREADS,
         .lanes = THREADPOOL_SIZE,
         .kind = LANE_POOL,
         .lane_numbers = THREADPOOL_SIZE},
        {.name = "worker",
         .place = ON_THREADS,
         .lanes = WORKERS,
         .kind = LANE_WORKER,
         .lane_numbers = WORKERS},
        {.name = "process",
         .place = ELSEWHERE,
         .lanes = PROCESSES,
         .kind = LANE_CHILD,
         .lane_numbers = PROCESSES},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        struct variant variant = known[i];
        variant.strategy = strategy;
        variant.per_request = per_request;
        if (per_request)
            variant.lane_numbers = LANE_NUMBER_MAX + 1; /* free ones are taken again */
        if (strcmp(variant.name, strategy_name(strategy)) == 0)
            return variant;
    }
    fail_msg("tell this suite what lanes %s has", strategy_name(strategy));
    abort();
}

static int run_suite(struct variant *variant)
{
    struct CMUnitTest tests[] = {
        cmocka_unit_test(test_brings_the_result),
        cmocka_unit_test(test_brings_an_image),
        cmocka_unit_test(test_many_jobs_all_come_home),
        cmocka_unit_test(test_a_kernel_that_fails),
        cmocka_unit_test(test_a_result_for_nobody_is_dropped),
        cmocka_unit_test(test_lanes_run_side_by_side),
        cmocka_unit_test(test_a_job_in_ms_waits_for_the_calibration),
        cmocka_unit_test(test_cancel_before_the_calibration),
        cmocka_unit_test(test_cancel_while_the_calibration_is_handed_out),
        cmocka_unit_test(test_stop_while_the_calibration_is_handed_out),
        cmocka_unit_test(test_cancel_a_waiting_job),
        cmocka_unit_test(test_cancel_a_running_job),
        cmocka_unit_test(test_cancel_between_two_slices),
        cmocka_unit_test(test_cancel_a_kernel_of_the_table),
        cmocka_unit_test(test_cancel_twice),
        cmocka_unit_test(test_cancel_when_the_result_is_on_its_way),
        cmocka_unit_test(test_cancel_all_when_one_comes_home),
        cmocka_unit_test(test_a_full_queue_refuses_the_surplus),
        cmocka_unit_test(test_the_bound_holds_after_the_calibration),
        cmocka_unit_test(test_cancelling_makes_room),
        cmocka_unit_test(test_cancelling_frees_the_lane),
        cmocka_unit_test(test_cancelling_frees_a_place_of_its_own),
        cmocka_unit_test(test_a_running_job_ends_at_its_deadline),
        cmocka_unit_test(test_a_waiting_job_ends_at_its_deadline),
        cmocka_unit_test(test_a_waiting_job_is_home_before_the_lanes_are_free),
        cmocka_unit_test(test_a_job_that_waits_for_its_size_ends_at_its_deadline),
        cmocka_unit_test(test_a_job_that_is_in_time),
        cmocka_unit_test(test_cancelled_before_the_deadline),
        cmocka_unit_test(test_a_job_that_comes_home_sends_the_next),
        cmocka_unit_test(test_stop_when_one_comes_home),
        cmocka_unit_test(test_stop_without_a_job),
        cmocka_unit_test(test_stop_with_idle_lanes),
        cmocka_unit_test(test_stop_with_jobs_out),
        cmocka_unit_test(test_many_jobs_cancelled_at_random),
    };
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++)
        tests[i].initial_state = variant;
    return cmocka_run_group_tests_name(variant->per_request ? "worker per request" : variant->name,
                                       tests, NULL, NULL);
}

int main(void)
{
    int failed = 0;
    const struct strategy *strategy;
    harness_prepare_process();
    for (size_t i = 0; (strategy = strategy_at(i)) != NULL; i++) {
        struct variant variant = variant_of(strategy, false);
        failed += run_suite(&variant);
    }
    struct variant per_request = variant_of(strategy_find("worker"), true);
    failed += run_suite(&per_request);
    return failed;
}
