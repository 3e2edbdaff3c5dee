/* handover.c – how long a job is on its way to a lane that has nothing else to do: the wait leg of
 * trips, from offload_submit to the kernel's beginning on the other thread or in the other process.
 *
 *     handover ROUNDS JOBS NICE       prints "mode round median_us p90_us", divided by tabs
 *
 * One job at a time, and a pause behind each, so that both the lane and the loop have gone to sleep
 * and the price of waking is in the figure, as it is on a server with little to do. The modes take
 * turns within a round. The kernel counts the primes up to ten: nothing that would warm a core. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "server/offload/offload.h"

enum { MODES = 4, PAUSE_MS = 1, WARM_UP_JOBS = 50 };

struct mode {
    const char *name, *strategy;
    bool per_request;
    struct offload *offload;
};

struct bench {
    uv_loop_t loop;
    uv_timer_t pause;
    struct mode modes[MODES];
    double *wait_us;
    bool home;
};

static void on_done(struct job *job)
{
    *(bool *)job->owner = true;
}

/* Returns how long it waited, in microseconds, or a negative number if it failed. */
static double run_job(struct bench *bench, const struct mode *mode, uint64_t ms)
{
    struct job job = {.kernel = kernel_at(0), .ms = ms, .done = on_done, .owner = &bench->home};
    kernel_arguments_init(&job.arguments, job.kernel);
    job.arguments.values[0] = 10;
    bench->home = false;
    offload_submit(mode->offload, strategy_find(mode->strategy), &job);
    while (!bench->home)
        uv_run(&bench->loop, UV_RUN_ONCE);
    double wait_us = job.outcome == TRIP_SUCCEEDED ? trip_wait_ms(&job.trip) * 1000 : -1;
    job_close(&job);
    return wait_us;
}

static void on_pause_over(uv_timer_t *timer)
{
    (void)timer;
}

static void rest(struct bench *bench)
{
    uv_update_time(&bench->loop);
    uv_timer_start(&bench->pause, on_pause_over, PAUSE_MS, 0);
    while (uv_is_active((uv_handle_t *)&bench->pause))
        uv_run(&bench->loop, UV_RUN_ONCE);
}

static int compare(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

static int measure(struct bench *bench, const struct mode *mode, unsigned round, unsigned jobs)
{
    for (unsigned i = 0; i < jobs + WARM_UP_JOBS; i++) {
        double wait_us = run_job(bench, mode, 0);
        if (wait_us < 0)
            return -1;
        if (i >= WARM_UP_JOBS)
            bench->wait_us[i - WARM_UP_JOBS] = wait_us;
        rest(bench);
    }
    qsort(bench->wait_us, jobs, sizeof *bench->wait_us, compare);
    printf("%s\t%u\t%.1f\t%.1f\n", mode->name, round, bench->wait_us[jobs / 2],
           bench->wait_us[jobs * 9 / 10]);
    fflush(stdout);
    return 0;
}

/* With its calibration behind it, which would disturb the others. */
static int open_mode(struct bench *bench, struct mode *mode, unsigned nice_value,
                     const char *kernel_program)
{
    const struct offload_options options = {.threadpool_size = 4,
                                            .workers = 2,
                                            .processes = 2,
                                            .max_queue = 10,
                                            .slice_ms = 5,
                                            .worker_per_request = mode->per_request,
                                            .nice_value = nice_value,
                                            .kernel_program = kernel_program};
    int rc = offload_new(&mode->offload, &bench->loop, &options);
    if (rc != 0)
        return rc;
    return run_job(bench, mode, 1) < 0 ? UV_ENOENT : 0;
}

static int run(struct bench *bench, unsigned rounds, unsigned jobs, unsigned nice_value)
{
    char program[4096];
    size_t size = sizeof program - sizeof "offloop-kernel";
    if (uv_exepath(program, &size) != 0)
        return -1;
    strcpy(strrchr(program, '/') + 1, "offloop-kernel");
    for (int i = 0; i < MODES; i++) {
        if (open_mode(bench, &bench->modes[i], nice_value, program) != 0)
            return -1;
    }
    for (unsigned round = 1; round <= rounds; round++) {
        for (int i = 0; i < MODES; i++) {
            if (measure(bench, &bench->modes[i], round, jobs) != 0)
                return -1;
        }
    }
    return 0;
}

static void end(struct bench *bench)
{
    for (int i = 0; i < MODES; i++) {
        if (bench->modes[i].offload != NULL)
            offload_stop(bench->modes[i].offload);
    }
    uv_close((uv_handle_t *)&bench->pause, NULL);
    uv_run(&bench->loop, UV_RUN_DEFAULT);
    for (int i = 0; i < MODES; i++)
        offload_free(bench->modes[i].offload);
    uv_loop_close(&bench->loop);
    free(bench->wait_us);
}

int main(int argc, char **argv)
{
    struct bench bench = {.modes = {{.name = "worker", .strategy = "worker"},
                                    {"worker-per-request", "worker", true, NULL},
                                    {.name = "threadpool", .strategy = "threadpool"},
                                    {.name = "process", .strategy = "process"}}};
    unsigned rounds = argc == 4 ? (unsigned)strtoul(argv[1], NULL, 10) : 0;
    unsigned jobs = argc == 4 ? (unsigned)strtoul(argv[2], NULL, 10) : 0;
    if (rounds == 0 || jobs == 0) {
        fprintf(stderr, "Usage: handover ROUNDS JOBS NICE\n");
        return 2;
    }
    uv_loop_init(&bench.loop);
    uv_timer_init(&bench.loop, &bench.pause);
    bench.wait_us = calloc(jobs, sizeof *bench.wait_us);
    int rc = bench.wait_us != NULL ? run(&bench, rounds, jobs, (unsigned)strtoul(argv[3], NULL, 10))
                                   : -1;
    end(&bench);
    if (rc != 0)
        fprintf(stderr, "handover: a job failed: is offloop-kernel beside this program?\n");
    return rc != 0;
}
