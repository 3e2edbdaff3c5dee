/* timeouts.c – how long a connection may wait, and for what; its functions stand in connection.h.
 *
 * Each state has a patience of its own, counted from connection->since in ticks of the server's
 * clock (server.c says why not in time).
 *
 * The clock ticks before libuv looks at the sockets. If the loop was blocked, what has come
 * meanwhile lies unread, and came in time. So the socket is asked before anybody is taken to be
 * silent: what lies there is read first, and the next tick decides. Who sends without end, and
 * never what is waited for, may so gain as much time again, and no more. */
#include "server/http/connection_state.h"
#include "server/http/socket.h"

/* How long the peer may be silent, and how long it may send, while all that comes is thrown away;
 * the first two are nginx's lingering_timeout and lingering_time. */
enum { LINGER_SILENCE_MS = 5000, LINGER_MS = 30000, LINGER_BRIEFLY_MS = 2000 };

static bool has_passed(const struct http_connection *connection, uint64_t since, uint64_t after_ms)
{
    const struct http_server *server = connection->server;
    return server->ticks - since > after_ms / server->tick_ms;
}

static bool is_readable(const struct http_connection *connection)
{
    return http_socket_is_readable(http_exchange_fd(&connection->exchange));
}

/* One that was busy a moment ago may have its next request under way. One tick may have passed
 * since in no time; two mean that it was silent for a whole one. */
bool http_connection_is_quiet(const struct http_connection *connection)
{
    return connection->since + 1 < connection->server->ticks && !is_readable(connection);
}

static bool is_expired(const struct http_connection *connection, unsigned after_ms)
{
    return has_passed(connection, connection->since, after_ms) &&
           (!is_readable(connection) ||
            has_passed(connection, connection->since, 2 * (uint64_t)after_ms));
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
        if (!is_readable(connection))
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

/* It has taken something: the time-out begins anew. */
static void note_taken(struct http_connection *connection, uint64_t taken, uint64_t unsent)
{
    connection->taken = taken;
    connection->unsent = unsent;
    connection->since = connection->server->ticks;
}

/* A slow peer may take its time as long as it takes something. libuv writes on only when a good
 * part of the socket's buffer is free, which may be megabytes: so the buffer is looked at as well.
 * Where nothing waits, what waited has just been taken, and its callback comes next. */
static void tick_writing(struct http_connection *connection)
{
    struct http_server *server = connection->server;
    uint64_t taken = http_outbox_taken_bytes(&connection->outbox);
    bool moved = taken != connection->taken;
    if (http_outbox_waiting_bytes(&connection->outbox) == 0 ||
        (!moved && !has_passed(connection, connection->since, server->limits.write_timeout_ms)))
        return;
    uint64_t unsent = http_socket_unsent_bytes(http_exchange_fd(&connection->exchange));
    if (moved || unsent < connection->unsent) {
        note_taken(connection, taken, unsent);
    } else {
        counter_add(&server->counters->timeouts_write, 1);
        http_connection_close(connection);
    }
}

/* Nobody waits for a peer that says nothing while the server drains, but one that sends may do so:
 * as long as the drain lasts. */
static void tick_lingering(struct http_connection *connection)
{
    bool briefly = connection->briefly || connection->server->draining;
    if (is_expired(connection, briefly ? LINGER_BRIEFLY_MS : LINGER_SILENCE_MS) ||
        has_passed(connection, connection->finished,
                   connection->briefly ? LINGER_BRIEFLY_MS : LINGER_MS))
        http_connection_close(connection);
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
        tick_lingering(connection);
        break;
    case CONNECTION_HANDLING:
        if (http_outbox_waits(&connection->outbox))
            tick_writing(connection);
        break;
    case CONNECTION_CLOSING:
        break;
    }
}
