/* pool.c – see pool.h.
 *
 * As many threads as the pool will have, and one more, are made as a trial, all of them alive at
 * once, and ended again. They have gone for the kernel, too, when libuv makes its own: a thread
 * that is joined may still be counted, one whose id nobody knows any more is not. What is left of a
 * risk is another process of the same user that takes the place in these microseconds; the one more
 * is for that one.
 *
 * Rejected: to make our own pthread_create fail softly (libuv's abort() is behind it), and a pool
 * of our own (the one that files and DNS share is the lesson). */
#include "server/machine/pool.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>
#include <uv.h>

#include "server/machine/backoff.h"

/* As libuv does (threadpool.c): the default, the most, and the stacks from 1.45 on. */
enum { THREADS_DEFAULT = 4, THREADS_MAX = 1024, STACK_BYTES = 8 << 20 };

enum { YIELDS_MAX = 10000 };

/* ------------------------------------------------------------------ the trial */

struct trial {
    pthread_mutex_t gate; /* shut until all are made */
    unsigned count;
    struct trial_thread {
        pthread_t thread;
        struct trial *trial;
        atomic_int id;
    } threads[THREADS_MAX + 1];
};

static void *wait_at_gate(void *data)
{
    struct trial_thread *self = data;
    atomic_store(&self->id, gettid());
    pthread_mutex_lock(&self->trial->gate);
    pthread_mutex_unlock(&self->trial->gate);
    return NULL;
}

/* libuv 1.44 gives the pool's threads stacks of the default size. */
static size_t stack_bytes(void)
{
    struct rlimit stack;
    bool larger = getrlimit(RLIMIT_STACK, &stack) == 0 && stack.rlim_cur != RLIM_INFINITY &&
                  stack.rlim_cur > STACK_BYTES;
    return larger ? (size_t)stack.rlim_cur : STACK_BYTES;
}

/* Returns 0 or a negative errno. */
static int make_threads(struct trial *trial, unsigned wanted)
{
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    int rc = pthread_attr_setstacksize(&attributes, stack_bytes());
    while (rc == 0 && trial->count < wanted) {
        struct trial_thread *next = &trial->threads[trial->count];
        next->trial = trial;
        rc = pthread_create(&next->thread, &attributes, wait_at_gate, next);
        trial->count += rc == 0;
    }
    pthread_attr_destroy(&attributes);
    return -rc;
}

static bool is_known(struct trial_thread *joined)
{
    return tgkill(getpid(), atomic_load(&joined->id), 0) == 0;
}

static void end_threads(struct trial *trial)
{
    pthread_mutex_unlock(&trial->gate);
    for (unsigned i = 0; i < trial->count; i++) {
        pthread_join(trial->threads[i].thread, NULL);
        for (int yields = 0; yields < YIELDS_MAX && is_known(&trial->threads[i]); yields++)
            sched_yield();
    }
}

/* How many of `wanted` threads can be had, or a negative errno if none. If not all can, one is left
 * to others. */
static int count_threads(unsigned wanted)
{
    struct trial *trial = calloc(1, sizeof *trial);
    if (trial == NULL)
        return -ENOMEM;
    pthread_mutex_init(&trial->gate, NULL);
    pthread_mutex_lock(&trial->gate);
    int rc = make_threads(trial, wanted + 1);
    end_threads(trial);
    unsigned had = trial->count;
    pthread_mutex_destroy(&trial->gate);
    free(trial);
    if (had <= 1)
        return had == 1 ? 1 : rc;
    return (int)had - 1;
}

/* ------------------------------------------------------------------ the pool */

static unsigned wanted_size(void)
{
    const char *text = getenv("UV_THREADPOOL_SIZE");
    int size = text != NULL ? atoi(text) : THREADS_DEFAULT;
    if (size == 0)
        return 1;
    return size < 0 || size > THREADS_MAX ? THREADS_MAX : (unsigned)size;
}

static void do_nothing(uv_work_t *work)
{
    (void)work;
}

/* libuv makes it now, on a loop of its own that goes again. */
static int use_once(void)
{
    uv_loop_t loop;
    uv_work_t work;
    int rc = uv_loop_init(&loop);
    if (rc != 0)
        return rc;
    rc = uv_queue_work(&loop, &work, do_nothing, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    uv_loop_close(&loop);
    return rc;
}

static int make_pool(void)
{
    char text[16];
    unsigned wanted = wanted_size();
    int size = count_threads(wanted);
    if (size < 0)
        return size;
    if ((unsigned)size < wanted) {
        snprintf(text, sizeof text, "%d", size);
        setenv("UV_THREADPOOL_SIZE", text, 1);
    }
    int rc = use_once();
    return rc == 0 ? size : rc;
}

int pool_ready(void)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static atomic_int answer; /* 0: not tried yet */
    static struct backoff backoff;
    int found = atomic_load_explicit(&answer, memory_order_acquire);
    if (found > 0)
        return found;
    pthread_mutex_lock(&lock);
    found = atomic_load_explicit(&answer, memory_order_relaxed);
    if (found <= 0 && !backoff_rests(&backoff, uv_hrtime())) {
        found = make_pool();
        if (found < 0)
            backoff_failed(&backoff, uv_hrtime());
        atomic_store_explicit(&answer, found, memory_order_release);
    }
    pthread_mutex_unlock(&lock);
    return found;
}
