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
#include "server/offload/lanes.h"
#include "server/offload/strategy.h"

enum { DESCRIPTORS_EACH = 2 }; /* of a child: its two pipes */

struct processes {
    struct kernel_child_plan plan;
    struct job_queue waiting;
    unsigned waiting_count;
    unsigned size, open; /* children, and those that are not closed */
    int error;           /* why no child is left and none can be started; 0: there are some */
    struct kernel_child children[];
};

static void remove_waiting(struct processes *pool, struct job *job)
{
    job_queue_remove(&pool->waiting, job);
    pool->waiting_count--;
}

/* ------------------------------------------------------------------ handing out */

static void hand_out(struct processes *pool)
{
    for (unsigned i = 0; i < pool->size && pool->waiting.first != NULL; i++) {
        struct kernel_child *child = &pool->children[i];
        struct job *job = pool->waiting.first;
        if (child->state != KERNEL_CHILD_IDLE || !kernel_child_give(child, job))
            continue;
        remove_waiting(pool, job);
        job->lane_data = child;
    }
}

static void on_idle(void *data)
{
    struct processes *pool = data;
    pool->error = 0;
    hand_out(pool);
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
 * not wait for ever. Whoever comes anew is refused until one of the next attempts goes well; they
 * become rare. */
static void give_up_waiting(void *data, int error)
{
    struct processes *pool = data;
    if (somebody_works(pool))
        return;
    pool->error = error;
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
    if (pool->error != 0)
        return pool->error;
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

static struct processes *pool_new(uv_loop_t *loop, const struct offload_options *options,
                                  unsigned size)
{
    struct processes *pool = calloc(1, sizeof *pool + size * sizeof *pool->children);
    if (pool == NULL)
        return NULL;
    pool->plan = (struct kernel_child_plan){.loop = loop,
                                            .program = options->kernel_program,
                                            .nice_value = options->nice_value,
                                            .on_idle = on_idle,
                                            .on_failed = give_up_waiting,
                                            .on_closed = on_child_closed,
                                            .data = pool};
    return pool;
}

/* As many children as can be started. Returns what the next one failed with, or 0; that one is
 * being closed then. */
static int start_children(struct processes *pool, unsigned count)
{
    int rc = 0;
    while (rc == 0 && pool->size < count) {
        struct kernel_child *child = &pool->children[pool->size];
        kernel_child_init(child, &pool->plan, pool->size + 1);
        pool->open++;
        rc = kernel_child_start(child);
        if (rc == 0)
            pool->size++;
        else
            kernel_child_close(child);
    }
    return rc;
}

static void dismiss(struct processes *pool, unsigned count)
{
    while (count-- > 0)
        kernel_child_close(&pool->children[--pool->size]);
}

/* Fewer children than were asked for are better than none. */
static int process_start(uv_loop_t *loop, const struct offload_options *options, void **lanes)
{
    unsigned wanted = options->processes, most = lanes_affordable(DESCRIPTORS_EACH);
    struct processes *pool = pool_new(loop, options, wanted);
    if (pool == NULL)
        return UV_ENOMEM;
    int rc = start_children(pool, wanted < most ? wanted : most);
    if (pool->size == 0)
        return rc; /* freed by on_child_closed */
    dismiss(pool, rc != 0 ? pool->size - lanes_kept(pool->size, wanted) : 0);
    if (pool->size < wanted)
        lanes_tell(options, &(struct shortage){&strategy_process, pool->size, wanted,
                                               rc != 0 ? rc : UV_EMFILE});
    *lanes = pool;
    return 0;
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
