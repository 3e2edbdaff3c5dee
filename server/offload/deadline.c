/* deadline.c – see deadline.h.
 *
 * A pairing heap (Fredman, Sedgewick, Sleator and Tarjan 1986) through the jobs themselves: adding
 * is a comparison and cannot fail, leaving costs O(log n) on the average, and most jobs leave
 * before they are due. A parent is due no later than its children; `previous` is the left sibling,
 * or the parent of a first child.
 *
 * The timer is left alone when the job that it was set for comes home: then it rings for nothing
 * once, and is set anew. libuv's timers count in milliseconds and from the beginning of a turn, so
 * it may ring early; what counts is the clock.
 *
 * Rejected: a timer for each job (a heap of handles, to be closed one by one), a sorted list (a
 * client could make every insertion walk through it). */
#include "server/offload/deadline.h"

static struct job *meld(struct job *left, struct job *right)
{
    if (left == NULL || right == NULL)
        return left != NULL ? left : right;
    struct job *parent = left->deadline_ns <= right->deadline_ns ? left : right;
    struct job *child = parent == left ? right : left;
    child->due.previous = parent;
    child->due.next = parent->due.child;
    if (child->due.next != NULL)
        child->due.next->due.previous = child;
    parent->due.child = child;
    return parent;
}

static struct job *take_off(struct job **list)
{
    struct job *job = *list;
    if (job != NULL) {
        *list = job->due.next;
        job->due.next = job->due.previous = NULL;
    }
    return job;
}

/* Siblings become one heap: in pairs from left to right, then the pairs from right to left. */
static struct job *meld_all(struct job *siblings)
{
    struct job *pairs = NULL, *whole = NULL;
    while (siblings != NULL) {
        struct job *left = take_off(&siblings);
        struct job *pair = meld(left, take_off(&siblings));
        pair->due.next = pairs;
        pairs = pair;
    }
    while (pairs != NULL) {
        struct job *pair = take_off(&pairs);
        whole = meld(whole, pair);
    }
    return whole;
}

static void leave_siblings(struct job *job)
{
    struct job *previous = job->due.previous;
    if (previous->due.child == job)
        previous->due.child = job->due.next;
    else
        previous->due.next = job->due.next;
    if (job->due.next != NULL)
        job->due.next->due.previous = previous;
}

static void leave_heap(struct deadlines *deadlines, struct job *job)
{
    struct job *children = meld_all(job->due.child);
    if (deadlines->first == job) {
        deadlines->first = children;
    } else {
        leave_siblings(job);
        deadlines->first = meld(deadlines->first, children);
    }
    job->due.child = job->due.next = job->due.previous = NULL;
    job->due.kept = false;
}

static void on_time(uv_timer_t *timer);

static void set_timer(struct deadlines *deadlines)
{
    if (deadlines->first == NULL) {
        uv_timer_stop(&deadlines->timer);
        return;
    }
    uint64_t due_ns = deadlines->first->deadline_ns, now_ns = trip_clock_ns();
    if (uv_is_active((uv_handle_t *)&deadlines->timer) && deadlines->armed_ns <= due_ns)
        return;
    uint64_t left_ns = due_ns > now_ns ? due_ns - now_ns : 0;
    deadlines->armed_ns = due_ns;
    uv_timer_start(&deadlines->timer, on_time, (left_ns + 999999) / 1000000, 0);
}

static void on_time(uv_timer_t *timer)
{
    struct deadlines *deadlines = timer->data;
    uint64_t now_ns = trip_clock_ns();
    while (deadlines->first != NULL && deadlines->first->deadline_ns <= now_ns) {
        struct job *job = deadlines->first;
        leave_heap(deadlines, job);
        deadlines->on_due(job);
    }
    if (!uv_is_closing((uv_handle_t *)timer)) /* the last job home may have been the very last */
        set_timer(deadlines);
}

void deadlines_init(struct deadlines *deadlines, uv_loop_t *loop, void (*on_due)(struct job *job))
{
    *deadlines = (struct deadlines){.on_due = on_due};
    uv_timer_init(loop, &deadlines->timer);
    deadlines->timer.data = deadlines;
}

void deadlines_add(struct deadlines *deadlines, struct job *job)
{
    job->due = (struct deadline_links){.kept = true};
    deadlines->first = meld(deadlines->first, job);
    set_timer(deadlines);
}

void deadlines_remove(struct deadlines *deadlines, struct job *job)
{
    if (!job->due.kept)
        return;
    leave_heap(deadlines, job);
    if (deadlines->first == NULL)
        uv_timer_stop(&deadlines->timer);
}

void deadlines_close(struct deadlines *deadlines)
{
    if (!uv_is_closing((uv_handle_t *)&deadlines->timer))
        uv_close((uv_handle_t *)&deadlines->timer, NULL);
}
