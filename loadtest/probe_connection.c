/* probe_connection.c – the life of one connection.
 *
 *                      ┌─────── next request ───────┐
 *   CLOSED ──▶ CONNECTING ──▶ IDLE ──▶ BUSY ──▶ CLOSING ──▶ CLOSED
 *                              │ ▲       │          ▲
 *                              │ └─answer┘          │
 *                              └─ server closes it ─┘
 *
 * A server may close a connection between two requests: that is no error, and the next request
 * opens it again. While a request is under way its end is one, and the request is lost; it is not
 * sent twice, since the second attempt would hide what became of the first. */
#include "loadtest/probe_connection.h"

#include "loadtest/probe_stats.h"

void connection_init(struct connection *connection, const struct connection_context *context)
{
    *connection = (struct connection){.context = context, .request = CONNECTION_NO_REQUEST};
}

static void reopen(struct connection *connection);

static void on_close(uv_handle_t *handle)
{
    struct connection *connection = handle->data;
    int open_error = connection->open_error;
    connection->state = CONNECTION_CLOSED;
    connection->open_error = 0;
    if (connection->retired)
        return;
    if (open_error != 0)
        connection->context->on_open_failed(connection, open_error);
    else if (connection->request != CONNECTION_NO_REQUEST)
        reopen(connection);
    else
        connection->context->on_ready(connection);
}

static void close_tcp(struct connection *connection)
{
    if (connection->state == CONNECTION_CLOSED || connection->state == CONNECTION_CLOSING)
        return;
    connection->state = CONNECTION_CLOSING;
    uv_close((uv_handle_t *)&connection->tcp, on_close);
}

/* The request is over, and the connection too if it cannot be used again. */
static void settle(struct connection *connection, int status, bool reusable)
{
    size_t request = connection->request;
    connection->request = CONNECTION_NO_REQUEST;
    if (reusable)
        connection->state = CONNECTION_IDLE;
    else
        close_tcp(connection);
    connection->context->on_settled(connection, request, status);
    if (reusable)
        connection->context->on_ready(connection);
}

static void on_progress(struct connection *connection, enum answer_progress progress)
{
    if (progress == ANSWER_DONE)
        settle(connection, connection->answer.status, !connection->answer.close);
    else if (progress == ANSWER_BAD)
        settle(connection, SAMPLE_LOST, false);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
    struct connection *connection = handle->data;
    (void)suggested;
    buffer->base = connection->context->read_buffer;
    buffer->len = connection->context->read_buffer_bytes;
}

static void on_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer)
{
    struct connection *connection = stream->data;
    if (count == 0)
        return;
    if (connection->state != CONNECTION_BUSY)
        close_tcp(connection);
    else if (count > 0)
        on_progress(connection, answer_feed(&connection->answer, buffer->base, (size_t)count));
    else
        on_progress(connection, count == UV_EOF ? answer_end(&connection->answer) : ANSWER_BAD);
}

static void send_request(struct connection *connection)
{
    const struct connection_context *context = connection->context;
    uv_buf_t bytes =
        uv_buf_init((char *)(uintptr_t)context->request, (unsigned)context->request_bytes);
    answer_reset(&connection->answer);
    connection->state = CONNECTION_BUSY;
    context->on_sent(connection, connection->request);
    /* The socket's buffer is empty, so a short write means that the connection is broken. */
    if (uv_try_write((uv_stream_t *)&connection->tcp, &bytes, 1) != (int)context->request_bytes)
        settle(connection, SAMPLE_LOST, false);
}

static void on_connected(struct connection *connection, int error)
{
    bool carries = connection->request != CONNECTION_NO_REQUEST;
    if (error != 0 && carries) {
        settle(connection, SAMPLE_LOST, false);
    } else if (error != 0) {
        connection_abandon(connection, error);
    } else if (carries) {
        send_request(connection);
    } else {
        connection->state = CONNECTION_IDLE;
        connection->context->on_open(connection);
        connection->context->on_ready(connection);
    }
}

static void on_connect(uv_connect_t *connect, int status)
{
    struct connection *connection = connect->data;
    if (status == UV_ECANCELED)
        return;
    if (status == 0)
        status = uv_read_start((uv_stream_t *)&connection->tcp, on_alloc, on_read);
    on_connected(connection, status);
}

static void reopen(struct connection *connection)
{
    uv_tcp_init(connection->context->loop, &connection->tcp);
    connection->tcp.data = connection->connect.data = connection;
    connection->state = CONNECTION_CONNECTING;
    int error = uv_tcp_connect(&connection->connect, &connection->tcp, connection->context->address,
                               on_connect);
    if (error == 0)
        uv_tcp_nodelay(&connection->tcp, 1);
    else
        on_connected(connection, error);
}

void connection_open(struct connection *connection)
{
    reopen(connection);
}

void connection_abandon(struct connection *connection, int error)
{
    connection->open_error = error;
    close_tcp(connection);
}

void connection_take(struct connection *connection, size_t request)
{
    connection->request = request;
    if (connection->state == CONNECTION_IDLE)
        send_request(connection);
    else if (connection->state == CONNECTION_CLOSED)
        reopen(connection);
    /* CLOSING: on_close() goes on from here. */
}

void connection_retire(struct connection *connection)
{
    connection->retired = true;
    close_tcp(connection);
}
