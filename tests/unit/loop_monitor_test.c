/* loop_monitor_test.c – a real loop is held for a known time, and what the monitor says of it.
 *
 * The machine may hold the loop as well, at any time and for any time. So what is checked is either
 * exact whatever happens (the lag's ticks are counted against their grid), or bounded on the side
 * on which a slow machine cannot err, or checked in the one of many tries in which it did not. */
#include "server/observe/loop_monitor.h"

#include <arpa/inet.h>
#include <linux/sockios.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/observed_loop.h"

static const uint64_t MS = 1000000, TICK_NS = 10000000;

static int open_loop(void **state)
{
    static struct observed_loop observed;
    *state = &observed;
    observed_loop_open(&observed);
    return 0;
}

static int close_loop(void **state)
{
    observed_loop_close(*state);
    return 0;
}

static struct histogram_snapshot reading(const struct histogram *histogram)
{
    struct histogram_snapshot snapshot;
    histogram_read(histogram, &snapshot);
    return snapshot;
}

/* ------------------------------------------------------------------ blocks */

/* A callback that holds the loop, and when it did. */
struct hold {
    unsigned ms;
    uint64_t from_ns, to_ns, lag_ns;
    struct recording *recording; /* of one in which the process seems to be stopped */
    const struct loop_monitor *monitor;
};

static void hold_loop(void *data)
{
    struct hold *hold = data;
    hold->from_ns = trip_clock_ns();
    burn_ms(hold->ms);
    hold->to_ns = trip_clock_ns();
}

static struct hold block(struct observed_loop *observed, unsigned ms)
{
    struct hold hold = {.ms = ms};
    observed_loop_call(observed, hold_loop, &hold);
    return hold;
}

static void test_a_block_is_busy_time(void **state)
{
    struct observed_loop *observed = *state;
    const struct loop_record *loop = &observed->recording->loop;
    uint64_t before_ns = counter_get(&loop->busy_ns), turns = counter_get(&loop->turns);
    block(observed, 30);
    assert_true(counter_get(&loop->busy_ns) - before_ns >= 30 * MS);
    assert_true(counter_get(&loop->turns) > turns);
}

static void on_timer(uv_timer_t *timer)
{
    uv_close((uv_handle_t *)timer, NULL);
}

/* Runs the loop, which has nothing to do for so long. */
static void wait_in_poll(struct observed_loop *observed, unsigned ms)
{
    uv_timer_t timer;
    uv_update_time(&observed->loop);
    uv_timer_init(&observed->loop, &timer);
    uv_timer_start(&timer, on_timer, ms, 0);
    assert_int_equal(uv_run(&observed->loop, UV_RUN_DEFAULT), 0);
    observed_loop_turn(observed, 1);
}

/* With idle_ns from below and their sum from above, no part of the wait can count as busy. */
static void test_idle_time_is_not_busy_time(void **state)
{
    struct observed_loop *observed = *state;
    const struct loop_record *loop = &observed->recording->loop;
    uint64_t busy_ns = counter_get(&loop->busy_ns), idle_ns = counter_get(&loop->idle_ns);
    uint64_t from_ns = observed->monitor.began_ns;
    struct histogram_snapshot lag = reading(&loop->lag);
    wait_in_poll(observed, 50);
    busy_ns = counter_get(&loop->busy_ns) - busy_ns;
    idle_ns = counter_get(&loop->idle_ns) - idle_ns;
    assert_true(idle_ns >= 45 * MS);
    assert_true(busy_ns + idle_ns <= trip_clock_ns() - from_ns);
    assert_true(reading(&loop->lag).counts[0] - lag.counts[0] >= 3);
}

/* A signal that interrupts the poll, as a stop and its end do, makes no busy time of the wait. */
static void test_an_interrupted_poll_is_idle_time(void **state)
{
    struct observed_loop *observed = *state;
    const struct loop_record *loop = &observed->recording->loop;
    uint64_t idle_ns = counter_get(&loop->idle_ns);
    observed_loop_interrupt(observed, 100, NULL, NULL);
    assert_true(counter_get(&loop->idle_ns) - idle_ns >= 98 * MS);
}

/* ------------------------------------------------------------------ lag */

/* Points of the grid that lie in from <= t < to. */
static uint64_t points_between(uint64_t grid_ns, uint64_t from_ns, uint64_t to_ns)
{
    uint64_t before_from = from_ns > grid_ns ? (from_ns - grid_ns + TICK_NS - 1) / TICK_NS : 0;
    uint64_t before_to = to_ns > grid_ns ? (to_ns - grid_ns + TICK_NS - 1) / TICK_NS : 0;
    return before_to > before_from ? before_to - before_from : 0;
}

static uint64_t as_late_as(const struct histogram_snapshot *lag, uint64_t ns)
{
    return lag->count - histogram_count_to(lag, ns);
}

/* All ticks until the last poll, whatever held the loop. */
static void test_no_tick_is_missing(void **state)
{
    struct observed_loop *observed = *state;
    const struct histogram *lag = &observed->recording->loop.lag;
    uint64_t next_ns = observed->monitor.tick_ns, counted = reading(lag).count;
    for (unsigned i = 0; i < 5; i++) {
        if (i % 2 == 0)
            block(observed, 7 + 31 * i);
        else
            wait_in_poll(observed, 4 + 9 * i);
        uint64_t until_ns = observed->monitor.prepared_ns > observed->monitor.began_ns
                                ? observed->monitor.prepared_ns
                                : observed->monitor.began_ns;
        uint64_t expected = points_between(next_ns, next_ns, until_ns);
        assert_int_equal(reading(lag).count - counted, expected);
    }
}

static void test_ticks_in_a_block_are_late_one_less_than_the_other(void **state)
{
    static const uint64_t bounds_ms[] = {5, 10, 20, 50, 90, 100, 150, 200};
    struct observed_loop *observed = *state;
    const struct histogram *histogram = &observed->recording->loop.lag;
    uint64_t grid_ns = observed->monitor.tick_ns;
    struct histogram_snapshot before = reading(histogram);
    struct hold hold = block(observed, 205);
    struct histogram_snapshot lag = reading(histogram);
    histogram_subtract(&lag, &before);
    for (size_t i = 0; i < sizeof bounds_ms / sizeof *bounds_ms; i++) {
        uint64_t last_ns = hold.to_ns - bounds_ms[i] * MS;
        assert_true(as_late_as(&lag, bounds_ms[i] * MS) >=
                    points_between(grid_ns, hold.from_ns, last_ns));
    }
    assert_true(as_late_as(&lag, 100 * MS) >= 10);
    assert_true(lag.max_ns >= 195 * MS);
    assert_true(lag.sum_ns >= (195 * 196 / 10 / 2) * MS);
}

struct lag_probe {
    const struct loop_monitor *monitor;
    uint64_t lag_ns;
};

static void hold_and_ask(void *data)
{
    struct lag_probe *probe = data;
    burn_ms(30);
    probe->lag_ns = loop_monitor_lag_ns(probe->monitor);
}

static void test_lag_is_known_while_the_loop_is_held(void **state)
{
    struct observed_loop *observed = *state;
    struct lag_probe probe = {.monitor = &observed->monitor};
    observed_loop_call(observed, hold_and_ask, &probe);
    assert_true(probe.lag_ns >= 30 * MS);
}

static void test_lag_is_remembered_for_a_second(void **state)
{
    struct observed_loop *observed = *state;
    struct hold hold = block(observed, 300);
    uint64_t lag_ns = loop_monitor_lag_ns(&observed->monitor);
    if (trip_clock_ns() - hold.to_ns < 1000 * MS)
        assert_true(lag_ns >= 300 * MS);
    assert_true(counter_get(&observed->recording->loop.lag_ns) >= 300 * MS);
    wait_in_poll(observed, 1050);
    assert_true(loop_monitor_lag_ns(&observed->monitor) < 300 * MS);
    assert_true(counter_get(&observed->recording->loop.lag_ns) < 300 * MS);
}

/* The longest of the last second is not the longest one since the longest one. */
static void test_lag_after_the_longest_block_is_forgotten(void **state)
{
    struct observed_loop *observed = *state;
    block(observed, 60);
    wait_in_poll(observed, 700);
    struct hold second = block(observed, 30);
    wait_in_poll(observed, 330);
    uint64_t lag_ns = loop_monitor_lag_ns(&observed->monitor);
    if (trip_clock_ns() - second.to_ns < 1000 * MS)
        assert_true(lag_ns >= 30 * MS);
}

/* ------------------------------------------------------------------ stalls */

/* Takes the stall that covers this time out of the trace, and fails unless there is exactly one.
 * The machine may have made others. */
static struct trace_record find_stall(const struct recording *recording, struct hold hold)
{
    struct trace_record record, found = {0};
    uint64_t cursor = 0, missed = 0, stalls = 0, stalled_ns = 0;
    unsigned count = 0;
    while (trace_read(&recording->trace, &cursor, &record, &missed)) {
        if (record.kind != TRACE_STALL)
            continue;
        stalls++;
        stalled_ns += record.ended_ns - record.began_ns;
        if (record.began_ns > hold.from_ns || record.ended_ns < hold.to_ns)
            continue;
        count++;
        found = record;
    }
    assert_int_equal(count, 1);
    assert_int_equal(counter_get(&recording->loop.stalls), stalls);
    assert_int_equal(counter_get(&recording->loop.stalled_ns), stalled_ns);
    return found;
}

/* Turns until no stall waits for being told of. */
static void settle(struct observed_loop *observed)
{
    do
        observed_loop_turn(observed, 1);
    while (observed->monitor.has_stall);
}

static void test_a_stall_is_told_once(void **state)
{
    struct observed_loop *observed = *state;
    struct hold hold = block(observed, 60);
    settle(observed);
    struct trace_record stall = find_stall(observed->recording, hold);
    assert_int_equal(stall.times, 0);
    assert_int_equal(stall.kernel, 0);
    assert_int_equal(stall.route, 0);
    assert_int_equal(stall.waited, 0);
    assert_true(stall.ended_ns - stall.began_ns >= 60 * MS);
}

static void test_stalls_in_a_row_are_told_apart(void **state)
{
    struct observed_loop *observed = *state;
    struct hold first = block(observed, 60), second = block(observed, 70);
    settle(observed);
    struct trace_record one = find_stall(observed->recording, first);
    struct trace_record two = find_stall(observed->recording, second);
    assert_true(one.ended_ns <= two.began_ns);
}

static void test_short_blocks_are_no_stalls(void **state)
{
    struct observed_loop *observed = *state;
    struct trace_record record;
    uint64_t cursor = 0, missed = 0;
    for (unsigned i = 0; i < 5; i++)
        block(observed, 12);
    observed_loop_turn(observed, 10);
    while (trace_read(&observed->recording->trace, &cursor, &record, &missed))
        assert_true(record.ended_ns - record.began_ns >= LOOP_STALL_MS * MS);
}

static void test_a_stall_that_the_end_cuts_short_is_told(void **state)
{
    struct observed_loop *observed = *state;
    struct hold hold = block(observed, 60);
    loop_monitor_stop(&observed->monitor, NULL, NULL);
    find_stall(observed->recording, hold);
    observed_loop_turn(observed, 1);
    loop_monitor_start(&observed->monitor, &observed->loop, observed->recording);
}

struct trips {
    struct recording *recording;
    unsigned count;
    struct hold hold;
};

static void run_trips(void *data)
{
    struct trips *trips = data;
    trips->hold.from_ns = trip_clock_ns();
    for (unsigned i = 0; i < trips->count; i++) {
        struct trip trip;
        trip_submit(&trip, trips->recording, (struct trip_subject){4, 2, 1000 + i});
        trip_start(&trip, LANE_THE_LOOP);
        burn_ms(25);
        trip_finish(&trip);
        trip_deliver(&trip, TRIP_SUCCEEDED);
    }
    trips->hold.to_ns = trip_clock_ns();
}

static struct trace_record stall_of_trips(struct observed_loop *observed, unsigned count)
{
    struct trips trips = {.recording = observed->recording, .count = count};
    observed_loop_call(observed, run_trips, &trips);
    settle(observed);
    return find_stall(observed->recording, trips.hold);
}

static void test_a_stall_is_blamed_on_its_trips(void **state)
{
    struct observed_loop *observed = *state;
    counter_set(&observed->recording->loop.route, 3);
    for (unsigned count = 3; count <= 4; count++) {
        struct trace_record stall = stall_of_trips(observed, count);
        assert_int_equal(stall.times, count);
        assert_int_equal(stall.work, 4);
        assert_int_equal(stall.kernel, 2);
        assert_int_equal(stall.size, 1000 + count - 1);
        assert_int_equal(stall.route, 0);
    }
}

static void test_a_stall_is_not_blamed_on_earlier_trips(void **state)
{
    struct observed_loop *observed = *state;
    stall_of_trips(observed, 3);
    struct hold hold = block(observed, 60);
    settle(observed);
    struct trace_record stall = find_stall(observed->recording, hold);
    assert_int_equal(stall.times, 0);
    assert_int_equal(stall.kernel, 0);
}

/* ------------------------------------------------------------------ who waited */

enum { CLIENTS = 20, ROUTE = 5 };

/* A server that reads, and clients that write. */
struct service {
    struct observed_loop *observed;
    uv_tcp_t listener, sockets[CLIENTS];
    int clients[CLIENTS];
    unsigned accepted, read;
    unsigned hold_ms;    /* each request holds the loop so long */
    unsigned hold_first; /* the first one does */
    uint64_t read_at_ns; /* the last one */
    struct hold hold;    /* what the test does in a callback */
    uint64_t earlier_stalls;
};

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
    static char bytes[64];
    (void)handle, (void)suggested;
    *buffer = uv_buf_init(bytes, sizeof bytes);
}

static void on_read(uv_stream_t *stream, ssize_t length, const uv_buf_t *buffer)
{
    struct service *service = stream->data;
    uv_os_fd_t fd;
    (void)buffer;
    if (length <= 0)
        return;
    assert_int_equal(uv_fileno((uv_handle_t *)stream, &fd), 0);
    service->read_at_ns = trip_clock_ns();
    loop_monitor_request(&service->observed->monitor, fd, service->read_at_ns);
    counter_set(&service->observed->recording->loop.route, ROUTE);
    burn_ms(service->read == 0 ? service->hold_first + service->hold_ms : service->hold_ms);
    service->read++;
}

static void on_connection(uv_stream_t *listener, int status)
{
    struct service *service = listener->data;
    uv_tcp_t *socket = &service->sockets[service->accepted++];
    assert_int_equal(status, 0);
    assert_int_equal(uv_tcp_init(&service->observed->loop, socket), 0);
    socket->data = service;
    assert_int_equal(uv_accept(listener, (uv_stream_t *)socket), 0);
    assert_int_equal(uv_read_start((uv_stream_t *)socket, on_alloc, on_read), 0);
}

static void service_listen(struct service *service, struct observed_loop *observed)
{
    struct sockaddr_in address;
    *service = (struct service){.observed = observed};
    service->earlier_stalls = counter_get(&observed->recording->loop.stalls);
    uv_ip4_addr("127.0.0.1", 0, &address);
    uv_tcp_init(&observed->loop, &service->listener);
    service->listener.data = service;
    assert_int_equal(uv_tcp_bind(&service->listener, (struct sockaddr *)&address, 0), 0);
    assert_int_equal(uv_listen((uv_stream_t *)&service->listener, CLIENTS, on_connection), 0);
}

static void service_connect(struct service *service)
{
    struct sockaddr_in address;
    int length = sizeof address;
    uv_tcp_getsockname(&service->listener, (struct sockaddr *)&address, &length);
    for (unsigned i = 0; i < CLIENTS; i++) {
        service->clients[i] = socket(AF_INET, SOCK_STREAM, 0);
        assert_true(service->clients[i] >= 0);
        assert_int_equal(connect(service->clients[i], (struct sockaddr *)&address, sizeof address),
                         0);
    }
}

static void service_await_accepted(struct service *service)
{
    while (service->accepted < CLIENTS)
        observed_loop_turn(service->observed, 1);
}

static void service_open(struct service *service, struct observed_loop *observed)
{
    service_listen(service, observed);
    service_connect(service);
    service_await_accepted(service);
}

static void service_close(struct service *service)
{
    uv_close((uv_handle_t *)&service->listener, NULL);
    for (unsigned i = 0; i < service->accepted; i++)
        uv_close((uv_handle_t *)&service->sockets[i], NULL);
    for (unsigned i = 0; i < CLIENTS; i++)
        close(service->clients[i]);
    observed_loop_turn(service->observed, 2);
}

static void service_await(struct service *service, unsigned requests)
{
    while (service->read < requests)
        observed_loop_turn(service->observed, 1);
    settle(service->observed);
}

static void send_from(const struct service *service, unsigned clients)
{
    for (unsigned i = 0; i < clients; i++)
        assert_int_equal(send(service->clients[i], "x", 1, 0), 1);
}

/* The other side's kernel has what was sent when it has acknowledged it. */
static void await_arrival(const struct service *service)
{
    for (unsigned i = 0; i < CLIENTS; i++) {
        int unacknowledged = 1;
        while (unacknowledged > 0)
            assert_int_equal(ioctl(service->clients[i], SIOCOUTQ, &unacknowledged), 0);
    }
}

static void send_and_hold(void *data)
{
    struct service *service = data;
    send_from(service, CLIENTS);
    await_arrival(service);
    hold_loop(&service->hold);
}

static void connect_send_and_hold(void *data)
{
    service_connect(data);
    send_and_hold(data);
}

static uint64_t waited_for_stalls(const struct recording *recording)
{
    struct trace_record record;
    uint64_t cursor = 0, missed = 0, waited = 0;
    while (trace_read(&recording->trace, &cursor, &record, &missed))
        waited += record.waited;
    return waited;
}

/* All of them wait for the block. The kernel's clock has ticks of up to 10 ms. */
static void assert_all_waited(struct service *service)
{
    const struct loop_record *loop = &service->observed->recording->loop;
    uint64_t floor_ns = (service->hold.ms - 10) * MS;
    struct histogram_snapshot waited = reading(&loop->waited);
    assert_int_equal(counter_get(&loop->waiters), CLIENTS);
    assert_int_equal(as_late_as(&waited, floor_ns), CLIENTS);
    struct trace_record stall = find_stall(service->observed->recording, service->hold);
    assert_int_equal(waited_for_stalls(service->observed->recording), CLIENTS);
    if (counter_get(&loop->stalls) > service->earlier_stalls + 1)
        return; /* the machine has made one more, and some have waited for both */
    assert_int_equal(stall.waited, CLIENTS);
    assert_true(stall.longest_wait_ns >= floor_ns);
}

static void test_requests_that_came_during_a_stall_are_counted(void **state)
{
    static struct service service;
    service_open(&service, *state);
    service.hold.ms = 100;
    observed_loop_call(*state, send_and_hold, &service);
    service_await(&service, CLIENTS);
    assert_all_waited(&service);
    service_close(&service);
}

/* They are accepted in the first turn and read in the second. */
static void test_connections_that_came_during_a_stall_are_counted(void **state)
{
    static struct service service;
    service_listen(&service, *state);
    service.hold.ms = 100;
    observed_loop_call(*state, connect_send_and_hold, &service);
    service_await_accepted(&service);
    service_await(&service, CLIENTS);
    assert_all_waited(&service);
    service_close(&service);
}

static void test_requests_that_waited_for_a_shorter_block_are_counted(void **state)
{
    struct observed_loop *observed = *state;
    static struct service service;
    service_open(&service, observed);
    service.hold.ms = 30;
    observed_loop_call(observed, send_and_hold, &service);
    service_await(&service, CLIENTS);
    assert_int_equal(counter_get(&observed->recording->loop.waiters), CLIENTS);
    service_close(&service);
}

/* One request holds the loop, and the others have been read in the same turn. */
static void test_requests_behind_a_request_are_counted(void **state)
{
    struct observed_loop *observed = *state;
    static struct service service;
    service_open(&service, observed);
    service.hold_first = 100;
    send_from(&service, CLIENTS);
    service_await(&service, CLIENTS);
    assert_true(counter_get(&observed->recording->loop.waiters) >= CLIENTS - 1);
    service_close(&service);
}

/* None of them holds the loop for long, but all of them do. */
static void test_requests_behind_many_short_ones_are_counted(void **state)
{
    struct observed_loop *observed = *state;
    static struct service service;
    service_open(&service, observed);
    service.hold_ms = 5;
    send_from(&service, CLIENTS);
    service_await(&service, CLIENTS);
    assert_true(counter_get(&observed->recording->loop.waiters) >= CLIENTS - 4);
    service_close(&service);
}

/* The first one that is read after the stall delays the others once more: they waited for both. */
static void test_requests_that_were_delayed_twice_belong_to_the_stall(void **state)
{
    struct observed_loop *observed = *state;
    static struct service service;
    service_open(&service, observed);
    service.hold.ms = 100;
    service.hold_first = 15;
    observed_loop_call(observed, send_and_hold, &service);
    service_await(&service, CLIENTS);
    assert_all_waited(&service);
    service_close(&service);
}

static void hold_send_and_hold(void *data)
{
    burn_ms(15);
    send_and_hold(data);
}

/* Those who came when it was over do not belong to the stall, although they waited. */
static void test_requests_that_came_after_a_stall_do_not_belong_to_it(void **state)
{
    struct observed_loop *observed = *state;
    static struct service service;
    service_open(&service, observed);
    struct hold stall = block(observed, 60);
    service.hold.ms = 20;
    observed_loop_call(observed, hold_send_and_hold, &service);
    service_await(&service, CLIENTS);
    assert_int_equal(find_stall(observed->recording, stall).waited, 0);
    assert_int_equal(counter_get(&observed->recording->loop.waiters), CLIENTS);
    service_close(&service);
}

static void test_a_stall_without_trips_is_blamed_on_its_request(void **state)
{
    struct observed_loop *observed = *state;
    static struct service service;
    service_open(&service, observed);
    service.hold_first = 60;
    send_from(&service, 1);
    service_await(&service, 1);
    struct hold hold = {.from_ns = service.read_at_ns, .to_ns = service.read_at_ns + 60 * MS};
    struct trace_record stall = find_stall(observed->recording, hold);
    assert_int_equal(stall.route, ROUTE);
    assert_int_equal(stall.kernel, 0);
    service_close(&service);
}

static void test_a_stall_is_not_blamed_on_an_earlier_request(void **state)
{
    struct observed_loop *observed = *state;
    static struct service service;
    service_open(&service, observed);
    send_from(&service, 1);
    service_await(&service, 1);
    struct hold hold = block(observed, 60);
    settle(observed);
    assert_int_equal(find_stall(observed->recording, hold).route, 0);
    service_close(&service);
}

/* ------------------------------------------------------------------ who did not wait */

/* Sends when the loop has waited in its poll for 30 ms. */
struct late_sender {
    struct service *service;
    uint64_t idle_ns, sent_at_ns;
};

static void send_to_an_idle_loop(void *data)
{
    struct late_sender *sender = data;
    uv_loop_t *loop = &sender->service->observed->loop;
    while (uv_metrics_idle_time(loop) < sender->idle_ns + 30 * MS)
        continue;
    sender->sent_at_ns = trip_clock_ns();
    send_from(sender->service, 1);
}

/* Returns how long the request was on its way. */
static uint64_t request_an_idle_loop(struct service *service)
{
    struct late_sender sender = {.service = service};
    uv_loop_t *loop = &service->observed->loop;
    uv_thread_t thread;
    unsigned read = service->read;
    sender.idle_ns = uv_metrics_idle_time(loop);
    assert_int_equal(uv_thread_create(&thread, send_to_an_idle_loop, &sender), 0);
    while (service->read == read)
        (void)uv_run(loop, UV_RUN_ONCE);
    uv_thread_join(&thread);
    return service->read_at_ns - sender.sent_at_ns;
}

/* That the loop was idle for long does not make the request late. */
static void test_requests_that_were_not_late_are_not_counted(void **state)
{
    struct observed_loop *observed = *state;
    const struct counter *waiters = &observed->recording->loop.waiters;
    static struct service service;
    unsigned in_time = 0, tries = 0;
    service_open(&service, observed);
    for (; in_time < 3 && tries < 100; tries++) {
        uint64_t before = counter_get(waiters);
        bool quick = request_an_idle_loop(&service) < 4 * MS;
        if (quick)
            assert_int_equal(counter_get(waiters), before);
        in_time += quick;
        observed_loop_turn(observed, 5);
    }
    assert_int_equal(in_time, 3);
    service_close(&service);
}

/* ------------------------------------------------------------------ stops of the process */

/* As if nothing had run for a second: the watchdog has not looked, and this thread has slept. */
static void hold_stop_and_hold(void *data)
{
    struct hold *hold = data;
    uint64_t now_ns = trip_clock_ns();
    hold->from_ns = now_ns;
    burn_ms(60);
    stops_begin(&hold->recording->watch.stops, trip_clock_ns(),
                stops_spent(CLOCK_THREAD_CPUTIME_ID));
    uv_sleep(1000);
    hold->lag_ns = loop_monitor_lag_ns(hold->monitor);
    hold->to_ns = trip_clock_ns();
}

/* A block that a stop interrupts is as long as the loop ran, and so is the lag. */
static void test_a_stop_is_no_part_of_a_block(void **state)
{
    struct observed_loop *observed = *state;
    const struct loop_record *loop = &observed->recording->loop;
    struct hold hold = {.recording = observed->recording, .monitor = &observed->monitor};
    uint64_t busy_ns = counter_get(&loop->busy_ns), next_ns = observed->monitor.tick_ns;
    struct histogram_snapshot before = reading(&loop->lag);
    observed_loop_call(observed, hold_stop_and_hold, &hold);
    settle(observed);
    struct histogram_snapshot lag = reading(&loop->lag);
    histogram_subtract(&lag, &before);
    uint64_t ran_ns = hold.to_ns - hold.from_ns - 1000 * MS, slack_ns = 500 * MS;
    assert_in_range(counter_get(&loop->stalled_ns), 60 * MS, ran_ns + slack_ns);
    assert_in_range(counter_get(&loop->busy_ns) - busy_ns, 60 * MS, ran_ns + slack_ns);
    assert_in_range(hold.lag_ns, 60 * MS, ran_ns + slack_ns);
    assert_in_range(lag.max_ns, 60 * MS - TICK_NS, ran_ns + slack_ns); /* of the first tick in it */
    assert_true(lag.count + 90 <= points_between(next_ns, next_ns, trip_clock_ns()));
}

static void stop_in_a_trip(void *data)
{
    struct hold *hold = data;
    struct trip trip;
    trip_submit(&trip, hold->recording, (struct trip_subject){4, 2, 1000});
    trip_start(&trip, LANE_THE_LOOP);
    hold_stop_and_hold(hold);
    trip_finish(&trip);
    trip_deliver(&trip, TRIP_SUCCEEDED);
}

/* The stall that a stop has interrupted: it covers the end of the hold, and has lasted without the
 * stop. */
static struct trace_record find_stopped_stall(const struct hold *hold)
{
    const struct hold end = {.from_ns = hold->to_ns, .to_ns = hold->to_ns};
    struct trace_record stall = find_stall(hold->recording, end);
    uint64_t ran_ns = hold->to_ns - hold->from_ns - 1000 * MS, slack_ns = 500 * MS;
    assert_in_range(stall.ended_ns - stall.began_ns, 60 * MS, ran_ns + slack_ns);
    assert_true(stall.longest_wait_ns <= ran_ns + slack_ns);
    return stall;
}

/* The rest of the block begins when the stop is over; the trip that holds the loop began before. */
static void test_who_was_stopped_still_held_the_loop(void **state)
{
    struct observed_loop *observed = *state;
    struct hold hold = {.recording = observed->recording, .monitor = &observed->monitor};
    observed_loop_call(observed, stop_in_a_trip, &hold);
    settle(observed);
    struct trace_record stall = find_stopped_stall(&hold);
    assert_int_equal(stall.work, 4);
    assert_int_equal(stall.kernel, 2);
    assert_int_equal(stall.size, 1000);
    assert_int_equal(stall.times, 1);
}

/* Its bytes came on no socket that could be asked; it is not late. */
static void stop_in_a_request(void *data)
{
    struct service *service = data;
    loop_monitor_request(&service->observed->monitor, -1, trip_clock_ns());
    counter_set(&service->observed->recording->loop.route, ROUTE);
    hold_stop_and_hold(&service->hold);
}

static void test_a_request_that_was_stopped_still_held_the_loop(void **state)
{
    struct observed_loop *observed = *state;
    struct service service = {.observed = observed};
    service.hold.recording = observed->recording;
    service.hold.monitor = &observed->monitor;
    observed_loop_call(observed, stop_in_a_request, &service);
    settle(observed);
    struct trace_record stall = find_stopped_stall(&service.hold);
    assert_int_equal(stall.route, ROUTE);
    assert_int_equal(stall.kernel, 0);
}

static void send_stop_and_hold(void *data)
{
    struct service *service = data;
    send_from(service, CLIENTS);
    await_arrival(service);
    hold_stop_and_hold(&service->hold);
}

/* They came before the stop, and have waited as long as the loop ran. */
static void test_requests_that_waited_through_a_stop_are_counted(void **state)
{
    struct observed_loop *observed = *state;
    static struct service service;
    service_open(&service, observed);
    service.hold.recording = observed->recording;
    service.hold.monitor = &observed->monitor;
    observed_loop_call(observed, send_stop_and_hold, &service);
    service_await(&service, CLIENTS);
    find_stopped_stall(&service.hold);
    assert_int_equal(counter_get(&observed->recording->loop.waiters), CLIENTS);
    assert_int_equal(waited_for_stalls(observed->recording), CLIENTS);
    service_close(&service);
}

#define LOOP_TEST(name) cmocka_unit_test_setup_teardown(name, open_loop, close_loop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        LOOP_TEST(test_a_block_is_busy_time),
        LOOP_TEST(test_idle_time_is_not_busy_time),
        LOOP_TEST(test_an_interrupted_poll_is_idle_time),
        LOOP_TEST(test_no_tick_is_missing),
        LOOP_TEST(test_ticks_in_a_block_are_late_one_less_than_the_other),
        LOOP_TEST(test_lag_is_known_while_the_loop_is_held),
        LOOP_TEST(test_lag_is_remembered_for_a_second),
        LOOP_TEST(test_lag_after_the_longest_block_is_forgotten),
        LOOP_TEST(test_a_stall_is_told_once),
        LOOP_TEST(test_stalls_in_a_row_are_told_apart),
        LOOP_TEST(test_short_blocks_are_no_stalls),
        LOOP_TEST(test_a_stall_that_the_end_cuts_short_is_told),
        LOOP_TEST(test_a_stall_is_blamed_on_its_trips),
        LOOP_TEST(test_a_stall_is_not_blamed_on_earlier_trips),
        LOOP_TEST(test_requests_that_came_during_a_stall_are_counted),
        LOOP_TEST(test_connections_that_came_during_a_stall_are_counted),
        LOOP_TEST(test_requests_that_waited_for_a_shorter_block_are_counted),
        LOOP_TEST(test_requests_behind_a_request_are_counted),
        LOOP_TEST(test_requests_behind_many_short_ones_are_counted),
        LOOP_TEST(test_requests_that_were_delayed_twice_belong_to_the_stall),
        LOOP_TEST(test_requests_that_came_after_a_stall_do_not_belong_to_it),
        LOOP_TEST(test_a_stall_without_trips_is_blamed_on_its_request),
        LOOP_TEST(test_a_stall_is_not_blamed_on_an_earlier_request),
        LOOP_TEST(test_requests_that_were_not_late_are_not_counted),
        LOOP_TEST(test_a_stop_is_no_part_of_a_block),
        LOOP_TEST(test_who_was_stopped_still_held_the_loop),
        LOOP_TEST(test_a_request_that_was_stopped_still_held_the_loop),
        LOOP_TEST(test_requests_that_waited_through_a_stop_are_counted),
    };
    return cmocka_run_group_tests_name("loop_monitor", tests, NULL, NULL);
}
