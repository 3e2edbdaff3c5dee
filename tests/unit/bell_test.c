/* bell_test.c – no ring is lost, and no more are heard than were needed. */
#include "server/offload/bell.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/harness.h"

enum { NEWS = 100000 };

struct bench {
    uv_loop_t loop;
    struct bell bell;
    atomic_uint news; /* written before each ring */
    unsigned seen, heard;
    bool again;
};

static void on_ring(void *data)
{
    struct bench *bench = data;
    bench->heard++;
    bench->seen = atomic_load_explicit(&bench->news, memory_order_relaxed);
    if (bench->again)
        bell_ring(&bench->bell);
    bench->again = false;
}

static void bench_open(struct bench *bench)
{
    memset(bench, 0, sizeof *bench);
    assert_int_equal(uv_loop_init(&bench->loop), 0);
    assert_int_equal(bell_init(&bench->bell, &bench->loop, on_ring, bench), 0);
}

static void bench_close(struct bench *bench)
{
    bell_close(&bench->bell, NULL);
    assert_int_equal(uv_run(&bench->loop, UV_RUN_DEFAULT), 0);
    bell_free(&bench->bell);
    assert_int_equal(uv_loop_close(&bench->loop), 0);
}

static void test_rings_are_merged(void **state)
{
    struct bench bench;
    (void)state;
    bench_open(&bench);
    bell_ring(&bench.bell);
    bell_ring(&bench.bell);
    assert_int_equal(bench.heard, 0); /* not before the loop turns */
    uv_run(&bench.loop, UV_RUN_NOWAIT);
    uv_run(&bench.loop, UV_RUN_NOWAIT);
    assert_int_equal(bench.heard, 1);
    bench_close(&bench);
}

static void test_it_may_be_rung_while_it_is_heard(void **state)
{
    struct bench bench;
    (void)state;
    bench_open(&bench);
    bench.again = true;
    bell_ring(&bench.bell);
    while (bench.heard < 2)
        uv_run(&bench.loop, UV_RUN_ONCE);
    uv_run(&bench.loop, UV_RUN_NOWAIT);
    assert_int_equal(bench.heard, 2);
    bench_close(&bench);
}

static void tell_news(void *data)
{
    struct bench *bench = data;
    for (unsigned i = 1; i <= NEWS; i++) {
        atomic_store_explicit(&bench->news, i, memory_order_relaxed);
        bell_ring(&bench->bell);
    }
}

/* The last news is always seen: the loop would wait for ever for a ring that was swallowed. */
static void test_no_news_is_missed(void **state)
{
    struct bench bench;
    uv_thread_t thread;
    (void)state;
    bench_open(&bench);
    assert_int_equal(uv_thread_create(&thread, tell_news, &bench), 0);
    while (bench.seen < NEWS)
        uv_run(&bench.loop, UV_RUN_ONCE);
    assert_true(bench.heard <= NEWS);
    uv_thread_join(&thread);
    bench_close(&bench);
}

static void test_what_rings_when_it_is_closed_is_not_heard(void **state)
{
    struct bench bench;
    (void)state;
    bench_open(&bench);
    bell_ring(&bench.bell);
    bench_close(&bench);
    assert_int_equal(bench.heard, 0);
}

/* A thread that rings has lost its core between its mark and its write, for as long as it takes. */
static void test_nobody_depends_on_who_rings_first(void **state)
{
    enum { RINGING = 1, RUNG = 2 };
    struct bench bench;
    (void)state;
    bench_open(&bench);
    atomic_store(&bench.bell.state, RINGING);
    bell_ring(&bench.bell);
    uv_run(&bench.loop, UV_RUN_NOWAIT);
    assert_int_equal(bench.heard, 1);
    uint_fast64_t late = RINGING; /* now it goes on: that ring was heard long ago */
    assert_false(atomic_compare_exchange_strong(&bench.bell.state, &late, RUNG));
    bell_ring(&bench.bell);
    uv_run(&bench.loop, UV_RUN_NOWAIT);
    assert_int_equal(bench.heard, 2);
    bench_close(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rings_are_merged),
        cmocka_unit_test(test_it_may_be_rung_while_it_is_heard),
        cmocka_unit_test(test_no_news_is_missed),
        cmocka_unit_test(test_nobody_depends_on_who_rings_first),
        cmocka_unit_test(test_what_rings_when_it_is_closed_is_not_heard),
    };
    harness_prepare_process();
    return cmocka_run_group_tests_name("bell", tests, NULL, NULL);
}
