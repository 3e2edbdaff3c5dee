/* threadpool.c – on libuv's thread pool, as a native addon of Node would.
 *
 * The pool belongs to the process: 4 threads by default, shared with files, DNS and the database of
 * /slow. A few heavy jobs make all of these wait, which is the lesson of this strategy. libuv takes
 * a waiting job back (uv_cancel), but not a running one: that looks at job->unwanted by itself.
 * What was taken back is still called for later; the job does not wait for that. The pool's threads
 * keep the loop's priority and let companions compute: companion.h says why. */
#include <stdlib.h>

#include "server/machine/pool.h"
#include "server/observe/pool_lane.h"
#include "server/offload/companion.h"
#include "server/offload/strategy.h"

struct threadpool {
    uv_loop_t *loop;
    unsigned size;
    struct companions companions;
};

struct pool_work {
    uv_work_t work;
    struct threadpool *pool;
    struct job *job; /* NULL: it was taken back */
    struct lane lane;
};

static int threadpool_start(uv_loop_t *loop, const struct offload_options *options, void **lanes)
{
    int threads = pool_ready();
    if (threads < 0)
        return threads;
    struct threadpool *pool = malloc(sizeof *pool);
    if (pool == NULL)
        return UV_ENOMEM;
    *pool = (struct threadpool){.loop = loop, .size = options->threadpool_size};
    if (pool->size > (unsigned)threads)
        pool->size = (unsigned)threads;
    int rc = companions_init(&pool->companions, loop, options->nice_value);
    if (rc != 0)
        free(pool);
    else
        *lanes = pool;
    return rc;
}

static void compute(void *data)
{
    struct pool_work *work = data;
    job_run(work->job, work->lane);
}

static void on_work(uv_work_t *work)
{
    struct pool_work *pool_work = (struct pool_work *)work;
    pool_work->lane = pool_lane();
    companions_run(&pool_work->pool->companions, compute, pool_work);
}

static void on_after_work(uv_work_t *work, int status)
{
    struct job *job = ((struct pool_work *)work)->job;
    free(work);
    if (job != NULL)
        job_deliver(job, status);
}

static int threadpool_submit(void *lanes, struct job *job)
{
    struct threadpool *pool = lanes;
    struct pool_work *work = malloc(sizeof *work);
    if (work == NULL)
        return UV_ENOMEM;
    work->job = job;
    work->pool = pool;
    job->lane_data = work;
    int rc = uv_queue_work(pool->loop, &work->work, on_work, on_after_work);
    if (rc != 0)
        free(work);
    return rc;
}

static void threadpool_cancel(void *lanes, struct job *job)
{
    (void)lanes;
    struct pool_work *work = job->lane_data;
    if (uv_cancel((uv_req_t *)&work->work) != 0)
        return; /* it runs, and stops at its next step */
    work->job = NULL;
    job_deliver(job, UV_ECANCELED);
}

static unsigned threadpool_width(const void *lanes)
{
    const struct threadpool *pool = lanes;
    return pool->size;
}

static void threadpool_stop(void *lanes)
{
    struct threadpool *pool = lanes;
    companions_close(&pool->companions, free, pool);
}

const struct strategy strategy_threadpool = {
    .name = "threadpool",
    .help = "on libuv's thread pool (uv_queue_work), which files, DNS and /slow share",
    .start = threadpool_start,
    .submit = threadpool_submit,
    .cancel = threadpool_cancel,
    .width = threadpool_width,
    .stop = threadpool_stop,
};
