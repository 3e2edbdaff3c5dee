/* timeouts.c – how long a connection may wait, and for what; its function stands in connection.h.
 *
 * Each state has a patience of its own, counted from connection->since in ticks of the server's
 * clock (server.c says why not in time). */
#include "server/http/connection_state.h"

enum { LINGER_MS = 2000 };

static bool is_expired(const struct http_connection *connection, unsigned after_ms)
{
    const struct http_server *server = connection->server;
    return server->ticks - connection->since > after_ms / server->tick_ms;
}

static void time_out(struct http_connection *connection, struct counter *counter,
                     const char *detail)
{
    counter_add(counter, 1);
    http_connection_enter(connection);
    http_exchange_refuse(connection, 408, detail);
    http_connection_leave(connection);
}

/* Before its first request a client may be as slow as with the head of one. */
static void tick_idle(struct http_connection *connection)
{
    struct http_server *server = connection->server;
    bool fresh = connection->requests == 0;
    unsigned limit =
        fresh ? server->limits.headers_timeout_ms : server->limits.keep_alive_timeout_ms;
    if (server->draining) {
        http_connection_close(connection);
    } else if (is_expired(connection, limit)) {
        counter_add(fresh ? &server->counters->timeouts_headers
                          : &server->counters->timeouts_keep_alive,
                    1);
        http_connection_close(connection);
    }
}

static void tick_reading(struct http_connection *connection)
{
    struct http_server *server = connection->server;
    if (http_parser_in_head(&connection->parser)) {
        if (is_expired(connection, server->limits.headers_timeout_ms))
            time_out(connection, &server->counters->timeouts_headers,
                     "the head of the request took too long");
    } else if (is_expired(connection, server->limits.request_timeout_ms)) {
        time_out(connection, &server->counters->timeouts_request, "the request took too long");
    }
}

/* A slow peer may take its time as long as it takes something. Where nothing waits, what waited has
 * just been taken, and its callback comes next. */
static void tick_writing(struct http_connection *connection)
{
    struct http_server *server = connection->server;
    uint64_t taken = http_outbox_taken_bytes(&connection->outbox);
    if (http_outbox_waiting_bytes(&connection->outbox) == 0)
        return;
    if (taken != connection->taken) {
        connection->taken = taken;
        connection->since = server->ticks;
    } else if (is_expired(connection, server->limits.write_timeout_ms)) {
        counter_add(&server->counters->timeouts_write, 1);
        http_connection_close(connection);
    }
}

void http_connection_tick(struct http_connection *connection)
{
    switch (connection->state) {
    case CONNECTION_IDLE:
        tick_idle(connection);
        break;
    case CONNECTION_READING:
        tick_reading(connection);
        break;
    case CONNECTION_WRITING:
        tick_writing(connection);
        break;
    case CONNECTION_LINGERING:
        if (is_expired(connection, LINGER_MS))
            http_connection_close(connection);
        break;
    case CONNECTION_HANDLING:
        if (http_outbox_waits(&connection->outbox))
            tick_writing(connection);
        break;
    case CONNECTION_CLOSING:
        break;
    }
}
