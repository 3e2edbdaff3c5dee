/* bell.c – see bell.h. An eventfd that the loop polls. Rings that come before the last one was
 * heard are the same ring, and are spared the system call. It is quiet again before on_ring looks,
 * so whatever comes after that look rings anew.
 *
 * A thread of nice 19 may lose its core between its mark and its write. Nobody waits for it: only
 * RUNG says that the descriptor is readable, and who finds RINGING writes as well. The count of
 * what was heard keeps a thread that was away for long from marking a later ring as written. */
#include "server/offload/bell.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { QUIET, RINGING, RUNG, STATES = 4 };

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct bell *bell = (struct bell *)poll; /* its first member */
    uint64_t rings;
    (void)status, (void)events;
    (void)!read(bell->fd, &rings, sizeof rings);
    uint_fast64_t heard = atomic_load(&bell->state) / STATES + 1;
    (void)atomic_exchange(&bell->state, heard * STATES + QUIET); /* what was rung is seen now */
    bell->on_ring(bell->data);
}

int bell_init(struct bell *bell, uv_loop_t *loop, void (*on_ring)(void *data), void *data)
{
    bell->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (bell->fd < 0)
        return -errno;
    int rc = uv_poll_init(loop, &bell->poll, bell->fd);
    if (rc != 0) {
        close(bell->fd);
        return rc;
    }
    bell->poll.data = bell->data = data;
    bell->on_ring = on_ring;
    atomic_init(&bell->state, QUIET);
    (void)uv_poll_start(&bell->poll, UV_READABLE,
                        on_readable); /* nobody else polls the descriptor */
    return 0;
}

/* It reads by an exchange, so that the loop sees what was written before. If the loop hears the
 * ring in between, the last exchange fails. */
void bell_ring(struct bell *bell)
{
    static const uint64_t one = 1;
    uint_fast64_t now = atomic_fetch_or(&bell->state, 0);
    while (now % STATES == QUIET && !atomic_compare_exchange_weak(&bell->state, &now, now + 1))
        continue;
    if (now % STATES == RUNG)
        return;
    uint_fast64_t ringing = now / STATES * STATES + RINGING;
    (void)!write(bell->fd, &one, sizeof one);
    (void)atomic_compare_exchange_strong(&bell->state, &ringing, ringing + 1);
}

void bell_close(struct bell *bell, uv_close_cb on_closed)
{
    uv_close((uv_handle_t *)&bell->poll, on_closed);
}

void bell_free(struct bell *bell)
{
    close(bell->fd);
}
