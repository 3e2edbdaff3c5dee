/* connection.c – one socket's life.
 *
 * One exchange at a time: the parser stops after each message and the bytes behind it wait, so
 * answers leave in the order of their requests and a client that sends without reading is not
 * served. A handler that answers at once only appends to the output; the loop in `leave` then takes
 * the next message. So a thousand pipelined requests use one stack frame, and their answers leave
 * in one write.
 *
 * Everything that happens to a connection is bracketed by enter and leave: between them the loop's
 * shared output belongs to this connection. leave() takes what can be taken, writes what is to be
 * written, and decides what the connection does next. There is one door out: http_connection_close.
 *
 * Reads land in one buffer per loop. Only bytes that must wait behind an unanswered request are
 * copied into memory of the connection's own, at most KEPT_MAX of them: then reading stops. */
#include "server/http/connection.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "server/http/connection_state.h"

/* LINGERING_MAX may take their time, those beyond them not: who holds connections by sending what
 * is thrown away shall not hold more than that. */
enum { KEPT_MAX = 64 * 1024, LINGERING_MAX = 256 };

static uv_stream_t *stream_of(struct http_connection *connection)
{
    return (uv_stream_t *)&connection->socket;
}

struct http_connection *http_connection_next(const struct http_connection *connection)
{
    return connection->next;
}

size_t http_connection_unread_bytes(const struct http_connection *connection)
{
    return http_outbox_waiting_bytes(&connection->outbox);
}

void http_connection_enter(struct http_connection *connection)
{
    assert(connection->server->running == NULL && connection->server->output.length == 0);
    connection->server->running = connection;
}

/* ------------------------------------------------------------------ the door out */

static void on_closed(uv_handle_t *handle)
{
    struct http_connection *connection = handle->data;
    struct http_server *server = connection->server;
    http_parser_close(&connection->parser);
    http_inbox_close(&connection->inbox);
    free(connection);
    server->connection_handles--;
    http_server_settle(server);
}

static void unlink_connection(struct http_connection *connection)
{
    if (connection->previous != NULL)
        connection->previous->next = connection->next;
    else
        connection->server->connections = connection->next;
    if (connection->next != NULL)
        connection->next->previous = connection->previous;
    connection->server->connection_count--;
    connection->server->lingering_count -= connection->state == CONNECTION_LINGERING;
    counter_add(&connection->server->counters->connections_closed, 1);
}

/* Tells who was to answer that nobody waits any more, after the state has been changed. */
static void abandon(struct http_connection *connection, enum connection_state state)
{
    bool abandoned = connection->state == CONNECTION_HANDLING && connection->exchange.deferred;
    connection->state = state;
    if (!abandoned)
        return;
    struct http_server *server = connection->server;
    counter_add(&server->counters->exchanges_abandoned, 1);
    http_watched_answer(&server->watched, &connection->exchange.like, 0);
    http_watched_tell(&server->watched);
    connection->exchange.on_abandoned(connection->exchange.data);
}

void http_connection_close(struct http_connection *connection)
{
    if (connection->state == CONNECTION_CLOSING)
        return;
    unlink_connection(connection);
    uv_close((uv_handle_t *)&connection->socket, on_closed);
    abandon(connection, CONNECTION_CLOSING);
}

/* The last answer is written. Closing a socket with unread input would send a reset, which may
 * destroy the answer on its way (RFC 9112, section 9.6): so only our half is closed while the peer
 * is sending. */
static void finish(struct http_connection *connection)
{
    uv_os_fd_t fd;
    bool lingers = connection->lingers && !connection->ended;
    if (!lingers || uv_fileno((uv_handle_t *)&connection->socket, &fd) != 0 ||
        shutdown(fd, SHUT_WR) != 0) {
        http_connection_close(connection);
        return;
    }
    connection->state = CONNECTION_LINGERING;
    connection->since = connection->finished = connection->server->ticks;
    connection->briefly |= ++connection->server->lingering_count > LINGERING_MAX;
    http_inbox_close(&connection->inbox);
}

/* ------------------------------------------------------------------ writing */

static void on_drained(struct http_outbox *outbox, int status)
{
    struct http_connection *connection = outbox->stream->data;
    if (connection->state == CONNECTION_CLOSING)
        return;
    if (status < 0) {
        http_connection_close(connection);
        return;
    }
    if (connection->state == CONNECTION_WRITING) { /* the answer has just gone: silence begins */
        connection->state = CONNECTION_IDLE;
        connection->since = connection->server->ticks;
    }
    http_connection_enter(connection);
    http_connection_leave(connection);
    http_stream_drained(connection);
}

void http_connection_give_up(struct http_connection *connection, int rc)
{
    counter_add(&connection->server->counters->out_of_memory, rc == UV_ENOMEM);
    http_connection_close(connection);
}

/* ------------------------------------------------------------------ one turn of its life */

static void put_continue(struct http_connection *connection)
{
    static const char text[] = "HTTP/1.1 100 Continue\r\n\r\n";
    char *room;
    int rc = http_outbox_reserve(&connection->outbox, sizeof text, &room);
    if (rc != 0) {
        http_connection_give_up(connection, rc);
        return;
    }
    memcpy(room, text, sizeof text - 1);
    http_outbox_commit(&connection->outbox, sizeof text - 1);
}

static bool can_take(const struct http_connection *connection)
{
    return connection->inbox.length > 0 && !connection->last &&
           !http_outbox_waits(&connection->outbox) && connection->state != CONNECTION_HANDLING &&
           connection->state < CONNECTION_LINGERING;
}

static void take(struct http_connection *connection)
{
    struct http_parser *parser = &connection->parser;
    enum http_parser_event event;
    size_t consumed =
        http_parser_feed(parser, connection->inbox.bytes, connection->inbox.length, &event);
    http_inbox_consume(&connection->inbox, consumed);
    if (event == HTTP_PARSER_MESSAGE) {
        http_exchange_begin(connection);
    } else if (event == HTTP_PARSER_EXPECTS && connection->inbox.length == 0) {
        put_continue(connection);
    } else if (event == HTTP_PARSER_REFUSED) {
        counter_add(&connection->server->counters->messages_refused, 1);
        http_exchange_refuse(connection, parser->message.refusal.status,
                             parser->message.refusal.detail);
    }
}

/* The peer has ended its half in the middle of a message. */
static bool is_truncated(const struct http_connection *connection)
{
    return connection->ended && !connection->last && connection->inbox.length == 0 &&
           !http_outbox_waits(&connection->outbox) && connection->state < CONNECTION_HANDLING &&
           http_parser_in_message(&connection->parser);
}

/* Only bytes that the peer takes are progress, see tick_writing in timeouts.c; those that it sends
 * are not. */
static void begin_writing(struct http_connection *connection)
{
    if (connection->state == CONNECTION_WRITING)
        return;
    connection->state = CONNECTION_WRITING;
    connection->since = connection->server->ticks;
}

static void settle(struct http_connection *connection)
{
    struct http_server *server = connection->server;
    bool in_message = http_parser_in_message(&connection->parser);
    if (connection->state == CONNECTION_HANDLING || connection->state >= CONNECTION_LINGERING)
        return;
    if (http_outbox_waits(&connection->outbox)) {
        begin_writing(connection);
    } else if (connection->last || connection->ended) {
        finish(connection);
    } else if (in_message && connection->state != CONNECTION_READING) {
        connection->state = CONNECTION_READING;
        connection->since = server->ticks;
    } else if (!in_message) {
        connection->state = CONNECTION_IDLE;
    }
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
    struct http_connection *connection = handle->data;
    (void)suggested;
    *buffer = uv_buf_init(connection->server->input, HTTP_INPUT_BYTES);
}

static void on_read(uv_stream_t *stream, ssize_t length, const uv_buf_t *buffer);

/* Reading goes on while a request is handled, because that is how a client is seen to leave; it
 * stops when too much waits. */
static void update_receiving(struct http_connection *connection)
{
    bool wanted = connection->state != CONNECTION_CLOSING && !connection->ended &&
                  connection->inbox.length < KEPT_MAX;
    if (wanted == connection->receiving || connection->state == CONNECTION_CLOSING)
        return;
    connection->receiving = wanted;
    if (!wanted)
        uv_read_stop(stream_of(connection));
    else if (uv_read_start(stream_of(connection), on_alloc, on_read) != 0)
        http_connection_close(connection);
}

void http_connection_leave(struct http_connection *connection)
{
    while (can_take(connection))
        take(connection);
    if (is_truncated(connection))
        http_exchange_refuse(connection, 400, "the input ended in the middle of a request");
    http_watched_tell(&connection->server->watched);
    int rc = connection->state != CONNECTION_CLOSING ? http_outbox_flush(&connection->outbox) : 0;
    connection->server->output.length = 0;
    connection->server->running = NULL;
    if (connection->state == CONNECTION_CLOSING)
        return;
    if (rc == 0)
        rc = http_inbox_keep(&connection->inbox);
    if (rc != 0) {
        http_connection_give_up(connection, rc);
        return;
    }
    settle(connection);
    update_receiving(connection);
}

/* ------------------------------------------------------------------ what the socket brings */

static void on_end_of_input(struct http_connection *connection)
{
    connection->ended = true;
    bool leaves = connection->state == CONNECTION_HANDLING; /* who waits keeps its half open */
    bool owes = http_outbox_waits(&connection->outbox);
    if (connection->state == CONNECTION_LINGERING || (leaves && !owes)) {
        http_connection_close(connection);
        return;
    }
    if (leaves) { /* answers to earlier requests are still on their way */
        connection->last = true;
        abandon(connection, CONNECTION_IDLE);
    }
    http_connection_enter(connection);
    http_connection_leave(connection);
}

static void on_read(uv_stream_t *stream, ssize_t length, const uv_buf_t *buffer)
{
    struct http_connection *connection = stream->data;
    if (length == UV_EOF) {
        on_end_of_input(connection);
        return;
    }
    if (length < 0) {
        http_connection_close(connection);
        return;
    }
    if (length == 0)
        return;
    if (connection->state == CONNECTION_LINGERING) {
        connection->since = connection->server->ticks;
        return;
    }
    if (connection->server->watched.watcher != NULL)
        connection->read_at_ns = uv_hrtime();
    if (http_inbox_receive(&connection->inbox, buffer->base, (size_t)length) != 0) {
        http_connection_give_up(connection, UV_ENOMEM);
        return;
    }
    http_connection_enter(connection);
    http_connection_leave(connection);
}

/* ------------------------------------------------------------------ for the server */

static void link_connection(struct http_server *server, struct http_connection *connection)
{
    connection->next = server->connections;
    if (connection->next != NULL)
        connection->next->previous = connection;
    server->connections = connection;
    server->connection_count++;
    server->connection_handles++;
}

static struct http_connection *connection_new(struct http_server *server)
{
    struct http_connection *connection = calloc(1, sizeof *connection);
    if (connection == NULL)
        return NULL;
    connection->server = server;
    connection->since = server->ticks;
    connection->taken = UINT64_MAX;
    connection->socket.data = connection;
    uv_tcp_init(server->loop, &connection->socket);
    http_parser_init(&connection->parser, &server->parser_shared);
    http_outbox_init(&connection->outbox, stream_of(connection), &server->output, on_drained);
    link_connection(server, connection);
    return connection;
}

static void begin(struct http_connection *connection)
{
    struct http_server *server = connection->server;
    counter_add(&server->counters->connections_accepted, 1);
    const struct http_limits *limits = &server->limits;
    bool refused = server->connection_count > limits->max_connections;
    counter_add(&server->counters->connections_refused, refused);
    if (server->connection_count > limits->max_connections + limits->max_refused) {
        http_connection_close(connection); /* those that are told so linger, and are bounded too */
        return;
    }
    http_connection_enter(connection);
    if (refused) {
        http_exchange_refuse(connection, 503, "this server has as many connections as it may have");
        connection->briefly = true;
    }
    http_connection_leave(connection);
}

int http_connection_adopt(struct http_server *server, int fd)
{
    struct http_connection *connection = connection_new(server);
    if (connection == NULL)
        return UV_ENOMEM;
    int rc = uv_tcp_open(&connection->socket, fd);
    if (rc == 0)
        begin(connection);
    else
        http_connection_close(connection);
    return rc;
}

void http_connection_drain(struct http_connection *connection)
{
    if (connection->state == CONNECTION_IDLE && http_connection_is_quiet(connection))
        http_connection_close(connection); /* else the early tick ends it */
    else if (connection->state == CONNECTION_HANDLING && connection->exchange.streams)
        http_stream_drain(connection);
}
