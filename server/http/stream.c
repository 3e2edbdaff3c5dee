/* stream.c – an answer whose content comes in pieces; its functions stand in exchange.h.
 *
 * The exchange is one that was deferred, so everything that may befall a waiting exchange befalls
 * this one too. Its state is HANDLING until the last piece: then it concludes like any other.
 *
 * A piece does not go through the loop's shared output. It is written from where the owner has it,
 * and only what the socket does not take is copied. So an event can be sent to many readers, also
 * while the shared output belongs to the connection whose request brought it about.
 *
 * The owner hears of the end once: by what these functions return, or by on_abandoned. While one of
 * them runs, `nobody` stands in the place of on_abandoned. */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "server/http/connection_state.h"

static void nobody(void *data)
{
    (void)data;
}

/* In HTTP/1.0 there are no chunks. */
static bool is_chunked(const struct http_exchange *exchange)
{
    return !exchange->explicitly;
}

/* What the head says of the connection stays true, whatever would be decided at the end. */
static void send_head(struct http_connection *connection, const struct http_response *response)
{
    struct http_exchange *exchange = &connection->exchange;
    struct http_response head = *response;
    enum http_persistence persistence = http_exchange_persistence(connection);
    head.framing = HTTP_FRAMED_BY_CHUNKS;
    if (!is_chunked(exchange)) {
        head.framing = HTTP_FRAMED_BY_CLOSE;
        persistence = HTTP_CLOSES;
    }
    if (persistence == HTTP_CLOSES) {
        connection->lingers |= exchange->keep_alive;
        exchange->keep_alive = false;
    }
    http_exchange_send(connection, &head, persistence);
}

static void send_end(struct http_connection *connection)
{
    static const char last_chunk[] = "0\r\n\r\n";
    const struct http_exchange *exchange = &connection->exchange;
    char *room;
    http_exchange_conclude(connection, exchange->status);
    if (exchange->head_only || !is_chunked(exchange))
        return;
    int rc = http_outbox_reserve(&connection->outbox, sizeof last_chunk, &room);
    if (rc == 0) {
        memcpy(room, last_chunk, sizeof last_chunk - 1);
        rc = http_outbox_commit(&connection->outbox, sizeof last_chunk - 1);
    }
    if (rc != 0)
        http_connection_give_up(connection, rc);
}

bool http_exchange_stream(struct http_exchange *exchange, const struct http_response *head,
                          void (*on_abandoned)(void *data), void *data)
{
    struct http_connection *connection = http_connection_of(exchange);
    bool resumes = connection->server->running != connection;
    bool goes_on = !exchange->head_only && !connection->server->draining;
    assert(head->status >= 200 && head->status != 204 && head->body_bytes == 0);
    http_exchange_defer(exchange, nobody, NULL);
    exchange->streams = true;
    exchange->status = head->status;
    if (resumes)
        http_connection_enter(connection);
    send_head(connection, head);
    if (!goes_on && connection->state == CONNECTION_HANDLING)
        send_end(connection);
    if (resumes)
        http_connection_leave(connection);
    if (!goes_on || connection->state != CONNECTION_HANDLING)
        return false;
    http_exchange_defer(exchange, on_abandoned, data);
    return true;
}

static uv_buf_t piece_of(const void *bytes, size_t length)
{
    return (uv_buf_t){.base = (char *)(uintptr_t)bytes, .len = length};
}

static int put_piece(struct http_connection *connection, const void *bytes, size_t length)
{
    char size[24];
    uv_buf_t piece = piece_of(bytes, length);
    if (!is_chunked(&connection->exchange))
        return http_outbox_write(&connection->outbox, &piece, 1);
    size_t size_length = (size_t)snprintf(size, sizeof size, "%zx\r\n", length);
    const uv_buf_t chunk[] = {piece_of(size, size_length), piece, piece_of("\r\n", 2)};
    return http_outbox_write(&connection->outbox, chunk, 3);
}

ssize_t http_exchange_write(struct http_exchange *exchange, const void *bytes, size_t length)
{
    struct http_connection *connection = http_connection_of(exchange);
    assert(connection->state == CONNECTION_HANDLING && exchange->streams);
    int rc = 0;
    if (connection->server->running == connection)
        rc = http_outbox_flush(&connection->outbox);
    if (rc == 0 && length > 0) /* an empty chunk would be the last */
        rc = put_piece(connection, bytes, length);
    if (rc == 0)
        return (ssize_t)http_outbox_waiting_bytes(&connection->outbox);
    exchange->on_abandoned = nobody;
    http_connection_give_up(connection, rc);
    return rc;
}

void http_exchange_on_drained(struct http_exchange *exchange, void (*on_drained)(void *data))
{
    assert(exchange->streams);
    exchange->on_drained = on_drained;
}

void http_stream_drained(struct http_connection *connection)
{
    const struct http_exchange *exchange = &connection->exchange;
    bool streams = connection->state == CONNECTION_HANDLING && exchange->streams;
    if (streams && exchange->on_drained != NULL && !http_outbox_waits(&connection->outbox))
        exchange->on_drained(exchange->data);
}

void http_exchange_end(struct http_exchange *exchange)
{
    struct http_connection *connection = http_connection_of(exchange);
    bool resumes = connection->server->running != connection;
    assert(exchange->streams);
    if (resumes)
        http_connection_enter(connection);
    send_end(connection);
    if (resumes)
        http_connection_leave(connection);
}

void http_exchange_cut(struct http_exchange *exchange)
{
    struct http_connection *connection = http_connection_of(exchange);
    assert(connection->state == CONNECTION_HANDLING);
    exchange->on_abandoned = nobody;
    http_connection_close(connection);
}

void http_stream_drain(struct http_connection *connection)
{
    struct http_exchange *exchange = &connection->exchange;
    void (*on_abandoned)(void *data) = exchange->on_abandoned;
    exchange->on_abandoned = nobody;
    on_abandoned(exchange->data);
    http_exchange_end(exchange);
}
