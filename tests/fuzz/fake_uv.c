/* fake_uv.c – see fake_uv.h. The functions of libuv come last, with libuv's names. */
#include "tests/fuzz/fake_uv.h"

#include <errno.h>
#include <linux/sockios.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/fuzz/allocation.h"

enum { IS_CLOSING = 1, IS_ACTIVE = 2, IS_READING = 4, TURNS_MAX = 100000, FIRST_FD = 1000 };

static struct fake_uv *world; /* shutdown() knows only a descriptor */

_Noreturn void fuzz_fail(const char *what)
{
    fprintf(stderr, "fuzz: this does not hold: %s\n", what);
    abort();
}

static struct fake_uv *fake_of(const uv_loop_t *loop)
{
    return loop->data;
}

static struct fake_peer *peer_of(const void *handle)
{
    return ((const uv_handle_t *)handle)->u.reserved[0];
}

static bool has_flag(const void *handle, unsigned flag)
{
    return (((const uv_handle_t *)handle)->flags & flag) != 0;
}

static void set_flag(void *handle, unsigned flag, bool value)
{
    uv_handle_t *base = handle;
    base->flags = value ? base->flags | flag : base->flags & ~flag;
}

static void append(struct fake_bytes *to, const char *bytes, size_t length)
{
    if (to->length + length > to->capacity) {
        to->capacity = 2 * (to->length + length);
        to->bytes = unwatched_realloc(to->bytes, to->capacity);
    }
    if (length > 0)
        memcpy(to->bytes + to->length, bytes, length);
    to->length += length;
}

/* ------------------------------------------------------------------ peers */

static void peer_reset(struct fake_peer *peer)
{
    struct fake_bytes sent = peer->sent, taker = peer->taker;
    sent.length = taker.length = 0;
    *peer = (struct fake_peer){.sent = sent, .taker = taker};
}

void fake_uv_open(struct fake_uv *uv)
{
    for (size_t i = 0; i < FAKE_PEERS; i++)
        peer_reset(&uv->peers[i]);
    struct fake_uv fresh = {.now_ms = 1000};
    memcpy(fresh.peers, uv->peers, sizeof fresh.peers);
    *uv = fresh;
    uv->loop.data = uv;
    world = uv;
}

void fake_peer_connect(struct fake_peer *peer)
{
    if (peer->state == FAKE_UNUSED)
        peer->state = FAKE_WAITING;
}

void fake_peer_send(struct fake_peer *peer, const char *bytes, size_t length)
{
    if (peer->ending == 0)
        append(&peer->sent, bytes, length);
}

size_t fake_peer_owed(const struct fake_peer *peer)
{
    return peer->stream != NULL ? peer->stream->write_queue_size : 0;
}

/* How much of it the peer's socket takes now, or what is wrong with it. */
static ssize_t peer_take(struct fake_uv *uv, struct fake_peer *peer, const uv_buf_t *buffer)
{
    FUZZ_CHECK(!peer->shut);
    if (peer->broken || peer->ending == UV_ECONNRESET)
        return UV_EPIPE;
    size_t length = buffer->len < peer->window ? buffer->len : peer->window;
    if (length == 0)
        return UV_EAGAIN;
    append(&peer->taker, buffer->base, length);
    peer->window -= length;
    peer->progress_ms = uv->lived_ms;
    return (ssize_t)length;
}

/* ------------------------------------------------------------------ writes */

/* A write request's own fields: bufsml[0] is what is left of it, reserved[0] the next one, error
 * its result. */
static uv_write_t *write_after(const uv_write_t *request)
{
    return request->reserved[0];
}

static bool write_is_over(const uv_write_t *request)
{
    return request->error != 0 || request->bufsml[0].len == 0;
}

/* Writes what can be written, in their order. */
static bool run_writes(struct fake_uv *uv, struct fake_peer *peer)
{
    bool moved = false;
    for (uv_write_t *request = peer->first_write; request; request = write_after(request)) {
        uv_buf_t *rest = &request->bufsml[0];
        if (write_is_over(request))
            continue;
        ssize_t taken = peer_take(uv, peer, rest);
        if (taken == UV_EAGAIN)
            break;
        moved = true;
        if (taken < 0) {
            request->error = (int)taken;
            peer->stream->write_queue_size -= rest->len;
            continue;
        }
        rest->base += taken;
        rest->len -= (size_t)taken;
        peer->stream->write_queue_size -= (size_t)taken;
        if (rest->len > 0)
            break;
    }
    return moved;
}

static void finish_first_write(struct fake_peer *peer, int status)
{
    uv_write_t *request = peer->first_write;
    peer->first_write = write_after(request);
    if (peer->first_write == NULL)
        peer->last_write = NULL;
    request->cb(request, status);
}

static bool run_finished_writes(struct fake_peer *peer)
{
    bool moved = false;
    while (peer->first_write != NULL && write_is_over(peer->first_write) &&
           peer->state == FAKE_OPEN) {
        finish_first_write(peer, peer->first_write->error);
        moved = true;
    }
    return moved;
}

static void cancel_writes(struct fake_peer *peer)
{
    while (peer->first_write != NULL) {
        uv_write_t *request = peer->first_write;
        int status = request->error;
        if (!write_is_over(request)) {
            peer->stream->write_queue_size -= request->bufsml[0].len;
            status = UV_ECANCELED;
        }
        finish_first_write(peer, status);
    }
}

/* ------------------------------------------------------------------ reads */

static bool is_readable(const struct fake_peer *peer)
{
    bool reads = peer->state == FAKE_OPEN && has_flag(peer->stream, IS_READING);
    return reads && (peer->taken < peer->sent.length || (peer->ending != 0 && !peer->ended));
}

static void read_ending(struct fake_peer *peer)
{
    uv_buf_t buffer = {0};
    peer->ended = true;
    set_flag(peer->stream, IS_READING, false);
    peer->stream->read_cb(peer->stream, peer->ending, &buffer);
}

static void read_some(struct fake_peer *peer)
{
    uv_buf_t buffer = {0};
    peer->stream->alloc_cb((uv_handle_t *)peer->stream, 65536, &buffer);
    size_t length = peer->sent.length - peer->taken;
    length = length < buffer.len ? length : buffer.len;
    memcpy(buffer.base, peer->sent.bytes + peer->taken, length);
    peer->taken += length;
    peer->stream->read_cb(peer->stream, (ssize_t)length, &buffer);
}

static bool run_reads(struct fake_peer *peer)
{
    bool moved = is_readable(peer);
    if (peer->ending == UV_ECONNRESET) /* a reset destroys what was on its way */
        peer->taken = peer->sent.length;
    while (is_readable(peer)) {
        if (peer->taken < peer->sent.length)
            read_some(peer);
        else
            read_ending(peer);
    }
    return moved;
}

/* ------------------------------------------------------------------ a turn */

static bool run_timers(struct fake_uv *uv)
{
    bool moved = false;
    for (size_t i = 0; i < FAKE_TIMERS; i++) {
        uv_timer_t *timer = uv->timers[i];
        if (timer == NULL || !has_flag(timer, IS_ACTIVE) || timer->timeout > uv->now_ms)
            continue;
        timer->timeout = uv->now_ms + timer->repeat;
        set_flag(timer, IS_ACTIVE, timer->repeat > 0);
        timer->timer_cb(timer);
        moved = true;
    }
    return moved;
}

static struct fake_peer *first_waiting(struct fake_uv *uv)
{
    for (size_t i = 0; i < FAKE_PEERS; i++) {
        if (uv->peers[i].state == FAKE_WAITING)
            return &uv->peers[i];
    }
    return NULL;
}

static bool run_listener(struct fake_uv *uv)
{
    bool readable = uv->listener != NULL && first_waiting(uv) != NULL;
    if (readable)
        uv->listener->poll_cb(uv->listener, 0, UV_READABLE);
    return readable;
}

static bool run_closing(struct fake_uv *uv)
{
    uv_handle_t *handle = uv->closing;
    uv->closing = NULL;
    bool moved = handle != NULL;
    while (handle != NULL) {
        uv_handle_t *next = handle->next_closing;
        struct fake_peer *peer = peer_of(handle);
        uv->current = peer;
        if (peer != NULL) {
            cancel_writes(peer);
            peer->stream = NULL;
        }
        uv->open_handles--;
        if (handle->close_cb != NULL)
            handle->close_cb(handle);
        handle = next;
    }
    return moved;
}

bool fake_uv_turn(struct fake_uv *uv)
{
    uv->current = NULL;
    bool moved = run_timers(uv);
    for (size_t i = 0; i < FAKE_PEERS; i++) {
        uv->current = &uv->peers[i];
        moved |= run_finished_writes(&uv->peers[i]);
    }
    moved |= run_listener(uv);
    for (size_t i = 0; i < FAKE_PEERS; i++) {
        uv->current = &uv->peers[i];
        moved |= run_reads(&uv->peers[i]);
        if (uv->peers[i].state == FAKE_OPEN)
            moved |= run_writes(uv, &uv->peers[i]);
        moved |= run_finished_writes(&uv->peers[i]);
    }
    moved |= run_closing(uv);
    uv->current = NULL;
    return moved;
}

void fake_uv_rest(struct fake_uv *uv)
{
    unsigned turns = 0;
    while (fake_uv_turn(uv))
        FUZZ_CHECK(++turns < TURNS_MAX);
}

/* ------------------------------------------------------------------ libuv: handles */

static void handle_init(uv_loop_t *loop, void *handle, uv_handle_type type)
{
    uv_handle_t *base = handle;
    base->loop = loop;
    base->type = type;
    base->close_cb = NULL;
    base->next_closing = NULL;
    base->flags = 0;
    base->u.reserved[0] = NULL;
    fake_of(loop)->open_handles++;
}

int uv_is_closing(const uv_handle_t *handle)
{
    return has_flag(handle, IS_CLOSING);
}

int uv_is_active(const uv_handle_t *handle)
{
    return has_flag(handle, IS_ACTIVE);
}

/* Whoever waits is reset. */
static void close_listener(struct fake_uv *uv)
{
    struct fake_peer *peer;
    uv->listener = NULL;
    while ((peer = first_waiting(uv)) != NULL)
        peer->state = FAKE_CLOSED;
}

void uv_close(uv_handle_t *handle, uv_close_cb close_cb)
{
    struct fake_uv *uv = fake_of(handle->loop);
    struct fake_peer *peer = peer_of(handle);
    FUZZ_CHECK(!has_flag(handle, IS_CLOSING));
    handle->flags = IS_CLOSING;
    handle->close_cb = close_cb;
    handle->next_closing = uv->closing;
    uv->closing = handle;
    if (handle->type == UV_POLL)
        close_listener(uv);
    if (peer != NULL) {
        peer->state = FAKE_CLOSED;
        peer->lost = peer->stream->write_queue_size;
        peer->closed_ms = uv->lived_ms;
    }
    for (size_t i = 0; i < FAKE_TIMERS; i++) {
        if ((uv_handle_t *)uv->timers[i] == handle)
            uv->timers[i] = NULL;
    }
}

int uv_fileno(const uv_handle_t *handle, uv_os_fd_t *fd)
{
    struct fake_peer *peer = peer_of(handle);
    if (peer == NULL || has_flag(handle, IS_CLOSING))
        return UV_EBADF;
    *fd = FIRST_FD + (int)(peer - fake_of(handle->loop)->peers);
    return 0;
}

/* ------------------------------------------------------------------ the C library */

/* In the place of the C library's, by the linker's --wrap. */
int __wrap_shutdown(int fd, int how);
int __wrap_accept4(int fd, struct sockaddr *address, socklen_t *length, int flags);
int __wrap_http_listener_start(int fd);
int __real_close(int fd);
int __wrap_close(int fd);
ssize_t __wrap_recv(int fd, void *to, size_t length, int flags);
int __wrap_ioctl(int fd, unsigned long request, ...);
time_t __wrap_time(time_t *at);

static struct fake_peer *peer_at(int fd)
{
    bool known = fd >= FIRST_FD && fd < FIRST_FD + FAKE_PEERS;
    return known ? &world->peers[fd - FIRST_FD] : NULL;
}

int __wrap_shutdown(int fd, int how)
{
    struct fake_peer *peer = peer_at(fd);
    (void)how;
    FUZZ_CHECK(peer != NULL && peer->state == FAKE_OPEN);
    if (peer->broken || peer->ending == UV_ECONNRESET)
        return -1;
    peer->shut = true;
    return 0;
}

/* Not the C library's, but all that it does is to call that. */
int __wrap_http_listener_start(int fd)
{
    FUZZ_CHECK(fd == FAKE_LISTENER_FD);
    return 0;
}

/* Who has left is taken out of the queue; a process without descriptors leaves it as it is. */
int __wrap_accept4(int fd, struct sockaddr *address, socklen_t *length, int flags)
{
    struct fake_peer *peer = first_waiting(world);
    (void)address, (void)length, (void)flags;
    FUZZ_CHECK(fd == FAKE_LISTENER_FD);
    errno = peer != NULL ? -world->next_accept_error : EAGAIN;
    if (peer != NULL)
        world->next_accept_error = 0;
    if (peer != NULL && (errno == 0 || errno == ECONNABORTED))
        peer->state = errno == 0 ? FAKE_ACCEPTED : FAKE_CLOSED;
    return peer != NULL && errno == 0 ? FIRST_FD + (int)(peer - world->peers) : -1;
}

int __wrap_close(int fd)
{
    struct fake_peer *peer = peer_at(fd);
    if (fd == FAKE_LISTENER_FD)
        return 0;
    if (peer == NULL)
        return __real_close(fd);
    FUZZ_CHECK(peer->state == FAKE_ACCEPTED);
    peer->state = FAKE_CLOSED;
    return 0;
}

/* Only to be asked whether something lies unread. */
ssize_t __wrap_recv(int fd, void *to, size_t length, int flags)
{
    const struct fake_peer *peer = peer_at(fd);
    FUZZ_CHECK(peer != NULL && peer->state == FAKE_OPEN && flags == (MSG_PEEK | MSG_DONTWAIT));
    bool reset = peer->ending == UV_ECONNRESET;
    size_t unread = reset ? 0 : peer->sent.length - peer->taken;
    errno = reset && !peer->ended ? ECONNRESET : EAGAIN;
    if (unread == 0)
        return peer->ending == UV_EOF ? 0 : -1;
    memcpy(to, peer->sent.bytes + peer->taken, length < unread ? length : unread);
    return (ssize_t)(length < unread ? length : unread);
}

/* What a socket takes, its peer has. */
int __wrap_ioctl(int fd, unsigned long request, ...)
{
    va_list arguments;
    FUZZ_CHECK(peer_at(fd) != NULL && request == SIOCOUTQ);
    va_start(arguments, request);
    *va_arg(arguments, int *) = 0;
    va_end(arguments);
    return 0;
}

/* The Date of every answer: Sun, 06 Nov 1994 08:49:37 GMT, the example of RFC 9110. */
time_t __wrap_time(time_t *at)
{
    enum { EXAMPLE = 784111777 };
    if (at != NULL)
        *at = EXAMPLE;
    return EXAMPLE;
}

/* ------------------------------------------------------------------ libuv: time */

uint64_t uv_now(const uv_loop_t *loop)
{
    return fake_of(loop)->now_ms;
}

void uv_update_time(uv_loop_t *loop)
{
    (void)loop; /* it is never late */
}

uint64_t uv_hrtime(void)
{
    return world->now_ms * 1000000;
}

int uv_timer_init(uv_loop_t *loop, uv_timer_t *timer)
{
    struct fake_uv *uv = fake_of(loop);
    size_t i = 0;
    handle_init(loop, timer, UV_TIMER);
    while (uv->timers[i] != NULL)
        FUZZ_CHECK(++i < FAKE_TIMERS);
    uv->timers[i] = timer;
    return 0;
}

int uv_timer_start(uv_timer_t *timer, uv_timer_cb callback, uint64_t timeout, uint64_t repeat)
{
    if (has_flag(timer, IS_CLOSING))
        return UV_EINVAL;
    timer->timer_cb = callback;
    timer->timeout = fake_of(timer->loop)->now_ms + timeout;
    timer->repeat = repeat;
    set_flag(timer, IS_ACTIVE, true);
    return 0;
}

int uv_timer_stop(uv_timer_t *timer)
{
    set_flag(timer, IS_ACTIVE, false);
    return 0;
}

/* ------------------------------------------------------------------ libuv: the listener */

int uv_poll_init(uv_loop_t *loop, uv_poll_t *poll, int fd)
{
    FUZZ_CHECK(fd == FAKE_LISTENER_FD);
    handle_init(loop, poll, UV_POLL);
    return 0;
}

int uv_poll_start(uv_poll_t *poll, int events, uv_poll_cb callback)
{
    FUZZ_CHECK(events == UV_READABLE && !has_flag(poll, IS_CLOSING));
    poll->poll_cb = callback;
    fake_of(poll->loop)->listener = poll;
    return 0;
}

int uv_poll_stop(uv_poll_t *poll)
{
    FUZZ_CHECK(!has_flag(poll, IS_CLOSING));
    fake_of(poll->loop)->listener = NULL;
    return 0;
}

/* ------------------------------------------------------------------ libuv: streams */

uv_buf_t uv_buf_init(char *base, unsigned int length)
{
    return (uv_buf_t){.base = base, .len = length};
}

int uv_tcp_init(uv_loop_t *loop, uv_tcp_t *tcp)
{
    handle_init(loop, tcp, UV_TCP);
    tcp->write_queue_size = 0;
    return 0;
}

int uv_ip_name(const struct sockaddr *source, char *name, size_t size)
{
    (void)source, (void)name, (void)size;
    return UV_EINVAL;
}

int uv_getaddrinfo(uv_loop_t *loop, uv_getaddrinfo_t *request, uv_getaddrinfo_cb callback,
                   const char *node, const char *service, const struct addrinfo *hints)
{
    (void)loop, (void)request, (void)callback, (void)node, (void)service, (void)hints;
    return UV_EAI_NONAME;
}

void uv_freeaddrinfo(struct addrinfo *info)
{
    (void)info;
}

static int open_stream(struct fake_uv *uv, struct fake_peer *peer, uv_stream_t *stream)
{
    int error = uv->next_open_error;
    uv->next_open_error = 0;
    if (error != 0)
        return error;
    uv->current = peer;
    stream->u.reserved[0] = peer;
    peer->stream = stream;
    peer->state = FAKE_OPEN;
    peer->progress_ms = uv->lived_ms;
    return 0;
}

int uv_tcp_open(uv_tcp_t *tcp, uv_os_sock_t fd)
{
    FUZZ_CHECK(peer_at(fd) != NULL && peer_at(fd)->state == FAKE_ACCEPTED);
    return open_stream(fake_of(tcp->loop), peer_at(fd), (uv_stream_t *)tcp);
}

int uv_read_start(uv_stream_t *stream, uv_alloc_cb alloc_cb, uv_read_cb read_cb)
{
    struct fake_peer *peer = peer_of(stream);
    if (has_flag(stream, IS_CLOSING))
        return UV_EINVAL;
    if (peer == NULL)
        return UV_ENOTCONN;
    if (has_flag(stream, IS_READING))
        return UV_EALREADY;
    stream->alloc_cb = alloc_cb;
    stream->read_cb = read_cb;
    set_flag(stream, IS_READING, true);
    return 0;
}

int uv_read_stop(uv_stream_t *stream)
{
    set_flag(stream, IS_READING, false);
    return 0;
}

size_t uv_stream_get_write_queue_size(const uv_stream_t *stream)
{
    return stream->write_queue_size;
}

int uv_try_write(uv_stream_t *stream, const uv_buf_t buffers[], unsigned int count)
{
    struct fake_peer *peer = peer_of(stream);
    ssize_t taken = 0, last = 0;
    FUZZ_CHECK(count > 0 && !has_flag(stream, IS_CLOSING));
    if (stream->write_queue_size > 0)
        return UV_EAGAIN;
    for (unsigned i = 0; i < count && (i == 0 || last == (ssize_t)buffers[i - 1].len); i++) {
        last = peer_take(fake_of(stream->loop), peer, &buffers[i]);
        taken += last > 0 ? last : 0;
    }
    return (int)(taken > 0 ? taken : last);
}

int uv_write(uv_write_t *request, uv_stream_t *stream, const uv_buf_t buffers[], unsigned int count,
             uv_write_cb callback)
{
    struct fake_peer *peer = peer_of(stream);
    FUZZ_CHECK(count == 1 && !has_flag(stream, IS_CLOSING));
    request->cb = callback;
    request->handle = stream;
    request->error = 0;
    request->bufsml[0] = buffers[0];
    request->reserved[0] = NULL;
    if (peer->last_write != NULL)
        peer->last_write->reserved[0] = request;
    else
        peer->first_write = request;
    peer->last_write = request;
    if (stream->write_queue_size == 0)
        peer->owed_ms = fake_of(stream->loop)->lived_ms;
    stream->write_queue_size += buffers[0].len;
    run_writes(fake_of(stream->loop), peer);
    return 0;
}
