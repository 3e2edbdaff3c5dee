/* sqlite.c – await a database: a real SQLite query on libuv's pool.
 *
 * SQLite has no asynchronous interface, so a driver runs it on the pool: ten users do not get ten
 * threads. That the pool is the one of --offload=threadpool is the lesson: heavy jobs there make
 * queries wait, and queries make heavy jobs wait; a worker's job does neither.
 *
 * A few connections are shared. A query waits for a free one on the loop's side (`waiting`), then
 * for a thread in libuv's queue; both are the trip's wait. */
#include <errno.h>
#include <stdlib.h>

#include "server/machine/pool.h"
#include "server/observe/pool_lane.h"
#include "server/slow_io/source.h"
#include "server/slow_io/users_db.h"

struct sqlite_pool;

/* A connection and the query that has it. */
struct slot {
    struct sqlite_pool *pool;
    struct users_db *db;
    struct query *query; /* NULL: free */
    uv_work_t work;
    int result;
    struct slot *next_free;
};

struct sqlite_pool {
    uv_loop_t *loop;
    unsigned slot_count, waiting_count, max_waiting;
    struct slot *free;
    struct query *first, *last; /* they wait for a slot; their source_data is NULL */
    struct slot slots[];
};

/* ------------------------------------------------------------------ waiting for a connection */

static void waiting_push(struct sqlite_pool *pool, struct query *query)
{
    query->next_waiting = NULL;
    query->previous_waiting = pool->last;
    if (pool->last != NULL)
        pool->last->next_waiting = query;
    else
        pool->first = query;
    pool->last = query;
    pool->waiting_count++;
}

static void waiting_remove(struct sqlite_pool *pool, struct query *query)
{
    struct query *next = query->next_waiting, *previous = query->previous_waiting;
    if (previous != NULL)
        previous->next_waiting = next;
    else
        pool->first = next;
    if (next != NULL)
        next->previous_waiting = previous;
    else
        pool->last = previous;
    pool->waiting_count--;
}

/* ------------------------------------------------------------------ one query on the pool */

static void on_work(uv_work_t *work)
{
    struct slot *slot = work->data;
    struct query *query = slot->query;
    trip_start(&query->trip, pool_lane());
    slot->result = users_db_find(slot->db, query->id, query->ms, query->name, sizeof query->name,
                                 query->problem, sizeof query->problem);
    trip_finish(&query->trip);
}

static void start_waiting(struct sqlite_pool *pool);

static void on_after_work(uv_work_t *work, int status)
{
    struct slot *slot = work->data;
    struct sqlite_pool *pool = slot->pool;
    struct query *query = slot->query;
    int result = status != 0 ? status : slot->result;
    slot->query = NULL;
    slot->next_free = pool->free;
    pool->free = slot;
    start_waiting(pool);
    if (result == -EBUSY)
        query->error = result;
    if (result == 0)
        query_deliver(query, TRIP_SUCCEEDED);
    else
        query_deliver(query, result == -ECANCELED ? TRIP_CANCELLED : TRIP_FAILED);
}

static int slot_start(struct sqlite_pool *pool, struct query *query)
{
    struct slot *slot = pool->free;
    slot->query = query;
    slot->work.data = slot;
    users_db_arm(slot->db);
    int rc = uv_queue_work(pool->loop, &slot->work, on_work, on_after_work);
    if (rc != 0) {
        slot->query = NULL;
        return rc;
    }
    pool->free = slot->next_free;
    query->source_data = slot;
    return 0;
}

static void start_waiting(struct sqlite_pool *pool)
{
    while (pool->free != NULL && pool->first != NULL) {
        struct query *query = pool->first;
        waiting_remove(pool, query);
        query->error = slot_start(pool, query);
        if (query->error != 0)
            query_deliver(query, TRIP_REFUSED);
    }
}

static int sqlite_submit(void *state, struct query *query)
{
    struct sqlite_pool *pool = state;
    query->source_data = NULL;
    if (pool->free != NULL)
        return slot_start(pool, query);
    if (pool->waiting_count >= pool->max_waiting)
        return UV_ENOBUFS;
    waiting_push(pool, query);
    return 0;
}

static void sqlite_cancel(void *state, struct query *query)
{
    struct slot *slot = query->source_data;
    if (slot == NULL) {
        waiting_remove(state, query);
        query_deliver(query, TRIP_CANCELLED);
    } else if (uv_cancel((uv_req_t *)&slot->work) != 0) {
        users_db_interrupt(slot->db); /* it runs */
    }
}

/* ------------------------------------------------------------------ beginning and end */

static void sqlite_stop(void *state)
{
    struct sqlite_pool *pool = state;
    for (unsigned i = 0; i < pool->slot_count; i++)
        users_db_free(pool->slots[i].db);
    free(pool);
}

static int sqlite_start(uv_loop_t *loop, const struct slow_io_options *options, void **state)
{
    unsigned count = options->connections;
    int threads = pool_ready();
    if (threads < 0)
        return threads;
    struct sqlite_pool *pool = calloc(1, sizeof *pool + count * sizeof *pool->slots);
    if (pool == NULL)
        return UV_ENOMEM;
    pool->loop = loop;
    pool->slot_count = count;
    pool->max_waiting = options->max_queue;
    for (unsigned i = 0; i < count; i++) {
        struct slot *slot = &pool->slots[i];
        slot->pool = pool;
        slot->db = users_db_new(options->database);
        if (slot->db == NULL) {
            sqlite_stop(pool);
            return UV_ENOMEM;
        }
        slot->next_free = pool->free;
        pool->free = slot;
    }
    *state = pool;
    return 0;
}

const struct source source_sqlite = {
    .name = "sqlite",
    .help = "a query to an SQLite database, run on libuv's thread pool",
    .start = sqlite_start,
    .submit = sqlite_submit,
    .cancel = sqlite_cancel,
    .stop = sqlite_stop,
};
