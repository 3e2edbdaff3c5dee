/* server.c – the listener, the clock and the drain. What happens on a socket is connection.c's.
 *
 * Time-outs count ticks of one repeating timer, not the time of day: one timer for any number of
 * connections, a connection's stamp is one store, and a loop that was blocked for ten seconds has
 * ticked once, so the requests that arrived meanwhile are not mistaken for silence. The timer runs
 * only while there are connections: an idle server does not wake up. */
#include "server/http/server.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/http/connection.h"
#include "server/http/listener.h"

enum { TICK_MAX_MS = 1000, TICK_MIN_MS = 5 };

/* An eighth of the shortest time-out: precise enough, and rare. */
static unsigned tick_for(const struct http_limits *limits)
{
    unsigned shortest = limits->keep_alive_timeout_ms;
    const unsigned others[] = {limits->headers_timeout_ms, limits->request_timeout_ms,
                               limits->write_timeout_ms};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        shortest = others[i] < shortest ? others[i] : shortest;
    unsigned tick = shortest / 8;
    if (tick > TICK_MAX_MS)
        return TICK_MAX_MS;
    return tick < TICK_MIN_MS ? TICK_MIN_MS : tick;
}

/* ------------------------------------------------------------------ time */

static void for_each_connection(struct http_server *server,
                                void (*visit)(struct http_connection *connection))
{
    struct http_connection *connection = server->connections;
    while (connection != NULL) {
        struct http_connection *next = http_connection_next(connection);
        visit(connection);
        connection = next;
    }
}

static void on_tick(uv_timer_t *clock)
{
    struct http_server *server = clock->data;
    server->ticks++;
    for_each_connection(server, http_connection_tick);
    http_acceptor_wake(&server->acceptor);
    if (server->connections == NULL && !server->acceptor.resting)
        uv_timer_stop(clock);
}

static void keep_time(struct http_server *server)
{
    if (!uv_is_active((uv_handle_t *)&server->clock))
        uv_timer_start(&server->clock, on_tick, server->tick_ms, server->tick_ms);
}

/* ------------------------------------------------------------------ listening */

static void close_one_handle(struct http_server *server)
{
    if (--server->open_handles > 0)
        return;
    free(server->input);
    server->input = NULL;
    if (server->on_closed != NULL)
        server->on_closed(server->on_closed_data);
}

static int on_accepted(void *data, int fd)
{
    struct http_server *server = data;
    int rc = http_connection_adopt(server, fd);
    keep_time(server);
    return rc;
}

/* While it rests the clock runs, because the descriptors may be held by others than connections. */
static void on_accept_failed(void *data, int error, bool rests)
{
    struct http_server *server = data;
    counter_add(error == UV_ENOMEM ? &server->counters->out_of_memory
                                   : &server->counters->accept_errors,
                1);
    if (rests)
        keep_time(server);
}

static void on_listener_closed(void *data)
{
    close_one_handle(data);
}

static const struct http_acceptor_events acceptor_events = {on_accepted, on_accept_failed,
                                                            on_listener_closed};

int http_server_init(struct http_server *server, uv_loop_t *loop, const struct http_limits *limits,
                     const struct http_router *router, void *context)
{
    memset(server, 0, sizeof *server);
    char *memory = malloc(HTTP_INPUT_BYTES + HTTP_OUTPUT_BYTES + limits->max_header_bytes);
    if (memory == NULL)
        return UV_ENOMEM;
    server->input = memory;
    server->output.bytes = memory + HTTP_INPUT_BYTES;
    http_parser_shared_init(&server->parser_shared, memory + HTTP_INPUT_BYTES + HTTP_OUTPUT_BYTES,
                            limits->max_header_bytes, limits->max_body_bytes);
    server->loop = loop;
    server->limits = *limits;
    server->router = *router;
    server->context = context;
    server->counters = &server->own_counters;
    server->tick_ms = tick_for(limits);
    http_acceptor_init(&server->acceptor, loop, &acceptor_events, server);
    uv_timer_init(loop, &server->clock);
    server->clock.data = server;
    server->open_handles = 1;
    return 0;
}

void http_server_count_in(struct http_server *server, struct http_counters *counters)
{
    server->counters = counters;
}

int http_server_adopt(struct http_server *server, int fd)
{
    if (server->draining)
        return UV_ECANCELED;
    int rc = http_connection_adopt(server, fd);
    keep_time(server);
    return rc;
}

int http_server_listen_fd(struct http_server *server, int fd)
{
    int rc = http_listener_start(fd);
    if (rc == 0)
        rc = http_acceptor_add(&server->acceptor, fd);
    server->open_handles += rc == 0;
    return rc;
}

int http_server_listen(struct http_server *server, const char *host, unsigned port, bool reuse_port)
{
    int fd;
    int rc = http_listener_open(server->loop, host, port, reuse_port, &fd);
    if (rc != 0)
        return rc;
    rc = http_server_listen_fd(server, fd);
    if (rc != 0)
        close(fd);
    return rc;
}

void http_server_allow_hosts(struct http_server *server, const char *const *names)
{
    server->parser_shared.allowed_hosts = names;
    server->parser_shared.good_host[0] = '\0'; /* it, and the message before, were good without */
    server->parser_shared.memo_length = 0;
}

void http_server_set_fields(struct http_server *server, const struct http_fields *fields)
{
    server->fields = *fields;
}

void http_server_watch(struct http_server *server, const struct http_watcher *watcher)
{
    server->watched = (struct http_watched){.watcher = watcher};
}

/* It is closed when the server drains. */
static int listener_fd(const struct http_server *server)
{
    bool listens = server->acceptor.count > 0 && !server->draining;
    return listens ? server->acceptor.listeners[0] : -1;
}

size_t http_server_unread_bytes(const struct http_server *server)
{
    size_t bytes = 0;
    const struct http_connection *connection = server->connections;
    for (; connection != NULL; connection = http_connection_next(connection))
        bytes += http_connection_unread_bytes(connection);
    return bytes;
}

unsigned http_server_port(const struct http_server *server)
{
    return http_listener_port(listener_fd(server));
}

void http_server_authority(const struct http_server *server, char *text, size_t size)
{
    http_listener_authority(listener_fd(server), text, size);
}

/* ------------------------------------------------------------------ the end */

static void on_clock_closed(uv_handle_t *handle)
{
    close_one_handle(handle->data);
}

void http_server_settle(struct http_server *server)
{
    bool over = server->draining && server->connection_handles == 0;
    if (over && !uv_is_closing((uv_handle_t *)&server->clock))
        uv_close((uv_handle_t *)&server->clock, on_clock_closed);
    http_acceptor_wake(&server->acceptor);
}

void http_server_drain(struct http_server *server, void (*on_closed)(void *data), void *data)
{
    if (server->draining)
        return;
    server->draining = true;
    server->on_closed = on_closed;
    server->on_closed_data = data;
    http_acceptor_close(&server->acceptor);
    for_each_connection(server, http_connection_drain);
    uv_update_time(server->loop);    /* the loop may have been blocked until now */
    if (server->connections != NULL) /* an early tick, for those that seemed idle just now */
        uv_timer_start(&server->clock, on_tick, server->limits.drain_grace_ms, server->tick_ms);
    http_server_settle(server);
}

void http_server_cut(struct http_server *server)
{
    for_each_connection(server, http_connection_close);
}
