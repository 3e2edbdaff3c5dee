/* process.c – on child processes, as Node's child_process.fork.
 *
 * A pool of offloop-kernel --pipe. What threads cannot give: a child that crashes, hangs or goes
 * mad takes down one job. It is killed and replaced (kernel_child.h); the jobs that wait, wait on
 * this side (as in worker.c) and notice nothing.
 *
 * Rejected: a message loop in the child beside the kernel (a second thread, for the sake of a
 * cancellation that a poll between two steps can see); restarting a child after each job (1 ms and
 * more for each). */
#include <stdio.h>
#include <stdlib.h>

#include "server/offload/kernel_child.h"
#include "server/offload/strategy.h"

struct processes {
    struct kernel_child_plan plan;
    struct job_queue waiting;
    unsigned waiting_count;
    unsigned size, open; /* children, and those that are not closed */
    struct kernel_child children[];
};

static void remove_waiting(struct processes *pool, struct job *job)
{
    job_queue_remove(&pool->waiting, job);
    pool->waiting_count--;
}

/* ------------------------------------------------------------------ handing out */

static void hand_out(void *data)
{
    struct processes *pool = data;
    for (unsigned i = 0; i < pool->size && pool->waiting.first != NULL; i++) {
        struct kernel_child *child = &pool->children[i];
        struct job *job = pool->waiting.first;
        if (child->state != KERNEL_CHILD_IDLE || !kernel_child_give(child, job))
            continue;
        remove_waiting(pool, job);
        job->lane_data = child;
    }
}

static bool somebody_works(const struct processes *pool)
{
    for (unsigned i = 0; i < pool->size; i++) {
        if (pool->children[i].state == KERNEL_CHILD_BUSY)
            return true;
    }
    return false;
}

/* The program cannot be started any more, and there is no child left: who waits must be told, and
 * not wait for ever. Whoever comes anew meanwhile waits for the next attempt. */
static void give_up_waiting(void *data, int error)
{
    struct processes *pool = data;
    if (somebody_works(pool))
        return;
    for (unsigned count = pool->waiting_count; count > 0 && pool->waiting.first != NULL; count--) {
        struct job *job = pool->waiting.first;
        remove_waiting(pool, job);
        snprintf(job->problem, sizeof job->problem, "no child process can be started: %s",
                 uv_strerror(error));
        job_deliver(job, UV_EPIPE);
    }
}

static int process_submit(void *lanes, struct job *job)
{
    struct processes *pool = lanes;
    job->lane_data = NULL;
    job_queue_push(&pool->waiting, job);
    pool->waiting_count++;
    hand_out(pool);
    return 0;
}

static void process_cancel(void *lanes, struct job *job)
{
    struct processes *pool = lanes;
    if (job->lane_data != NULL) {
        kernel_child_cancel(job->lane_data);
        return;
    }
    remove_waiting(pool, job);
    job_deliver(job, UV_ECANCELED);
}

static unsigned process_width(const void *lanes)
{
    const struct processes *pool = lanes;
    return pool->size;
}

/* ------------------------------------------------------------------ beginning and end */

static void on_child_closed(void *data)
{
    struct processes *pool = data;
    if (--pool->open == 0)
        free(pool);
}

static void process_stop(void *lanes)
{
    struct processes *pool = lanes;
    for (unsigned i = 0; i < pool->size; i++)
        kernel_child_close(&pool->children[i]);
}

/* All of the children, or none. */
static int process_start(uv_loop_t *loop, const struct offload_options *options, void **lanes)
{
    unsigned size = options->processes;
    struct processes *pool = calloc(1, sizeof *pool + size * sizeof *pool->children);
    if (pool == NULL)
        return UV_ENOMEM;
    pool->plan = (struct kernel_child_plan){.loop = loop,
                                            .program = options->kernel_program,
                                            .nice_value = options->nice_value,
                                            .on_idle = hand_out,
                                            .on_failed = give_up_waiting,
                                            .on_closed = on_child_closed,
                                            .data = pool};
    pool->size = pool->open = size;
    for (unsigned i = 0; i < size; i++)
        kernel_child_init(&pool->children[i], &pool->plan, i + 1);
    int rc = 0;
    for (unsigned i = 0; rc == 0 && i < size; i++)
        rc = kernel_child_start(&pool->children[i]);
    if (rc != 0)
        process_stop(pool);
    else
        *lanes = pool;
    return rc;
}

const struct strategy strategy_process = {
    .name = "process",
    .help = "on child processes over pipes, as child_process.fork does: a crash costs one job",
    .start = process_start,
    .submit = process_submit,
    .cancel = process_cancel,
    .width = process_width,
    .stop = process_stop,
};
