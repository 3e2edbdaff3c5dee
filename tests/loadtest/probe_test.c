/* probe_test.c – the probe's parts on known data, and its open loop against a stub that stands
 * still.
 *
 * The stub is a thread with blocking sockets, one connection at a time in turn by poll(); before
 * one of its answers it stalls. It says itself, by the probe's own clock, how long it stood still;
 * so nothing here depends on how fast the machine is: latencies have lower bounds only. */
#include "loadtest/probe_answer.h"
#include "loadtest/probe_load.h"
#include "loadtest/probe_stats.h"

#include <arpa/inet.h>
#include <assert.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include <cmocka.h>

/* ---------------------------------------------------------------- statistics */

static void percentiles_are_nearest_ranks(void **state)
{
    (void)state;
    int64_t values[1000];
    for (int i = 0; i < 1000; i++)
        values[i] = i + 1;
    assert_int_equal(stats_percentile(values, 1000, 0.5), 500);
    assert_int_equal(stats_percentile(values, 1000, 0.9), 900);
    assert_int_equal(stats_percentile(values, 1000, 0.99), 990);
    assert_int_equal(stats_percentile(values, 1000, 0.999), 999);
    assert_int_equal(stats_percentile(values, 1000, 1), 1000);
    assert_int_equal(stats_percentile(values, 3, 0.5), 2);
    assert_int_equal(stats_percentile(values, 1, 0.99), 1);
    assert_int_equal(stats_percentile(values, 0, 0.5), 0);
}

static void summary_counts_from_the_intended_instant(void **state)
{
    const int64_t ms = 1000000;
    const struct sample samples[] = {
        {.intended_ns = -ms, .done_ns = 900 * ms, .status = 200}, /* warm-up */
        {.intended_ns = 0, .sent_ns = 40 * ms, .done_ns = 50 * ms, .status = 200},
        {.intended_ns = 10 * ms, .noticed_ns = 12 * ms, .done_ns = 40 * ms, .status = 503},
        {.intended_ns = 20 * ms, .noticed_ns = 20 * ms, .done_ns = 21 * ms, .status = SAMPLE_LOST},
        {.intended_ns = 30 * ms,
         .noticed_ns = 30 * ms,
         .done_ns = 130 * ms,
         .status = SAMPLE_UNANSWERED},
    };
    struct summary summary;
    (void)state;
    assert_int_equal(stats_summarize(&summary, samples, 5), 0);
    assert_int_equal(summary.count, 4);
    assert_int_equal(summary.answered, 2);
    assert_int_equal(summary.lost, 1);
    assert_int_equal(summary.unanswered, 1);
    assert_int_equal(summary.non_2xx, 1);
    assert_true(summary.p50 == 50 && summary.max == 100 && summary.mean == 60);
    assert_true(summary.late_max == 2 && summary.rate == 2 / 0.05);
}

/* ---------------------------------------------------------------- reading answers */

static enum answer_progress feed_in_two(struct answer *answer, const char *text, size_t cut)
{
    answer_reset(answer);
    enum answer_progress progress = answer_feed(answer, text, cut);
    if (progress != ANSWER_MORE)
        return progress;
    return answer_feed(answer, text + cut, strlen(text) - cut);
}

static void answers_may_be_cut_anywhere(void **state)
{
    const char *text = "HTTP/1.1 404 Not Found\r\nX: y\r\ncontent-LENGTH: 5\r\n\r\nhello";
    struct answer answer;
    (void)state;
    for (size_t cut = 0; cut <= strlen(text); cut++) {
        assert_int_equal(feed_in_two(&answer, text, cut), ANSWER_DONE);
        assert_int_equal(answer.status, 404);
        assert_false(answer.close);
    }
}

static void answers_end_in_their_ways(void **state)
{
    struct answer answer;
    (void)state;
    assert_int_equal(feed_in_two(&answer, "HTTP/1.1 204 No Content\r\n\r\n", 3), ANSWER_DONE);
    assert_int_equal(
        feed_in_two(&answer, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
                    20),
        ANSWER_DONE);
    assert_true(answer.close);
    assert_int_equal(feed_in_two(&answer, "HTTP/1.0 200 OK\r\n\r\nuntil the end", 25), ANSWER_MORE);
    assert_int_equal(answer_end(&answer), ANSWER_DONE);
    assert_true(answer.close);
    feed_in_two(&answer, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort", 1);
    assert_int_equal(answer_end(&answer), ANSWER_BAD);
}

static void what_is_no_answer_is_refused(void **state)
{
    static const char *const texts[] = {
        "SMTP ready\r\n\r\n",
        "HTTP/1.1 2000 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\ntoo long",
    };
    struct answer answer;
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        assert_int_equal(feed_in_two(&answer, texts[i], 5), ANSWER_BAD);
    char endless[ANSWER_HEAD_MAX_BYTES + 100];
    memset(endless, 'x', sizeof endless);
    answer_reset(&answer);
    assert_int_equal(answer_feed(&answer, endless, sizeof endless), ANSWER_BAD);
}

/* ---------------------------------------------------------------- the stub */

enum { STUB_CONNECTIONS = 8 };
static const char REQUEST[] = "GET / HTTP/1.1\r\nHost: stub\r\n\r\n";

struct stub {
    struct sockaddr_in address;
    struct pollfd polled[1 + STUB_CONNECTIONS + 1]; /* listener, connections, the wish to stop */
    int stop_pipe[2];
    uv_thread_t thread;
    size_t answered;
    /* What goes wrong, and at which answer (counted from 1; 0 is never). */
    size_t stall_at, hang_up_at, close_at, silent_from;
    uint64_t stall_ns; /* asked for, then what it was */
};

static void stub_stall(struct stub *stub)
{
    uint64_t begin = uv_hrtime();
    poll(NULL, 0, (int)(stub->stall_ns / 1000000));
    stub->stall_ns = uv_hrtime() - begin;
}

static void stub_hang_up(struct pollfd *client)
{
    close(client->fd);
    client->fd = -1;
}

static void stub_answer(struct stub *stub, struct pollfd *client)
{
    char buffer[sizeof REQUEST];
    ssize_t count = read(client->fd, buffer, sizeof buffer);
    size_t turn = stub->answered + 1;
    if (count <= 0 || turn == stub->hang_up_at) {
        stub->answered += count > 0;
        stub_hang_up(client);
        return;
    }
    assert(count == sizeof REQUEST - 1);
    if (stub->silent_from != 0 && turn >= stub->silent_from)
        return;
    if (turn == stub->stall_at)
        stub_stall(stub);
    dprintf(client->fd, "HTTP/1.1 200 OK\r\n%sContent-Length: 2\r\n\r\nok",
            turn == stub->close_at ? "Connection: close\r\n" : "");
    stub->answered++;
    if (turn == stub->close_at)
        stub_hang_up(client);
}

static void stub_accept(struct stub *stub)
{
    int fd = accept(stub->polled[0].fd, NULL, NULL);
    struct pollfd *slot = &stub->polled[1];
    while (slot->fd >= 0)
        slot++;
    slot->fd = fd;
}

static void stub_serve(void *argument)
{
    struct stub *stub = argument;
    for (;;) {
        poll(stub->polled, 1 + STUB_CONNECTIONS + 1, -1);
        if (stub->polled[1 + STUB_CONNECTIONS].revents)
            return;
        for (size_t i = 1; i <= STUB_CONNECTIONS; i++)
            if (stub->polled[i].fd >= 0 && stub->polled[i].revents)
                stub_answer(stub, &stub->polled[i]);
        if (stub->polled[0].revents)
            stub_accept(stub);
    }
}

static void stub_start(struct stub *stub)
{
    socklen_t length = sizeof stub->address;
    for (size_t i = 0; i < 1 + STUB_CONNECTIONS + 1; i++)
        stub->polled[i] = (struct pollfd){.fd = -1, .events = POLLIN};
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    stub->address =
        (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    assert_int_equal(bind(listener, (struct sockaddr *)&stub->address, length), 0);
    assert_int_equal(listen(listener, STUB_CONNECTIONS), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&stub->address, &length), 0);
    assert_int_equal(pipe(stub->stop_pipe), 0);
    stub->polled[0].fd = listener;
    stub->polled[1 + STUB_CONNECTIONS].fd = stub->stop_pipe[0];
    assert_int_equal(uv_thread_create(&stub->thread, stub_serve, stub), 0);
}

static void stub_stop(struct stub *stub)
{
    close(stub->stop_pipe[1]);
    uv_thread_join(&stub->thread);
    for (size_t i = 0; i < 1 + STUB_CONNECTIONS + 1; i++)
        if (stub->polled[i].fd >= 0)
            close(stub->polled[i].fd);
}

/* ---------------------------------------------------------------- the open loop */

enum { REQUESTS = 200, RATE = 1000 };

/* Sends REQUESTS to the stub and sums up; a sample each comes out as well. */
static void run_against(struct stub *stub, uint64_t timeout_ms, struct sample *samples,
                        struct summary *summary)
{
    stub_start(stub);
    struct load_plan plan = {.request = REQUEST,
                             .request_bytes = sizeof REQUEST - 1,
                             .rate = RATE,
                             .count = REQUESTS,
                             .connections = 4,
                             .timeout_ms = timeout_ms};
    size_t count;
    memcpy(&plan.address, &stub->address, sizeof stub->address);
    assert_int_equal(load_run(&plan, samples, &count), 0);
    assert_int_equal(count, REQUESTS);
    assert_int_equal(stats_summarize(summary, samples, count), 0);
    stub_stop(stub);
}

static void a_stall_is_seen_by_all_that_were_due_in_it(void **state)
{
    struct stub stub = {.stall_at = 50, .stall_ns = 100 * 1000000};
    struct sample samples[REQUESTS];
    struct summary summary;
    (void)state;
    run_against(&stub, 30000, samples, &summary);
    assert_int_equal(summary.answered, REQUESTS);
    /* The victim had been sent when the stall began. Whatever was due in its first half was
     * answered after its end, and so waited for more than the other half. */
    double stall_ms = (double)stub.stall_ns / 1e6;
    assert_true(summary.max >= stall_ms);
    size_t due = (size_t)(stall_ms / 2) - 1, left = REQUESTS - stub.stall_at, late = 0;
    for (size_t i = 0; i < REQUESTS; i++) {
        assert_int_equal(samples[i].intended_ns, (int64_t)i * 1000000000 / RATE);
        late += (double)(samples[i].done_ns - samples[i].intended_ns) / 1e6 >= stall_ms / 2;
    }
    assert_true(late >= (due < left ? due : left));
}

static void a_broken_connection_costs_one_request(void **state)
{
    struct stub stub = {.hang_up_at = 20};
    struct sample samples[REQUESTS];
    struct summary summary;
    (void)state;
    run_against(&stub, 30000, samples, &summary);
    assert_int_equal(summary.lost, 1);
    assert_int_equal(summary.answered, REQUESTS - 1);
    assert_int_equal(stub.answered, REQUESTS);
}

static void connection_close_costs_nothing(void **state)
{
    struct stub stub = {.close_at = 20};
    struct sample samples[REQUESTS];
    struct summary summary;
    (void)state;
    run_against(&stub, 30000, samples, &summary);
    assert_int_equal(summary.answered, REQUESTS);
}

static void silence_is_reported_as_such(void **state)
{
    struct stub stub = {.silent_from = 101};
    struct sample samples[REQUESTS];
    struct summary summary;
    (void)state;
    run_against(&stub, 50, samples, &summary);
    assert_int_equal(summary.answered, 100);
    assert_int_equal(summary.unanswered, REQUESTS - 100);
    /* The first of them had to wait for the rest of the schedule and the time-out: it counts. */
    assert_true(summary.max >=
                (double)(samples[REQUESTS - 1].intended_ns - samples[100].intended_ns) / 1e6);
}

static void nobody_there_is_an_error(void **state)
{
    struct stub stub = {0};
    struct sample sample;
    size_t count;
    (void)state;
    stub_start(&stub);
    stub_stop(&stub); /* its port is free now */
    struct load_plan plan = {.request = REQUEST,
                             .request_bytes = sizeof REQUEST - 1,
                             .rate = 1,
                             .count = 1,
                             .connections = 1,
                             .timeout_ms = 30000};
    memcpy(&plan.address, &stub.address, sizeof stub.address);
    assert_int_equal(load_run(&plan, &sample, &count), UV_ECONNREFUSED);
    assert_int_equal(count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(percentiles_are_nearest_ranks),
        cmocka_unit_test(summary_counts_from_the_intended_instant),
        cmocka_unit_test(answers_may_be_cut_anywhere),
        cmocka_unit_test(answers_end_in_their_ways),
        cmocka_unit_test(what_is_no_answer_is_refused),
        cmocka_unit_test(a_stall_is_seen_by_all_that_were_due_in_it),
        cmocka_unit_test(a_broken_connection_costs_one_request),
        cmocka_unit_test(connection_close_costs_nothing),
        cmocka_unit_test(silence_is_reported_as_such),
        cmocka_unit_test(nobody_there_is_an_error),
    };
    return cmocka_run_group_tests_name("probe", tests, NULL, NULL);
}
