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
#include <math.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
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

/* What `print` writes of a summary. */
static char *printed(void (*print)(FILE *out, const struct summary *summary, const char *url),
                     const struct summary *summary)
{
    char *text = NULL;
    size_t length;
    FILE *out = open_memstream(&text, &length);
    assert_non_null(out);
    print(out, summary, "http://stub/");
    fclose(out);
    return text;
}

static void assert_says_nothing_of_latency(const struct summary *summary)
{
    char *table = printed(stats_print_table, summary), *json = printed(stats_print_json, summary);
    assert_true(isnan(summary->p50) && isnan(summary->max) && isnan(summary->mean));
    assert_non_null(strstr(table, "no answers"));
    assert_non_null(strstr(table, "p50 -   p90 -   p99 -   p99.9 -\n"));
    assert_non_null(strstr(table, "max -   mean -\n"));
    assert_non_null(strstr(json, "\"answered\":0,"));
    assert_non_null(strstr(json, "\"p50_ms\":null,\"p90_ms\":null,\"p99_ms\":null,"));
    assert_non_null(strstr(json, "\"max_ms\":null,\"mean_ms\":null,"));
    free(table);
    free(json);
}

/* All lost, all unanswered, or interrupted in the warm-up. */
static void without_answers_there_is_no_latency(void **state)
{
    const struct sample lost = {.noticed_ns = 5, .done_ns = 9, .status = SAMPLE_LOST};
    const struct sample unanswered = {.noticed_ns = 5, .done_ns = 9, .status = SAMPLE_UNANSWERED};
    const struct sample warm_up = {.intended_ns = -1, .done_ns = 9, .status = 200};
    struct summary summary;
    (void)state;
    assert_int_equal(stats_summarize(&summary, &lost, 1), 0);
    assert_says_nothing_of_latency(&summary);
    assert_true(summary.late_max == 5e-6);
    assert_int_equal(stats_summarize(&summary, &unanswered, 1), 0);
    assert_says_nothing_of_latency(&summary);
    assert_int_equal(stats_summarize(&summary, &warm_up, 1), 0);
    assert_says_nothing_of_latency(&summary);
    assert_true(isnan(summary.late_max));
}

static void figures_are_printed_to_the_microsecond(void **state)
{
    const struct sample sample = {.sent_ns = 1000, .done_ns = 1234567, .status = 200};
    struct summary summary;
    (void)state;
    assert_int_equal(stats_summarize(&summary, &sample, 1), 0);
    char *table = printed(stats_print_table, &summary), *json = printed(stats_print_json, &summary);
    assert_non_null(strstr(table, "p50 1.23 ms   p90 1.23 ms   p99 1.23 ms   p99.9 1.23 ms\n"));
    assert_non_null(strstr(json, "\"p50_ms\":1.235,\"p90_ms\":1.235,\"p99_ms\":1.235,"));
    free(table);
    free(json);
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

static struct target target_at(const struct sockaddr_in *address)
{
    struct target target = {.error = 0};
    memcpy(&target.address, address, sizeof *address);
    return target;
}

/* Sends REQUESTS to the stub and sums up; a sample each comes out as well. */
static void run_against(struct stub *stub, uint64_t timeout_ms, struct sample *samples,
                        struct summary *summary)
{
    stub_start(stub);
    struct target target = target_at(&stub->address);
    struct load_plan plan = {.targets = &target,
                             .target_count = 1,
                             .request = REQUEST,
                             .request_bytes = sizeof REQUEST - 1,
                             .rate = RATE,
                             .count = REQUESTS,
                             .connections = 4,
                             .timeout_ms = timeout_ms};
    size_t count;
    assert_int_equal(load_run(&plan, samples, &count), 0);
    assert_int_equal(count, REQUESTS);
    assert_int_equal(target.error, 0);
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

/* One request over two connections. */
static struct load_plan plan_for(struct target *targets, size_t count)
{
    return (struct load_plan){.targets = targets,
                              .target_count = count,
                              .request = REQUEST,
                              .request_bytes = sizeof REQUEST - 1,
                              .rate = 1,
                              .count = 1,
                              .connections = 2,
                              .timeout_ms = 30000};
}

/* Where nobody listens: on a port that somebody had until a moment ago. */
static struct target deserted(void)
{
    struct stub stub = {0};
    stub_start(&stub);
    stub_stop(&stub);
    return target_at(&stub.address);
}

static void nobody_there_is_an_error(void **state)
{
    struct target targets[] = {deserted(), deserted()};
    struct load_plan plan = plan_for(targets, 2);
    struct sample sample;
    size_t count;
    char why[200];
    (void)state;
    assert_int_equal(load_run(&plan, &sample, &count), UV_ECONNREFUSED);
    assert_int_equal(count, 0);
    targets_explain(targets, 2, "localhost", why, sizeof why);
    assert_string_equal(why, "127.0.0.1: connection refused, 127.0.0.1: connection refused");
    targets_explain(targets, 1, "localhost", why, sizeof why);
    assert_string_equal(why, "127.0.0.1: connection refused");
    targets_explain(targets, 1, "127.0.0.1", why, sizeof why);
    assert_string_equal(why, "connection refused");
    targets_explain(targets, 2, "localhost", why, 8);
    assert_string_equal(why, "127.0.0");
}

/* The first refuses; at the second all connections are opened. */
static void the_next_address_is_tried(void **state)
{
    struct stub stub = {0};
    struct sample sample;
    size_t count;
    (void)state;
    struct target nobody = deserted();
    stub_start(&stub);
    struct target targets[] = {nobody, target_at(&stub.address), nobody};
    struct load_plan plan = plan_for(targets, 3);
    assert_int_equal(load_run(&plan, &sample, &count), 0);
    assert_int_equal(count, 1);
    assert_int_equal(sample.status, 200);
    assert_int_equal(targets[0].error, UV_ECONNREFUSED);
    assert_int_equal(targets[1].error, 0);
    assert_int_equal(targets[2].error, 0);
    stub_stop(&stub);
}

/* A listener whose queue is full takes no connection and refuses none. */
struct silent {
    int listener, waiting[4];
    struct sockaddr_in address;
};

static void silent_start(struct silent *silent)
{
    socklen_t length = sizeof silent->address;
    silent->listener = socket(AF_INET, SOCK_STREAM, 0);
    silent->address =
        (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    assert_int_equal(bind(silent->listener, (struct sockaddr *)&silent->address, length), 0);
    assert_int_equal(listen(silent->listener, 0), 0);
    getsockname(silent->listener, (struct sockaddr *)&silent->address, &length);
    for (size_t i = 0; i < sizeof silent->waiting / sizeof *silent->waiting; i++) {
        silent->waiting[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        (void)connect(silent->waiting[i], (struct sockaddr *)&silent->address, length);
    }
}

static void silent_stop(struct silent *silent)
{
    close(silent->listener);
    for (size_t i = 0; i < sizeof silent->waiting / sizeof *silent->waiting; i++)
        close(silent->waiting[i]);
}

/* It has its share of the time and no more. */
static void an_address_that_keeps_silent_is_given_up(void **state)
{
    struct stub stub = {0};
    struct silent silent;
    struct sample sample;
    size_t count;
    (void)state;
    silent_start(&silent);
    stub_start(&stub);
    struct target targets[] = {target_at(&silent.address), target_at(&stub.address)};
    struct load_plan plan = plan_for(targets, 2);
    plan.timeout_ms = 3000;
    assert_int_equal(load_run(&plan, &sample, &count), 0);
    assert_int_equal(targets[0].error, UV_ETIMEDOUT);
    assert_int_equal(sample.status, 200);
    plan.target_count = 1;
    plan.timeout_ms = 100;
    assert_int_equal(load_run(&plan, &sample, &count), UV_ETIMEDOUT);
    stub_stop(&stub);
    silent_stop(&silent);
}

/* Interrupts this process until it is told to stop. */
static void interrupt_until(void *argument)
{
    const atomic_bool *enough = argument;
    while (!atomic_load(enough)) {
        kill(getpid(), SIGINT);
        poll(NULL, 0, 10);
    }
}

static void on_interrupt(uv_signal_t *handle, int number)
{
    (void)handle;
    (void)number;
}

/* The other loop keeps those that come too early or too late from ending this program. */
static void an_interrupt_before_there_is_a_connection(void **state)
{
    struct silent silent;
    struct sample sample;
    size_t count;
    char why[100];
    uv_signal_t signal;
    uv_thread_t thread;
    atomic_bool enough = false;
    (void)state;
    silent_start(&silent);
    struct target target = target_at(&silent.address);
    struct load_plan plan = plan_for(&target, 1);
    uv_signal_init(uv_default_loop(), &signal);
    uv_signal_start(&signal, on_interrupt, SIGINT);
    assert_int_equal(uv_thread_create(&thread, interrupt_until, &enough), 0);
    int error = load_run(&plan, &sample, &count);
    atomic_store(&enough, true);
    uv_thread_join(&thread);
    uv_close((uv_handle_t *)&signal, NULL);
    uv_run(uv_default_loop(), UV_RUN_DEFAULT);
    silent_stop(&silent);
    assert_int_equal(error, UV_ECANCELED);
    assert_int_equal(count, 0);
    targets_explain(&target, 1, "127.0.0.1", why, sizeof why);
    assert_string_equal(why, "interrupted before all connections were open");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(percentiles_are_nearest_ranks),
        cmocka_unit_test(summary_counts_from_the_intended_instant),
        cmocka_unit_test(without_answers_there_is_no_latency),
        cmocka_unit_test(figures_are_printed_to_the_microsecond),
        cmocka_unit_test(answers_may_be_cut_anywhere),
        cmocka_unit_test(answers_end_in_their_ways),
        cmocka_unit_test(what_is_no_answer_is_refused),
        cmocka_unit_test(a_stall_is_seen_by_all_that_were_due_in_it),
        cmocka_unit_test(a_broken_connection_costs_one_request),
        cmocka_unit_test(connection_close_costs_nothing),
        cmocka_unit_test(silence_is_reported_as_such),
        cmocka_unit_test(nobody_there_is_an_error),
        cmocka_unit_test(the_next_address_is_tried),
        cmocka_unit_test(an_address_that_keeps_silent_is_given_up),
        cmocka_unit_test(an_interrupt_before_there_is_a_connection),
    };
    return cmocka_run_group_tests_name("probe", tests, NULL, NULL);
}
