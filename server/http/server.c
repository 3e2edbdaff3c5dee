/* server.c – the listener, the clock and the drain. What happens on a socket is connection.c's.
 *
 * Time-outs count ticks of one repeating timer, not the time of day: one timer for any number of
 * connections, a connection's stamp is one store, and a loop that was blocked for ten seconds has
 * ticked once, so the requests that arrived meanwhile are not mistaken for silence. The timer runs
 * only while there are connections: an idle server does not wake up. */
#include "server/http/server.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
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
    uv_tcp_init(loop, &server->listener);
    uv_timer_init(loop, &server->clock);
    server->listener.data = server->clock.data = server;
    server->open_handles = 2;
    return 0;
}

void http_server_count_in(struct http_server *server, struct http_counters *counters)
{
    server->counters = counters;
}

/* ------------------------------------------------------------------ listening */

/* Without memory for a connection the client stays in the listener's hands, and the clock tries
 * again. */
static void accept_one(struct http_server *server)
{
    server->accept_waits = http_connection_accept(server) == UV_ENOMEM;
    if (server->accept_waits)
        counter_add(&server->counters->out_of_memory, 1);
}

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
    if (server->accept_waits)
        accept_one(server);
    if (server->connections == NULL && !server->accept_waits)
        uv_timer_stop(clock);
}

static void keep_time(struct http_server *server)
{
    if (!uv_is_active((uv_handle_t *)&server->clock))
        uv_timer_start(&server->clock, on_tick, server->tick_ms, server->tick_ms);
}

static void on_connection(uv_stream_t *listener, int status)
{
    struct http_server *server = listener->data;
    if (status < 0)
        counter_add(&server->counters->accept_errors, 1); /* descriptors ran out: libuv closed it */
    else
        accept_one(server);
    keep_time(server);
}

int http_server_adopt(struct http_server *server, int fd)
{
    if (server->draining)
        return UV_ECANCELED;
    int rc = http_connection_adopt(server, fd);
    keep_time(server);
    return rc;
}

static int start_listening(struct http_server *server)
{
    int rc = uv_tcp_nodelay(&server->listener, 1); /* connections inherit it: no call for each */
    if (rc == 0)
        rc = uv_listen((uv_stream_t *)&server->listener, HTTP_BACKLOG, on_connection);
    return rc;
}

int http_server_listen(struct http_server *server, const char *host, unsigned port, bool reuse_port)
{
    int fd;
    int rc = http_listener_open(server->loop, host, port, reuse_port, &fd);
    if (rc != 0)
        return rc;
    rc = uv_tcp_open(&server->listener, fd);
    if (rc != 0)
        close(fd);
    return rc == 0 ? start_listening(server) : rc;
}

int http_server_listen_fd(struct http_server *server, int fd)
{
    int rc = uv_tcp_open(&server->listener, fd);
    return rc == 0 ? start_listening(server) : rc;
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

static int listener_fd(const struct http_server *server)
{
    uv_os_fd_t fd;
    return uv_fileno((const uv_handle_t *)&server->listener, &fd) == 0 ? fd : -1;
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

static void on_handle_closed(uv_handle_t *handle)
{
    struct http_server *server = handle->data;
    if (--server->open_handles > 0)
        return;
    free(server->input);
    server->input = NULL;
    if (server->on_closed != NULL)
        server->on_closed(server->on_closed_data);
}

void http_server_settle(struct http_server *server)
{
    bool over = server->draining && server->connection_handles == 0;
    if (over && !uv_is_closing((uv_handle_t *)&server->clock))
        uv_close((uv_handle_t *)&server->clock, on_handle_closed);
}

/* Clients that the kernel has already let in would be reset with the listener. */
static void accept_pending(struct http_server *server)
{
    int fd, listener = listener_fd(server);
    while (listener >= 0 &&
           (fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        if (http_connection_adopt(server, fd) != 0)
            close(fd);
    }
}

void http_server_drain(struct http_server *server, void (*on_closed)(void *data), void *data)
{
    if (server->draining)
        return;
    server->draining = true;
    server->on_closed = on_closed;
    server->on_closed_data = data;
    accept_pending(server);
    uv_close((uv_handle_t *)&server->listener, on_handle_closed);
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
