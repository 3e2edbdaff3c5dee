/* leavers.c – see leavers.h. The timer's rest doubles while nobody ends, so that a thread which
 * gets no core for long is not asked a thousand times a second.
 *
 * Rejected: detached threads (nothing would say when the last access to shared memory is over), and
 * a thread of normal priority that joins the others (one more, which may not be there to be had,
 * and must be joined itself). */
#include "server/offload/leavers.h"

#include <pthread.h>

enum { REST_MIN_MS = 2, REST_MAX_MS = 64, STACK_BYTES = 256 * 1024 };

int leaver_start(struct leaver *leaver, void (*run)(void *data), void *data)
{
    static const uv_thread_options_t options = {UV_THREAD_HAS_STACK_SIZE, STACK_BYTES};
    return uv_thread_create_ex(&leaver->thread, &options, run, data);
}

static void on_timer_closed(uv_handle_t *timer)
{
    struct leavers *leavers = timer->data;
    leavers->closed(leavers->data);
}

static void on_timer(uv_timer_t *timer)
{
    leavers_sweep(timer->data);
}

static void go_on(struct leavers *leavers, bool anybody_ended)
{
    if (leavers->count == 0 && leavers->closing) {
        leavers->closing = false;
        uv_close((uv_handle_t *)&leavers->timer, on_timer_closed);
    } else if (leavers->count == 0) {
        uv_timer_stop(&leavers->timer);
    } else if (anybody_ended || !uv_is_active((uv_handle_t *)&leavers->timer)) {
        leavers->rest_ms = anybody_ended                        ? REST_MIN_MS
                           : leavers->rest_ms < REST_MAX_MS / 2 ? leavers->rest_ms * 2
                                                                : REST_MAX_MS;
        uv_timer_start(&leavers->timer, on_timer, leavers->rest_ms, 0);
    }
}

void leavers_sweep(struct leavers *leavers)
{
    unsigned before = leavers->count;
    for (struct leaver **link = &leavers->first; *link != NULL;) {
        struct leaver *leaver = *link;
        if (pthread_tryjoin_np(leaver->thread, NULL) != 0) {
            link = &leaver->next;
            continue;
        }
        *link = leaver->next;
        leavers->count--;
        leaver->ended(leaver);
    }
    go_on(leavers, leavers->count < before);
}

void leavers_init(struct leavers *leavers, uv_loop_t *loop)
{
    *leavers = (struct leavers){.rest_ms = REST_MIN_MS};
    uv_timer_init(loop, &leavers->timer);
    leavers->timer.data = leavers;
}

void leavers_add(struct leavers *leavers, struct leaver *leaver)
{
    leaver->next = leavers->first;
    leavers->first = leaver;
    leavers->count++;
    leavers_sweep(leavers);
}

void leavers_close(struct leavers *leavers, void (*closed)(void *data), void *data)
{
    leavers->closing = true;
    leavers->closed = closed;
    leavers->data = data;
    leavers_sweep(leavers);
}
