/* companion.c – see companion.h. A companion knows nothing but its own two semaphores, so there is
 * nothing of it that the loop could wait for. */
#include "server/offload/companion.h"

#include <pthread.h>
#include <stdlib.h>

#include "server/offload/priority.h"

struct companion {
    struct leaver leaver; /* its first member */
    unsigned nice_value;
    uv_sem_t asked, done;
    void (*work)(void *data); /* NULL: end */
    void *data;
    struct companion *next_idle;
};

/* ------------------------------------------------------------------ one of them */

static void companion_main(void *data)
{
    struct companion *companion = data;
    pthread_setname_np(pthread_self(), "pool computes");
    priority_lower(companion->nice_value);
    for (uv_sem_wait(&companion->asked); companion->work != NULL; uv_sem_wait(&companion->asked)) {
        companion->work(companion->data);
        uv_sem_post(&companion->done);
    }
}

static void companion_free(struct leaver *leaver)
{
    struct companion *companion = (struct companion *)leaver;
    uv_sem_destroy(&companion->asked);
    uv_sem_destroy(&companion->done);
    free(companion);
}

static struct companion *companion_new(unsigned nice_value)
{
    struct companion *made = calloc(1, sizeof *made);
    if (made == NULL)
        return NULL;
    made->nice_value = nice_value;
    made->leaver.ended = companion_free;
    (void)uv_sem_init(&made->asked, 0); /* fails for values that are too large only */
    (void)uv_sem_init(&made->done, 0);
    if (leaver_start(&made->leaver, companion_main, made) == 0)
        return made;
    companion_free(&made->leaver);
    return NULL;
}

/* ------------------------------------------------------------------ all of them */

int companions_init(struct companions *companions, uv_loop_t *loop, unsigned nice_value)
{
    *companions = (struct companions){.nice_value = nice_value};
    int rc = uv_mutex_init(&companions->lock);
    if (rc == 0)
        leavers_init(&companions->leavers, loop);
    return rc;
}

static struct companion *take_idle(struct companions *companions)
{
    uv_mutex_lock(&companions->lock);
    struct companion *companion = companions->idle;
    if (companion != NULL)
        companions->idle = companion->next_idle;
    uv_mutex_unlock(&companions->lock);
    return companion;
}

static void give_back(struct companions *companions, struct companion *companion)
{
    uv_mutex_lock(&companions->lock);
    companion->next_idle = companions->idle;
    companions->idle = companion;
    uv_mutex_unlock(&companions->lock);
}

void companions_run(struct companions *companions, void (*work)(void *data), void *data)
{
    struct companion *companion = NULL;
    if (companions->nice_value > 0 && (companion = take_idle(companions)) == NULL)
        companion = companion_new(companions->nice_value);
    if (companion == NULL) {
        work(data);
        return;
    }
    companion->work = work;
    companion->data = data;
    uv_sem_post(&companion->asked);
    uv_sem_wait(&companion->done);
    give_back(companions, companion);
}

static void on_all_ended(void *data)
{
    struct companions *companions = data;
    uv_mutex_destroy(&companions->lock);
    companions->closed(companions->data);
}

void companions_close(struct companions *companions, void (*closed)(void *data), void *data)
{
    struct companion *companion;
    companions->closed = closed;
    companions->data = data;
    while ((companion = take_idle(companions)) != NULL) {
        companion->work = NULL;
        uv_sem_post(&companion->asked);
        leavers_add(&companions->leavers, &companion->leaver);
    }
    leavers_close(&companions->leavers, on_all_ended, companions);
}
