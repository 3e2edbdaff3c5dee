/* bell.c – see bell.h. An eventfd that the loop polls. Rings that come before the last one was
 * heard are the same ring: `rung` saves them the system call. It is cleared before on_ring looks,
 * so whatever comes after that look rings anew. */
#include "server/offload/bell.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct bell *bell = (struct bell *)poll; /* its first member */
    uint64_t rings;
    (void)status, (void)events;
    (void)!read(bell->fd, &rings, sizeof rings);
    atomic_store(&bell->rung, false);
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
    atomic_init(&bell->rung, false);
    (void)uv_poll_start(&bell->poll, UV_READABLE,
                        on_readable); /* nobody else polls the descriptor */
    return 0;
}

void bell_ring(struct bell *bell)
{
    static const uint64_t one = 1;
    if (!atomic_exchange(&bell->rung, true))
        (void)!write(bell->fd, &one, sizeof one);
}

void bell_close(struct bell *bell, uv_close_cb on_closed)
{
    uv_close((uv_handle_t *)&bell->poll, on_closed);
}

void bell_free(struct bell *bell)
{
    close(bell->fd);
}
