/* probe_pacer.c – a timer finer than libuv's.
 *
 * libuv's timers count whole milliseconds, so at 1,000 requests per second a request would leave up
 * to a millisecond late, and that would be the greater part of what the probe reports of a server
 * that answers in 0.05 ms. A timerfd takes an absolute instant in nanoseconds of the same clock
 * that uv_hrtime() reads, and is not subject to the 50 µs of slack which the kernel grants to the
 * time-outs of epoll. On other systems the pacer falls back to uv_timer: whatever is due at a tick
 * leaves at that tick, still counted from the instant at which it was due. */
#include "loadtest/probe_pacer.h"

#ifdef __linux__
#include <errno.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct pacer *pacer = poll->data;
    uint64_t expirations;
    (void)events;
    if (status < 0)
        return;
    /* Nothing to read means that the timer was set anew since the wake-up: it will come again. */
    if (read(pacer->fd, &expirations, sizeof expirations) == (ssize_t)sizeof expirations)
        pacer->on_wake(pacer);
}

static void on_closed(uv_handle_t *handle)
{
    struct pacer *pacer = handle->data;
    close(pacer->fd);
}

void pacer_close(struct pacer *pacer)
{
    uv_close(&pacer->as.handle, on_closed);
}

int pacer_init(struct pacer *pacer, uv_loop_t *loop, void (*on_wake)(struct pacer *pacer))
{
    pacer->on_wake = on_wake;
    pacer->fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (pacer->fd < 0)
        return uv_translate_sys_error(errno);
    int error = uv_poll_init(loop, &pacer->as.poll, pacer->fd);
    if (error != 0) {
        close(pacer->fd);
        return error;
    }
    pacer->as.poll.data = pacer;
    error = uv_poll_start(&pacer->as.poll, UV_READABLE, on_readable);
    if (error != 0)
        pacer_close(pacer);
    return error;
}

int pacer_wake_at(struct pacer *pacer, uint64_t instant_ns)
{
    const struct itimerspec when = {.it_value = {.tv_sec = (time_t)(instant_ns / 1000000000),
                                                 .tv_nsec = (long)(instant_ns % 1000000000)}};
    if (timerfd_settime(pacer->fd, TFD_TIMER_ABSTIME, &when, NULL) != 0)
        return uv_translate_sys_error(errno);
    return 0;
}

#else

static void on_timer(uv_timer_t *timer)
{
    struct pacer *pacer = timer->data;
    pacer->on_wake(pacer);
}

int pacer_init(struct pacer *pacer, uv_loop_t *loop, void (*on_wake)(struct pacer *pacer))
{
    pacer->on_wake = on_wake;
    pacer->fd = -1;
    int error = uv_timer_init(loop, &pacer->as.timer);
    pacer->as.timer.data = pacer;
    return error;
}

int pacer_wake_at(struct pacer *pacer, uint64_t instant_ns)
{
    uint64_t now = uv_hrtime();
    uint64_t wait_ms = instant_ns > now ? (instant_ns - now + 999999) / 1000000 : 0;
    uv_update_time(pacer->as.handle.loop);
    return uv_timer_start(&pacer->as.timer, on_timer, wait_ms, 0);
}

void pacer_close(struct pacer *pacer)
{
    uv_close(&pacer->as.handle, NULL);
}

#endif
