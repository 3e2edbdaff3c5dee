/* worker.c – on threads of our own, as Node's worker_threads.
 *
 * Every worker has an event loop and a mailbox of its own, as a Node worker has; a message is a
 * pointer and a ring of its bell. Jobs wait on the main loop's side and go to a worker only
 * when it is free, as in Piscina: so a waiting job can be withdrawn without a lock, and none stands
 * behind a long one while another worker is idle. Results come back by one list for all workers
 * and one bell, which merges rings: the list is emptied at each.
 *
 * The loop never waits for a worker, which may have lost its core at any point: the list has no
 * lock, and a worker that was told to end is joined when it has ended (leavers.h).
 *
 * With worker_per_request there is no pool: each job gets a new worker, which ends after it. That
 * is what tutorials show (`new Worker()` in the handler); what it costs is to be seen, not to be
 * recommended.
 *
 * Rejected: mailboxes that hold several jobs (they bring head-of-line blocking back), and a
 * condition variable in place of the worker's loop (a worker that cannot do I/O is not what Node
 * has). */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "server/offload/bell.h"
#include "server/offload/lanes.h"
#include "server/offload/leavers.h"
#include "server/offload/priority.h"
#include "server/offload/strategy.h"

struct workers;

enum { DESCRIPTORS_EACH = 5 }; /* of a worker: libuv's four for a loop, and the bell's */

struct worker {
    struct leaver leaver; /* its thread; its first member */
    struct workers *pool;
    uv_loop_t loop;
    struct bell wake;              /* on the worker's loop: the mailbox is not empty */
    _Atomic(struct job *) mailbox; /* at most one job */
    atomic_bool ends;              /* nothing more will come */
    struct lane lane;
    struct worker *next_idle; /* the main loop's */
};

struct workers {
    struct bell results_came;      /* on the main loop */
    _Atomic(struct job *) results; /* the newest first, linked by `next` */
    struct job_queue waiting;      /* from here on the main loop's alone */
    struct worker *idle;
    struct leavers leavers;
    bool per_request;
    unsigned size, nice_value;
    unsigned alive, most;              /* workers, and how many there are descriptors for */
    bool numbers[LANE_NUMBER_MAX + 1]; /* taken by a worker that lives */
};

/* ------------------------------------------------------------------ on the worker's thread */

static void post_result(struct workers *pool, struct job *job)
{
    job->next = atomic_load_explicit(&pool->results, memory_order_relaxed);
    while (!atomic_compare_exchange_weak(&pool->results, &job->next, job))
        continue;
    bell_ring(&pool->results_came);
}

static void on_wake(void *data)
{
    struct worker *worker = data;
    struct job *job = atomic_exchange(&worker->mailbox, NULL);
    bool ends = atomic_load(&worker->ends);
    if (ends)
        bell_close(&worker->wake, NULL);
    if (job == NULL)
        return;
    job_run(job, worker->lane);
    post_result(worker->pool, job);
}

static void worker_main(void *data)
{
    struct worker *worker = data;
    char name[16];
    snprintf(name, sizeof name, "worker %u", worker->lane.number);
    pthread_setname_np(pthread_self(), name);
    priority_lower(worker->pool->nice_value);
    uv_run(&worker->loop, UV_RUN_DEFAULT);
}

/* ------------------------------------------------------------------ a worker's life */

static void worker_send(struct worker *worker, struct job *job, bool last)
{
    atomic_store(&worker->mailbox, job);
    atomic_store(&worker->ends, last);
    bell_ring(&worker->wake);
}

/* The lowest number that is free: workers that come and go for each job share a few lanes, in which
 * they can be drawn. Those above LANE_NUMBER_MAX share one name. */
static unsigned take_number(struct workers *pool)
{
    unsigned number = 1;
    while (number < LANE_NUMBER_MAX && pool->numbers[number])
        number++;
    if (pool->numbers[number])
        return LANE_NUMBER_MAX + 1;
    pool->numbers[number] = true;
    return number;
}

static void give_number_back(struct workers *pool, unsigned number)
{
    if (number <= LANE_NUMBER_MAX)
        pool->numbers[number] = false;
}

static void worker_free(struct leaver *leaver)
{
    struct worker *worker = (struct worker *)leaver;
    worker->pool->alive--;
    bell_free(&worker->wake);
    uv_loop_close(&worker->loop);
    free(worker);
}

/* It ends as soon as its mailbox is empty. Nothing is drawn in its lane any more, so another may
 * have that. */
static void worker_leave(struct worker *worker)
{
    give_number_back(worker->pool, worker->lane.number);
    leavers_add(&worker->pool->leavers, &worker->leaver);
}

static int worker_prepare(struct worker *worker)
{
    int rc = uv_loop_init(&worker->loop);
    if (rc != 0)
        return rc;
    rc = bell_init(&worker->wake, &worker->loop, on_wake, worker);
    if (rc == 0) {
        rc = leaver_start(&worker->leaver, worker_main, worker);
        if (rc == 0)
            return 0;
        bell_close(&worker->wake, NULL);
        uv_run(&worker->loop, UV_RUN_DEFAULT);
        bell_free(&worker->wake);
    }
    uv_loop_close(&worker->loop);
    return rc;
}

static int worker_new(struct workers *pool, struct worker **made)
{
    if (pool->alive >= pool->most)
        return UV_EMFILE;
    struct worker *worker = calloc(1, sizeof *worker);
    if (worker == NULL)
        return UV_ENOMEM;
    worker->pool = pool;
    worker->leaver.ended = worker_free;
    worker->lane = (struct lane){.kind = LANE_WORKER, .number = take_number(pool)};
    int rc = worker_prepare(worker);
    if (rc != 0) {
        give_number_back(pool, worker->lane.number);
        free(worker);
        return rc;
    }
    pool->alive++;
    *made = worker;
    return 0;
}

/* ------------------------------------------------------------------ handing out and taking in */

static void hand_out(struct workers *pool)
{
    while (pool->idle != NULL && pool->waiting.first != NULL) {
        struct worker *worker = pool->idle;
        struct job *job = job_queue_pop(&pool->waiting);
        pool->idle = worker->next_idle;
        job->lane_data = worker;
        worker_send(worker, job, false);
    }
}

static void take_back(struct workers *pool, struct worker *worker)
{
    if (pool->per_request) {
        worker_leave(worker);
        return;
    }
    worker->next_idle = pool->idle;
    pool->idle = worker;
}

/* In the order in which they came. */
static struct job_queue take_results(struct workers *pool)
{
    struct job *newest = atomic_exchange(&pool->results, NULL), *oldest = NULL;
    struct job_queue results = {NULL, NULL};
    for (struct job *job = newest, *next; job != NULL; job = next) {
        next = job->next;
        job->next = oldest;
        oldest = job;
    }
    for (struct job *job = oldest, *next; job != NULL; job = next) {
        next = job->next;
        job_queue_push(&results, job);
    }
    return results;
}

static void on_results(void *data)
{
    struct workers *pool = data;
    struct job_queue results = take_results(pool);
    for (struct job *job = results.first; job != NULL; job = job->next)
        take_back(pool, job->lane_data);
    hand_out(pool); /* first the lanes are busy again, then the answers are written */
    struct job *job;
    while ((job = job_queue_pop(&results)) != NULL)
        job_deliver(job, 0);
}

static int worker_submit(void *lanes, struct job *job)
{
    struct workers *pool = lanes;
    struct worker *worker;
    job->lane_data = NULL;
    if (!pool->per_request) {
        job_queue_push(&pool->waiting, job);
        hand_out(pool);
        return 0;
    }
    int rc = worker_new(pool, &worker);
    if (rc != 0)
        return rc;
    job->lane_data = worker;
    worker_send(worker, job, true);
    return 0;
}

static void worker_cancel(void *lanes, struct job *job)
{
    struct workers *pool = lanes;
    if (job->lane_data != NULL)
        return; /* a worker has it, and looks at job->unwanted between two steps */
    job_queue_remove(&pool->waiting, job);
    job_deliver(job, UV_ECANCELED);
}

static unsigned worker_width(const void *lanes)
{
    const struct workers *pool = lanes;
    return pool->size;
}

/* ------------------------------------------------------------------ beginning and end */

static void on_results_closed(uv_handle_t *handle)
{
    struct workers *pool = handle->data;
    bell_free(&pool->results_came);
    free(pool);
}

static void on_all_ended(void *data)
{
    struct workers *pool = data;
    bell_close(&pool->results_came, on_results_closed);
}

static void dismiss(struct workers *pool, unsigned count)
{
    for (; count > 0 && pool->idle != NULL; count--) {
        struct worker *worker = pool->idle;
        pool->idle = worker->next_idle;
        worker_send(worker, NULL, true);
        worker_leave(worker);
    }
}

static void worker_stop(void *lanes)
{
    struct workers *pool = lanes;
    dismiss(pool, pool->alive);
    leavers_close(&pool->leavers, on_all_ended, pool);
}

/* As many as can be had; what the next one failed with is in `error`. */
static unsigned hire(struct workers *pool, unsigned count, int *error)
{
    unsigned hired = 0;
    for (struct worker *worker; hired < count; hired++) {
        *error = worker_new(pool, &worker);
        if (*error != 0)
            break;
        worker->next_idle = pool->idle;
        pool->idle = worker;
    }
    return hired;
}

/* Fewer than were asked for are better than none. */
static int fill_pool(struct workers *pool, const struct offload_options *options)
{
    int error = 0;
    unsigned hired = hire(pool, options->workers, &error);
    pool->size = lanes_kept(hired, options->workers);
    dismiss(pool, hired - pool->size);
    if (hired > 0 && hired < options->workers)
        lanes_tell(options,
                   &(struct shortage){&strategy_worker, pool->size, options->workers, error});
    return hired > 0 ? 0 : error;
}

static int worker_start(uv_loop_t *loop, const struct offload_options *options, void **lanes)
{
    struct workers *pool = calloc(1, sizeof *pool);
    if (pool == NULL)
        return UV_ENOMEM;
    int rc = bell_init(&pool->results_came, loop, on_results, pool);
    if (rc != 0) {
        free(pool);
        return rc;
    }
    leavers_init(&pool->leavers, loop);
    pool->per_request = options->worker_per_request;
    pool->nice_value = options->nice_value;
    pool->most = lanes_affordable(DESCRIPTORS_EACH);
    /* One per request: the queue's bound is a bound for the threads, and nobody waits. */
    pool->size = 1;
    rc = pool->per_request ? 0 : fill_pool(pool, options);
    if (rc != 0)
        worker_stop(pool);
    else
        *lanes = pool;
    return rc;
}

const struct strategy strategy_worker = {
    .name = "worker",
    .help = "on worker threads of its own, as worker_threads and Piscina do",
    .start = worker_start,
    .submit = worker_submit,
    .cancel = worker_cancel,
    .width = worker_width,
    .stop = worker_stop,
};
