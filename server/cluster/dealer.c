/* dealer.c – see dealer.h.
 *
 * There is no queue in the parent: it accepts a connection when there is a member for it. What was
 * returned is bounded by the members, because nothing is accepted while something is returned. */
#include "server/cluster/dealer.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PAUSE_MS = 100 };

static void update(struct dealer *dealer);

/* The next in turn that is free, or, if `anyone`, that is ready at least. The turn passes to it,
 * and goes on when it has got something. */
static struct child *next_member(struct dealer *dealer, bool anyone)
{
    for (unsigned i = 0; i < dealer->count; i++) {
        unsigned turn = (dealer->turn + i) % dealer->count;
        struct child *child = dealer->member_at(dealer->data, turn);
        bool fits = anyone ? child != NULL && child->state == CHILD_READY : child_is_free(child);
        if (fits) {
            dealer->turn = turn;
            return child;
        }
    }
    return NULL;
}

static void pass_turn(struct dealer *dealer)
{
    dealer->turn = (dealer->turn + 1) % dealer->count;
}

/* Returns a connection, or a negative errno: -EAGAIN if none waits. */
static int next_connection(struct dealer *dealer)
{
    int fd;
    if (dealer->returned_count > 0)
        return dealer->returned[--dealer->returned_count];
    do
        fd = accept4(dealer->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    while (fd < 0 && (errno == EINTR || errno == ECONNABORTED));
    return fd < 0 ? -errno : fd;
}

static void on_pause_over(uv_timer_t *timer)
{
    update(timer->data);
}

static void put_back(struct dealer *dealer, int connection)
{
    if (dealer->returned_count < DEALER_RETURNED_MAX)
        dealer->returned[dealer->returned_count++] = connection;
    else
        close(connection);
}

/* Deals until nobody is free or nothing waits. Out of descriptors, or a channel that takes nothing:
 * neither is cured by trying again at once. */
static int deal(struct dealer *dealer)
{
    struct child *child;
    while ((child = next_member(dealer, false)) != NULL) {
        int connection = next_connection(dealer);
        int rc = connection < 0 ? connection : child_deal(child, connection);
        if (rc < 0 && connection >= 0)
            put_back(dealer, connection);
        if (rc < 0)
            return rc;
        pass_turn(dealer);
    }
    return 0;
}

static void on_connections(uv_poll_t *poll, int status, int events)
{
    (void)status, (void)events;
    update(poll->data);
}

/* The listener is watched only while somebody is free. */
static void update(struct dealer *dealer)
{
    int rc = deal(dealer);
    if (rc == -EAGAIN && dealer->returned_count == 0) {
        (void)uv_poll_start(&dealer->poll, UV_READABLE, on_connections);
        return;
    }
    uv_poll_stop(&dealer->poll);
    if (rc != 0)
        uv_timer_start(&dealer->pause, on_pause_over, PAUSE_MS, 0);
}

int dealer_open(struct dealer *dealer, uv_loop_t *loop, int listener, unsigned count,
                struct child *(*member_at)(void *data, unsigned i), void *data)
{
    int rc = uv_poll_init(loop, &dealer->poll, listener);
    if (rc != 0)
        return rc;
    uv_timer_init(loop, &dealer->pause);
    dealer->poll.data = dealer->pause.data = dealer;
    dealer->listener = listener;
    dealer->count = count;
    dealer->member_at = member_at;
    dealer->data = data;
    dealer->open = true;
    return 0;
}

void dealer_go_on(struct dealer *dealer)
{
    if (dealer->open)
        update(dealer);
}

void dealer_take_back(struct dealer *dealer, int connection)
{
    if (!dealer->open) {
        close(connection);
        return;
    }
    put_back(dealer, connection);
    uv_timer_start(&dealer->pause, on_pause_over, PAUSE_MS, 0);
}

static void deal_last(struct dealer *dealer, int connection)
{
    struct child *child = next_member(dealer, false);
    if (child == NULL)
        child = next_member(dealer, true);
    if (child == NULL || child_deal_last(child, connection) != 0)
        close(connection);
    pass_turn(dealer);
}

void dealer_close(struct dealer *dealer)
{
    int connection;
    if (!dealer->open)
        return;
    while ((connection = next_connection(dealer)) >= 0)
        deal_last(dealer, connection);
    dealer->open = false;
    uv_close((uv_handle_t *)&dealer->poll, NULL);
    uv_close((uv_handle_t *)&dealer->pause, NULL);
}
