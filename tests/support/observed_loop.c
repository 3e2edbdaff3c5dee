/* observed_loop.c – see observed_loop.h. */
#include "tests/support/observed_loop.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>

#include <cmocka.h>

void burn_ms(unsigned ms)
{
    uint64_t end_ns = trip_clock_ns() + ms * UINT64_C(1000000);
    while (trip_clock_ns() < end_ns)
        continue;
}

void observed_loop_open(struct observed_loop *observed)
{
    *observed = (struct observed_loop){0};
    assert_int_equal(uv_loop_init(&observed->loop), 0);
    assert_int_equal(uv_loop_configure(&observed->loop, UV_METRICS_IDLE_TIME), 0);
    assert_int_equal(recordings_init(&observed->recordings, 1), 0);
    observed->recording = &observed->recordings.table[0];
    recording_begin(observed->recording, trip_clock_ns(), 0);
    assert_int_equal(uv_async_init(&observed->loop, &observed->alive, NULL), 0);
    uv_unref((uv_handle_t *)&observed->alive);
    loop_monitor_start(&observed->monitor, &observed->loop, observed->recording);
    observed_loop_turn(observed, 1);
}

static void on_monitor_closed(void *data)
{
    bool *is_closed = data;
    assert_false(*is_closed);
    *is_closed = true;
}

/* Turns instead of running to the end: a test that failed may have left handles behind, and must
 * not hang. */
void observed_loop_close(struct observed_loop *observed)
{
    loop_monitor_stop(&observed->monitor, on_monitor_closed, &observed->is_closed);
    assert_false(observed->is_closed);
    uv_close((uv_handle_t *)&observed->alive, NULL);
    for (unsigned i = 0; i < 3; i++)
        (void)uv_run(&observed->loop, UV_RUN_NOWAIT);
    assert_true(observed->is_closed);
    assert_int_equal(uv_loop_close(&observed->loop), 0);
    recordings_close(&observed->recordings);
}

/* A loop that nothing keeps alive does not turn. */
void observed_loop_turn(struct observed_loop *observed, unsigned times)
{
    uv_ref((uv_handle_t *)&observed->alive);
    while (times-- > 0)
        (void)uv_run(&observed->loop, UV_RUN_NOWAIT);
    uv_unref((uv_handle_t *)&observed->alive);
}

struct call {
    uv_timer_t timer;
    void (*function)(void *data);
    void *data;
    bool is_closed;
};

static void on_call_closed(uv_handle_t *timer)
{
    ((struct call *)timer->data)->is_closed = true;
}

static void on_call(uv_timer_t *timer)
{
    struct call *call = timer->data;
    call->function(call->data);
    uv_close((uv_handle_t *)timer, on_call_closed);
}

void observed_loop_call(struct observed_loop *observed, void (*function)(void *data), void *data)
{
    struct call call = {.function = function, .data = data};
    uv_timer_init(&observed->loop, &call.timer);
    call.timer.data = &call;
    uv_timer_start(&call.timer, on_call, 0, 0);
    while (!call.is_closed)
        observed_loop_turn(observed, 1);
}

/* ------------------------------------------------------------------ an interrupted poll */

struct interruption {
    struct observed_loop *observed;
    pthread_t loop_thread;
    uint64_t idle_ns; /* when it began */
    unsigned ms;
    void (*meanwhile)(void *data);
    void *data;
    atomic_bool is_over;
};

static void on_signal(int number)
{
    (void)number;
}

static uint64_t idle_time(const struct interruption *interruption)
{
    return uv_metrics_idle_time(&interruption->observed->loop);
}

/* Until libuv has begun to count anew. */
static void interrupt_poll(const struct interruption *interruption)
{
    uint64_t before_ns;
    do {
        before_ns = idle_time(interruption);
        pthread_kill(interruption->loop_thread, SIGUSR1);
        uv_sleep(5);
    } while (idle_time(interruption) >= before_ns);
}

static void interrupt(void *data)
{
    struct interruption *interruption = data;
    uint64_t end_ns = interruption->idle_ns + interruption->ms * UINT64_C(1000000);
    while (idle_time(interruption) < end_ns)
        uv_sleep(1);
    interrupt_poll(interruption);
    if (interruption->meanwhile != NULL)
        interruption->meanwhile(interruption->data);
    atomic_store(&interruption->is_over, true);
    uv_async_send(&interruption->observed->alive);
}

void observed_loop_interrupt(struct observed_loop *observed, unsigned ms,
                             void (*meanwhile)(void *data), void *data)
{
    struct sigaction action = {.sa_handler = on_signal};
    uv_thread_t thread;
#ifdef __SANITIZE_THREAD__
    skip();
#endif
    struct interruption interruption = {
        .observed = observed,
        .loop_thread = pthread_self(),
        .idle_ns = uv_metrics_idle_time(&observed->loop),
        .ms = ms,
        .meanwhile = meanwhile,
        .data = data,
    };
    assert_int_equal(sigaction(SIGUSR1, &action, NULL), 0);
    assert_int_equal(uv_thread_create(&thread, interrupt, &interruption), 0);
    uv_ref((uv_handle_t *)&observed->alive);
    while (!atomic_load(&interruption.is_over)) /* a turn may not have to wait at all */
        (void)uv_run(&observed->loop, UV_RUN_ONCE);
    uv_unref((uv_handle_t *)&observed->alive);
    uv_thread_join(&thread);
}
