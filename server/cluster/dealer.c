/* dealer.c – see dealer.h.
 *
 * While it is open there is no queue in the parent: it accepts a connection when there is a member
 * for it, and nothing while something that was returned waits. In the end what the kernel has let
 * in would be reset with the listener, and a member's channel holds only some hundreds: so it waits
 * here, as long as that leaves descriptors for the observer. */
#include "server/cluster/dealer.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PAUSE_MS = 100 };

static void update(struct dealer *dealer);

/* The next in turn that is free. The turn passes to it, and goes on when it has got something. */
static struct child *next_member(struct dealer *dealer)
{
    for (unsigned i = 0; i < dealer->count; i++) {
        unsigned turn = (dealer->turn + i) % dealer->count;
        struct child *child = dealer->member_at(dealer->data, turn);
        if (child_is_free(child)) {
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
static int accept_one(const struct dealer *dealer)
{
    int fd;
    do
        fd = accept4(dealer->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    while (fd < 0 && (errno == EINTR || errno == ECONNABORTED));
    return fd < 0 ? -errno : fd;
}

static int next_connection(struct dealer *dealer)
{
    if (dealer->waiting_count > 0)
        return dealer->waiting[--dealer->waiting_count];
    return dealer->state == DEALER_OPEN ? accept_one(dealer) : -EAGAIN;
}

static void on_pause_over(uv_timer_t *timer)
{
    update(timer->data);
}

static int make_room(struct dealer *dealer)
{
    size_t room = dealer->waiting_room > 0 ? 2 * dealer->waiting_room : DEALER_MEMBERS_MAX;
    int *waiting = realloc(dealer->waiting, room * sizeof *waiting);
    if (waiting == NULL)
        return -ENOMEM;
    dealer->waiting = waiting;
    dealer->waiting_room = room;
    return 0;
}

/* Without memory for it the connection is closed. */
static void put(struct dealer *dealer, int connection)
{
    if (dealer->waiting_count == dealer->waiting_room && make_room(dealer) != 0)
        close(connection);
    else
        dealer->waiting[dealer->waiting_count++] = connection;
}

/* Deals until nobody is free or nothing waits. Out of descriptors, or a channel that takes nothing:
 * neither is cured by trying again at once. */
static int deal(struct dealer *dealer)
{
    struct child *child;
    while ((child = next_member(dealer)) != NULL) {
        int connection = next_connection(dealer);
        int rc = connection < 0 ? connection : child_deal(child, connection);
        if (rc < 0 && connection >= 0)
            put(dealer, connection);
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
    bool idle = rc == -EAGAIN && dealer->waiting_count == 0;
    if (idle && dealer->state == DEALER_OPEN) {
        (void)uv_poll_start(&dealer->poll, UV_READABLE, on_connections);
        return;
    }
    if (dealer->state == DEALER_OPEN)
        uv_poll_stop(&dealer->poll);
    if (rc != 0 && !idle)
        uv_timer_start(&dealer->pause, on_pause_over, PAUSE_MS, 0);
}

int dealer_open(struct dealer *dealer, uv_loop_t *loop, int listener, unsigned count,
                size_t waiting_max, struct child *(*member_at)(void *data, unsigned i), void *data)
{
    int rc = uv_poll_init(loop, &dealer->poll, listener);
    if (rc != 0)
        return rc;
    uv_timer_init(loop, &dealer->pause);
    dealer->poll.data = dealer->pause.data = dealer;
    dealer->listener = listener;
    dealer->count = count;
    dealer->waiting_max = waiting_max;
    dealer->member_at = member_at;
    dealer->data = data;
    dealer->state = DEALER_OPEN;
    return 0;
}

void dealer_go_on(struct dealer *dealer)
{
    if (dealer->state != DEALER_CLOSED)
        update(dealer);
}

void dealer_take_back(struct dealer *dealer, int connection)
{
    if (dealer->state != DEALER_OPEN) {
        close(connection);
        return;
    }
    put(dealer, connection);
    uv_timer_start(&dealer->pause, on_pause_over, PAUSE_MS, 0);
}

void dealer_close(struct dealer *dealer)
{
    int connection;
    if (dealer->state != DEALER_OPEN)
        return;
    while (dealer->waiting_count < dealer->waiting_max && (connection = accept_one(dealer)) >= 0)
        put(dealer, connection);
    dealer->state = DEALER_CLOSING;
    uv_close((uv_handle_t *)&dealer->poll, NULL);
    update(dealer);
}

bool dealer_is_done(const struct dealer *dealer)
{
    return dealer->state != DEALER_OPEN && dealer->waiting_count == 0;
}

void dealer_end(struct dealer *dealer)
{
    if (dealer->state != DEALER_CLOSING)
        return;
    while (dealer->waiting_count > 0)
        close(dealer->waiting[--dealer->waiting_count]);
    free(dealer->waiting);
    dealer->state = DEALER_CLOSED;
    uv_close((uv_handle_t *)&dealer->pause, NULL);
}
