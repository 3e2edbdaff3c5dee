/* acceptor_test.c – taking connections, and resting while there are no descriptors.
 *
 * This program's accept4 stands in front of the C library's: it counts the calls and fails when the
 * test says so. The clients' calls are not among them. */
#include "server/http/acceptor.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "server/http/listener.h"
#include "server/http/server.h"
#include "tests/support/harness.h"
#include "tests/support/program.h"

enum { TAKEN_MAX = 256, TURNS = 200 };

/* ------------------------------------------------------------------ accept4 */

static struct {
    int error; /* what it fails with, or 0 */
    unsigned failures_left;
    unsigned calls;
} accepting;

int accept4(int fd, struct sockaddr *address, socklen_t *length, int flags)
{
    __typeof__(&accept4) next = (__typeof__(&accept4))(uintptr_t)dlsym(RTLD_NEXT, "accept4");
    accepting.calls++;
    if (accepting.failures_left > 0) {
        accepting.failures_left--;
        errno = accepting.error;
        return -1;
    }
    return next(fd, address, length, flags);
}

static void fail_with(int error, unsigned times)
{
    accepting.error = error;
    accepting.failures_left = times;
    accepting.calls = 0;
}

/* ------------------------------------------------------------------ an acceptor, and its owner */

struct fixture {
    uv_loop_t loop;
    struct http_acceptor acceptor;
    int listener; /* the first */
    unsigned port;
    int taken[TAKEN_MAX];
    unsigned taken_count;
    int refusal; /* what on_accepted returns instead of taking it */
    int offered; /* the last that was refused */
    unsigned failures, rests, closed;
    int error;
};

static int on_accepted(void *data, int fd)
{
    struct fixture *fixture = data;
    fixture->offered = fd;
    if (fixture->refusal != 0)
        return fixture->refusal;
    assert_true(fixture->taken_count < TAKEN_MAX);
    fixture->taken[fixture->taken_count++] = fd;
    return 0;
}

static void on_failed(void *data, int error, bool rests)
{
    struct fixture *fixture = data;
    fixture->failures++;
    fixture->rests += rests;
    fixture->error = error;
}

static void on_closed(void *data)
{
    struct fixture *fixture = data;
    fixture->closed++;
}

static const struct http_acceptor_events events = {on_accepted, on_failed, on_closed};

static int add_listener(struct fixture *fixture)
{
    int fd;
    assert_int_equal(http_listener_open(&fixture->loop, "127.0.0.1", 0, false, &fd), 0);
    assert_int_equal(http_listener_start(fd), 0);
    fixture->port = http_listener_port(fd);
    assert_int_equal(http_acceptor_add(&fixture->acceptor, fd), 0);
    return fd;
}

static int open_acceptor(void **state)
{
    static struct fixture fixture;
    fixture = (struct fixture){.offered = -1};
    fail_with(0, 0);
    assert_int_equal(uv_loop_init(&fixture.loop), 0);
    http_acceptor_init(&fixture.acceptor, &fixture.loop, &events, &fixture);
    fixture.listener = add_listener(&fixture);
    *state = &fixture;
    return 0;
}

static bool is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

static int close_acceptor(void **state)
{
    struct fixture *fixture = *state;
    unsigned listeners = fixture->acceptor.count;
    http_acceptor_close(&fixture->acceptor);
    assert_true(port_is_closed(fixture->port));
    uv_run(&fixture->loop, UV_RUN_DEFAULT);
    assert_int_equal(fixture->closed, listeners);
    assert_int_equal(uv_loop_close(&fixture->loop), 0);
    for (unsigned i = 0; i < fixture->taken_count; i++)
        close(fixture->taken[i]);
    return 0;
}

static void turn(struct fixture *fixture, unsigned turns)
{
    for (unsigned i = 0; i < turns; i++)
        uv_run(&fixture->loop, UV_RUN_NOWAIT);
}

static void await_taken(struct fixture *fixture, unsigned count)
{
    while (fixture->taken_count < count)
        uv_run(&fixture->loop, UV_RUN_ONCE);
    assert_int_equal(fixture->taken_count, count);
}

/* Without descriptors one call is made, however long nothing changes; then everything goes on. */
static void check_rest(struct fixture *fixture, int error)
{
    int peer = peer_connect(fixture->port);
    unsigned taken = fixture->taken_count;
    fixture->rests = 0;
    fail_with(error, UINT32_MAX);
    turn(fixture, TURNS);
    assert_int_equal(accepting.calls, 1);
    assert_int_equal(fixture->rests, 1);
    assert_int_equal(fixture->error, -error);
    assert_true(fixture->acceptor.resting);
    http_acceptor_wake(&fixture->acceptor);
    turn(fixture, TURNS);
    assert_int_equal(accepting.calls, 2);
    fail_with(0, 0);
    turn(fixture, TURNS);
    assert_int_equal(accepting.calls, 0);
    http_acceptor_wake(&fixture->acceptor);
    await_taken(fixture, taken + 1);
    assert_false(fixture->acceptor.resting);
    close(peer);
}

static void test_without_descriptors_it_rests(void **state)
{
    check_rest(*state, EMFILE);
    check_rest(*state, ENFILE);
}

static void test_whatever_else_is_wrong_it_does_not_spin(void **state)
{
    static const int errors[] = {ENOBUFS, ENOMEM, EPERM, EINVAL, EBADF};
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
        check_rest(*state, errors[i]);
}

static void test_who_has_left_does_not_stop_the_next(void **state)
{
    struct fixture *fixture = *state;
    int peer = peer_connect(fixture->port);
    fail_with(ECONNABORTED, 1);
    await_taken(fixture, 1);
    assert_int_equal(fixture->failures, 1);
    assert_int_equal(fixture->rests, 0);
    close(peer);
}

/* Even if everybody had left, the loop would turn. */
static void test_a_turn_is_bounded(void **state)
{
    enum { CLIENTS = 150, BOUND = 64 };
    struct fixture *fixture = *state;
    int peers[CLIENTS];
    fail_with(ECONNABORTED, UINT32_MAX);
    for (unsigned i = 0; i < CLIENTS; i++)
        peers[i] = peer_connect(fixture->port);
    turn(fixture, 1);
    assert_in_range(accepting.calls, 1, BOUND);
    fail_with(0, 0);
    turn(fixture, 1);
    assert_in_range(fixture->taken_count, 1, BOUND);
    await_taken(fixture, CLIENTS);
    for (unsigned i = 0; i < CLIENTS; i++)
        close(peers[i]);
}

static void test_what_cannot_be_taken_over_is_offered_again(void **state)
{
    struct fixture *fixture = *state;
    int first = peer_connect(fixture->port), second = peer_connect(fixture->port);
    fixture->refusal = UV_ENOMEM;
    turn(fixture, TURNS);
    int fd = fixture->offered;
    assert_int_equal(accepting.calls, 1);
    assert_true(fixture->acceptor.resting && is_open(fd));
    fixture->offered = -1;
    http_acceptor_wake(&fixture->acceptor);
    assert_int_equal(fixture->offered, fd);
    assert_int_equal(accepting.calls, 1);
    fixture->refusal = 0;
    http_acceptor_wake(&fixture->acceptor);
    await_taken(fixture, 2);
    assert_int_equal(fixture->taken[0], fd);
    close(first);
    close(second);
}

static void test_what_is_refused_is_closed(void **state)
{
    struct fixture *fixture = *state;
    int peer = peer_connect(fixture->port);
    fixture->refusal = UV_EINVAL;
    while (fixture->offered < 0)
        uv_run(&fixture->loop, UV_RUN_ONCE);
    assert_false(is_open(fixture->offered));
    assert_false(fixture->acceptor.resting);
    close(peer);
}

static void test_what_waits_for_memory_goes_with_the_listener(void **state)
{
    struct fixture *fixture = *state;
    int peer = peer_connect(fixture->port);
    fixture->refusal = UV_ENOMEM;
    turn(fixture, TURNS);
    int fd = fixture->offered;
    assert_int_equal(close_acceptor(state), 0);
    assert_false(is_open(fd));
    close(peer);
    assert_int_equal(open_acceptor(state), 0);
}

static void test_the_end_takes_in_who_waits(void **state)
{
    struct fixture *fixture = *state;
    int first = peer_connect(fixture->port);
    (void)add_listener(fixture);
    int second = peer_connect(fixture->port);
    assert_int_equal(close_acceptor(state), 0);
    assert_int_equal(fixture->taken_count, 2);
    close(first);
    close(second);
    assert_int_equal(open_acceptor(state), 0);
}

static void test_all_listeners_are_served(void **state)
{
    struct fixture *fixture = *state;
    unsigned ports[HTTP_LISTENERS_MAX] = {fixture->port};
    for (unsigned i = 1; i < HTTP_LISTENERS_MAX; i++) {
        (void)add_listener(fixture);
        ports[i] = fixture->port;
    }
    assert_int_equal(http_acceptor_add(&fixture->acceptor, fixture->listener), UV_ENOBUFS);
    for (unsigned i = 0; i < HTTP_LISTENERS_MAX; i++) {
        int peer = peer_connect(ports[i]);
        await_taken(fixture, i + 1);
        close(peer);
    }
}

/* Where clients come one at a time, asking whether there is another one is the exception. */
static void test_who_comes_alone_costs_one_call(void **state)
{
    enum { CLIENTS = 30 };
    struct fixture *fixture = *state;
    for (unsigned i = 0; i < CLIENTS; i++) {
        int peer = peer_connect(fixture->port);
        await_taken(fixture, i + 1);
        close(peer);
    }
    turn(fixture, 1);
    assert_in_range(accepting.calls, CLIENTS, CLIENTS + CLIENTS / 5);
}

/* ------------------------------------------------------------------ in a server */

static void on_fast(struct http_exchange *exchange, void *context)
{
    (void)context;
    http_exchange_answer(exchange, &(struct http_response){.status = 200});
}

static const struct http_route routes[] = {
    {.path = "/fast", .methods = HTTP_METHOD_GET, .handler = on_fast}};
static const struct http_router router = {routes, 1, NULL};

struct service {
    uv_loop_t loop;
    struct http_server server;
    struct clients clients;
};

static int open_service(void **state)
{
    static struct service service;
    const struct http_limits limits = HTTP_LIMITS_DEFAULT;
    service = (struct service){.clients.loop = &service.loop};
    fail_with(0, 0);
    assert_int_equal(uv_loop_init(&service.loop), 0);
    assert_int_equal(http_server_init(&service.server, &service.loop, &limits, &router, NULL), 0);
    assert_int_equal(http_server_listen(&service.server, "127.0.0.1", 0, false), 0);
    *state = &service;
    return 0;
}

static int close_service(void **state)
{
    struct service *service = *state;
    clients_leave(&service->clients);
    http_server_drain(&service->server, NULL, NULL);
    uv_run(&service->loop, UV_RUN_DEFAULT);
    clients_free(&service->clients);
    assert_int_equal(uv_loop_close(&service->loop), 0);
    return 0;
}

static struct client *ask(struct service *service)
{
    struct client *client = client_open(&service->clients, http_server_port(&service->server));
    client_get(client, "/fast");
    return client;
}

static void check_answer(struct client *client)
{
    const struct answer *answer = client_await(client, 1);
    assert_non_null(answer);
    assert_int_equal(answer->status, 200);
}

static void await_rest(struct service *service)
{
    while (!service->server.acceptor.resting)
        uv_run(&service->loop, UV_RUN_ONCE);
}

/* The clock stands still here, so nothing else can wake it. */
static void test_a_connection_that_closes_wakes_it(void **state)
{
    struct service *service = *state;
    struct client *first = ask(service);
    check_answer(first);
    fail_with(EMFILE, 1);
    struct client *second = ask(service);
    await_rest(service);
    uv_timer_stop(&service->server.clock);
    client_leave(first);
    check_answer(second);
    assert_int_equal(counter_get(&service->server.counters->accept_errors), 1);
}

/* The descriptors may be held by somebody else: there is no connection that could close. */
static void test_the_clock_wakes_it(void **state)
{
    struct service *service = *state;
    fail_with(EMFILE, 2);
    struct client *client = ask(service);
    await_rest(service);
    assert_null(service->server.connections);
    check_answer(client);
    assert_int_equal(counter_get(&service->server.counters->accept_errors), 2);
}

static void test_one_that_rests_can_be_ended(void **state)
{
    struct service *service = *state;
    fail_with(EMFILE, UINT32_MAX);
    struct client *client = ask(service);
    await_rest(service);
    http_server_drain(&service->server, NULL, NULL);
    client_await_end(client);
    assert_int_equal(client->answer_count, 0);
}

#define ACCEPTOR_TEST(test) cmocka_unit_test_setup_teardown(test, open_acceptor, close_acceptor)
#define SERVICE_TEST(test)  cmocka_unit_test_setup_teardown(test, open_service, close_service)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ACCEPTOR_TEST(test_without_descriptors_it_rests),
        ACCEPTOR_TEST(test_whatever_else_is_wrong_it_does_not_spin),
        ACCEPTOR_TEST(test_who_has_left_does_not_stop_the_next),
        ACCEPTOR_TEST(test_a_turn_is_bounded),
        ACCEPTOR_TEST(test_what_cannot_be_taken_over_is_offered_again),
        ACCEPTOR_TEST(test_what_is_refused_is_closed),
        ACCEPTOR_TEST(test_what_waits_for_memory_goes_with_the_listener),
        ACCEPTOR_TEST(test_the_end_takes_in_who_waits),
        ACCEPTOR_TEST(test_all_listeners_are_served),
        ACCEPTOR_TEST(test_who_comes_alone_costs_one_call),
        SERVICE_TEST(test_a_connection_that_closes_wakes_it),
        SERVICE_TEST(test_the_clock_wakes_it),
        SERVICE_TEST(test_one_that_rests_can_be_ended),
    };
    harness_prepare_process();
    return cmocka_run_group_tests_name("acceptor", tests, NULL, NULL);
}
