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
#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "server/http/problem.h"

/*                 first byte            last byte             deferred
 *      IDLE ────────────────▶ READING ────────────▶ HANDLING ◀──┐
 *       ▲ ▲                    │  ▲                   │  └──────┘
 *       │ └── nothing more ────┼──┴───── answered ────┤
 *       │                      │ refused, timed out   │ answered, the peer is slow
 *       │                      ▼                      ▼
 *       └────── written ──── WRITING ◀────────────────┘
 *                              │ written, and it was the last answer
 *                              ▼
 *                          LINGERING ── end of input, or time-out ──▶ CLOSING ──▶ freed
 *
 * From every state an error, or http_connection_close, leads to CLOSING. */
enum connection_state {
    CONNECTION_IDLE,      /* between two messages */
    CONNECTION_READING,   /* a part of a message has come */
    CONNECTION_HANDLING,  /* a handler has the request and will answer */
    CONNECTION_WRITING,   /* answers wait for the peer to take them */
    CONNECTION_LINGERING, /* all is said; input is thrown away, so that no reset overtakes the
                             answer */
    CONNECTION_CLOSING,   /* the handle is being closed; nothing else happens any more */
};

enum { KEPT_MAX = 64 * 1024, LINGER_MS = 2000 };

struct http_exchange {
    void (*on_abandoned)(void *data);
    void *data;
    bool deferred;
    bool head_only;  /* HEAD: no content in the answer */
    bool keep_alive; /* as far as this request is concerned */
    bool explicitly; /* HTTP/1.0 wants to be told */
};

struct http_connection {
    uv_tcp_t socket;
    struct http_server *server;
    struct http_connection *next, *previous;
    enum connection_state state;
    struct http_parser parser;
    struct http_exchange exchange;

    const char *unread; /* not yet parsed; in the loop's input or in `kept` */
    size_t unread_bytes;
    char *kept;

    uint64_t since;     /* the tick that the state's time-out counts from */
    size_t write_queue; /* bytes that waited at the last look */
    unsigned writes;    /* in libuv's hands */
    unsigned answered;  /* requests, over its life */
    bool last;          /* no further message is taken */
    bool lingers;       /* the peer may still be sending when the last answer leaves */
    bool ended;         /* the peer will send nothing more */
    bool receiving;     /* uv_read_start is in force */
};

static struct http_connection *connection_of(const struct http_exchange *exchange)
{
    return (struct http_connection *)((uintptr_t)exchange -
                                      offsetof(struct http_connection, exchange));
}

static uv_stream_t *stream_of(struct http_connection *connection)
{
    return (uv_stream_t *)&connection->socket;
}

struct http_connection *http_connection_next(const struct http_connection *connection)
{
    return connection->next;
}

static void leave(struct http_connection *connection);

static void enter(struct http_connection *connection)
{
    assert(connection->server->running == NULL && connection->server->output_length == 0);
    connection->server->running = connection;
}

/* ------------------------------------------------------------------ the door out */

static void on_closed(uv_handle_t *handle)
{
    struct http_connection *connection = handle->data;
    struct http_server *server = connection->server;
    http_parser_close(&connection->parser);
    free(connection->kept);
    free(connection);
    server->connection_count--;
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
}

void http_connection_close(struct http_connection *connection)
{
    if (connection->state == CONNECTION_CLOSING)
        return;
    bool abandoned = connection->state == CONNECTION_HANDLING && connection->exchange.deferred;
    connection->state = CONNECTION_CLOSING;
    unlink_connection(connection);
    uv_close((uv_handle_t *)&connection->socket, on_closed);
    if (abandoned) {
        connection->server->counters.exchanges_abandoned++;
        connection->exchange.on_abandoned(connection->exchange.data);
    }
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
    connection->since = connection->server->ticks;
    connection->unread_bytes = 0;
}

/* ------------------------------------------------------------------ writing */

struct pending_write {
    uv_write_t request;
    char bytes[];
};

static void on_written(uv_write_t *request, int status)
{
    struct http_connection *connection = request->handle->data;
    free(request);
    connection->writes--;
    if (connection->state == CONNECTION_CLOSING)
        return;
    if (status < 0) {
        http_connection_close(connection);
    } else if (connection->writes == 0) {
        enter(connection);
        leave(connection);
    }
}

static struct pending_write *pending_write_new(struct http_connection *connection, size_t bytes)
{
    struct pending_write *write = malloc(sizeof *write + bytes);
    if (write == NULL) {
        connection->server->counters.out_of_memory++;
        http_connection_close(connection);
    }
    return write;
}

static void pending_write_start(struct http_connection *connection, struct pending_write *write,
                                size_t bytes)
{
    uv_buf_t buffer = uv_buf_init(write->bytes, (unsigned)bytes);
    if (uv_write(&write->request, stream_of(connection), &buffer, 1, on_written) != 0) {
        free(write);
        http_connection_close(connection);
        return;
    }
    connection->writes++;
}

/* Writes the output that has gathered; what the socket does not take waits in memory of its own. */
static void flush(struct http_connection *connection)
{
    struct http_server *server = connection->server;
    size_t length = server->output_length;
    server->output_length = 0;
    if (length == 0 || connection->state == CONNECTION_CLOSING)
        return;
    uv_buf_t buffer = uv_buf_init(server->output, (unsigned)length);
    int written = uv_try_write(stream_of(connection), &buffer, 1);
    if (written == UV_EAGAIN)
        written = 0;
    if (written < 0) {
        http_connection_close(connection);
        return;
    }
    size_t rest = length - (size_t)written;
    struct pending_write *write = rest > 0 ? pending_write_new(connection, rest) : NULL;
    if (write == NULL)
        return;
    memcpy(write->bytes, server->output + written, rest);
    pending_write_start(connection, write, rest);
}

static size_t put_response(char *at, const struct http_connection *connection,
                           const struct http_response *response, enum http_persistence persistence)
{
    const char *date = http_date_line(&connection->server->date, time(NULL));
    size_t length = http_response_head(at, response, persistence, date);
    if (connection->exchange.head_only || response->body_bytes == 0)
        return length;
    memcpy(at + length, response->body, response->body_bytes);
    return length + response->body_bytes;
}

static void send_response(struct http_connection *connection, const struct http_response *response,
                          enum http_persistence persistence)
{
    struct http_server *server = connection->server;
    size_t bound = http_response_head_bound(response) + response->body_bytes;
    if (bound > HTTP_OUTPUT_BYTES - server->output_length)
        flush(connection);
    if (connection->state == CONNECTION_CLOSING)
        return;
    if (bound <= HTTP_OUTPUT_BYTES) {
        char *at = server->output + server->output_length;
        server->output_length += put_response(at, connection, response, persistence);
        return;
    }
    struct pending_write *write = pending_write_new(connection, bound);
    if (write != NULL)
        pending_write_start(connection, write,
                            put_response(write->bytes, connection, response, persistence));
}

static void count_answer(struct http_counters *counters, int status)
{
    if (status < 400)
        counters->answers_2xx++;
    else if (status < 500)
        counters->answers_4xx++;
    else
        counters->answers_5xx++;
}

/* ------------------------------------------------------------------ exchanges */

const struct http_request *http_exchange_request(const struct http_exchange *exchange)
{
    return &connection_of(exchange)->parser.request;
}

void http_exchange_defer(struct http_exchange *exchange, void (*on_abandoned)(void *data),
                         void *data)
{
    exchange->deferred = true;
    exchange->on_abandoned = on_abandoned;
    exchange->data = data;
}

/* A connection goes on unless this request, its quota or a drain ends it; a drain lets the requests
 * that have already been read be answered first. */
static enum http_persistence persistence_of(const struct http_connection *connection)
{
    const struct http_server *server = connection->server;
    unsigned quota = server->limits.max_requests_per_socket;
    if (!connection->exchange.keep_alive || (quota > 0 && connection->answered >= quota) ||
        (server->draining && connection->unread_bytes == 0))
        return HTTP_CLOSES;
    return connection->exchange.explicitly ? HTTP_PERSISTS_EXPLICITLY : HTTP_PERSISTS;
}

void http_exchange_answer(struct http_exchange *exchange, const struct http_response *response)
{
    struct http_connection *connection = connection_of(exchange);
    struct http_server *server = connection->server;
    assert(connection->state == CONNECTION_HANDLING);
    bool resumes = server->running != connection; /* a deferred answer: we are not inside leave() */
    if (resumes)
        enter(connection);
    connection->answered++;
    enum http_persistence persistence = persistence_of(connection);
    if (persistence == HTTP_CLOSES) {
        connection->last = true;
        connection->lingers = exchange->keep_alive || connection->unread_bytes > 0;
    }
    connection->state = CONNECTION_IDLE;
    connection->since = server->ticks;
    count_answer(&server->counters, response->status);
    send_response(connection, response, persistence);
    if (resumes)
        leave(connection);
}

static void handle(struct http_connection *connection)
{
    struct http_server *server = connection->server;
    const struct http_request *request = &connection->parser.request;
    connection->state = CONNECTION_HANDLING;
    connection->exchange = (struct http_exchange){
        .head_only = request->method == HTTP_METHOD_HEAD,
        .keep_alive = request->keep_alive,
        .explicitly = request->version_minor == 0,
    };
    server->counters.requests++;
    http_router_dispatch(&server->router, &connection->exchange, server->context);
    assert(connection->state != CONNECTION_HANDLING || connection->exchange.deferred);
    http_parser_next(&connection->parser);
}

/* Answers what is no request, as the last thing that happens here. */
static void refuse(struct http_connection *connection, int status, const char *detail)
{
    struct http_counters *counters = &connection->server->counters;
    size_t length = 0;
    char *document = http_problem_document(status, detail, &length);
    struct http_response response = {
        .status = status,
        .content_type = document != NULL ? "application/problem+json" : NULL,
        .body = document,
        .body_bytes = length,
    };
    connection->exchange = (struct http_exchange){0};
    connection->last = connection->lingers = true;
    count_answer(counters, status);
    send_response(connection, &response, HTTP_CLOSES);
    cJSON_free(document);
}

/* ------------------------------------------------------------------ one turn of its life */

static void put_continue(struct http_connection *connection)
{
    static const char text[] = "HTTP/1.1 100 Continue\r\n\r\n";
    struct http_server *server = connection->server;
    if (HTTP_OUTPUT_BYTES - server->output_length < sizeof text)
        flush(connection);
    memcpy(server->output + server->output_length, text, sizeof text - 1);
    server->output_length += sizeof text - 1;
}

static bool can_take(const struct http_connection *connection)
{
    return connection->unread_bytes > 0 && !connection->last && connection->writes == 0 &&
           connection->state != CONNECTION_HANDLING && connection->state < CONNECTION_LINGERING;
}

static void take(struct http_connection *connection)
{
    struct http_parser *parser = &connection->parser;
    enum http_parser_event event;
    size_t consumed =
        http_parser_feed(parser, connection->unread, connection->unread_bytes, &event);
    connection->unread += consumed;
    connection->unread_bytes -= consumed;
    if (event == HTTP_PARSER_MESSAGE) {
        handle(connection);
    } else if (event == HTTP_PARSER_EXPECTS && connection->unread_bytes == 0) {
        put_continue(connection);
    } else if (event == HTTP_PARSER_REFUSED) {
        connection->server->counters.messages_refused++;
        refuse(connection, parser->refusal.status, parser->refusal.detail);
    }
}

/* Bytes that nobody took must leave the loop's input; bytes that were taken need no memory any
 * more. */
static void keep_unread(struct http_connection *connection)
{
    if (connection->unread_bytes > 0 && connection->unread == connection->kept)
        return;
    char *kept = NULL;
    if (connection->unread_bytes > 0) {
        kept = malloc(connection->unread_bytes);
        if (kept == NULL) {
            connection->server->counters.out_of_memory++;
            http_connection_close(connection);
            return;
        }
        memcpy(kept, connection->unread, connection->unread_bytes);
    }
    free(connection->kept);
    connection->kept = kept;
    connection->unread = kept;
}

/* The peer has ended its half in the middle of a message. */
static bool is_truncated(const struct http_connection *connection)
{
    return connection->ended && !connection->last && connection->unread_bytes == 0 &&
           connection->writes == 0 && connection->state < CONNECTION_HANDLING &&
           http_parser_in_message(&connection->parser);
}

static void settle(struct http_connection *connection)
{
    struct http_server *server = connection->server;
    bool in_message = http_parser_in_message(&connection->parser);
    if (connection->state == CONNECTION_HANDLING || connection->state >= CONNECTION_LINGERING)
        return;
    if (connection->writes > 0) {
        connection->state = CONNECTION_WRITING;
        connection->since = server->ticks;
        connection->write_queue = uv_stream_get_write_queue_size(stream_of(connection));
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
                  connection->unread_bytes < KEPT_MAX;
    if (wanted == connection->receiving || connection->state == CONNECTION_CLOSING)
        return;
    connection->receiving = wanted;
    if (!wanted)
        uv_read_stop(stream_of(connection));
    else if (uv_read_start(stream_of(connection), on_alloc, on_read) != 0)
        http_connection_close(connection);
}

static void leave(struct http_connection *connection)
{
    while (can_take(connection))
        take(connection);
    if (is_truncated(connection))
        refuse(connection, 400, "the input ended in the middle of a request");
    flush(connection);
    connection->server->running = NULL;
    if (connection->state == CONNECTION_CLOSING)
        return;
    keep_unread(connection);
    settle(connection);
    update_receiving(connection);
}

/* ------------------------------------------------------------------ what the socket brings */

static int append_kept(struct http_connection *connection, const char *bytes, size_t length)
{
    char *kept = realloc(connection->kept, connection->unread_bytes + length);
    if (kept == NULL)
        return UV_ENOMEM;
    memcpy(kept + connection->unread_bytes, bytes, length);
    connection->unread = connection->kept = kept;
    connection->unread_bytes += length;
    return 0;
}

static void on_end_of_input(struct http_connection *connection)
{
    connection->ended = true;
    if (connection->state == CONNECTION_HANDLING || connection->state == CONNECTION_LINGERING) {
        http_connection_close(connection); /* whoever waits for an answer keeps its half open */
        return;
    }
    enter(connection);
    leave(connection);
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
    if (length == 0 || connection->state == CONNECTION_LINGERING)
        return;
    if (connection->kept == NULL) {
        connection->unread = buffer->base;
        connection->unread_bytes = (size_t)length;
    } else if (append_kept(connection, buffer->base, (size_t)length) != 0) {
        connection->server->counters.out_of_memory++;
        http_connection_close(connection);
        return;
    }
    enter(connection);
    leave(connection);
}

/* ------------------------------------------------------------------ for the server */

static void link_connection(struct http_server *server, struct http_connection *connection)
{
    connection->next = server->connections;
    if (connection->next != NULL)
        connection->next->previous = connection;
    server->connections = connection;
    server->connection_count++;
}

int http_connection_accept(struct http_server *server)
{
    struct http_connection *connection = calloc(1, sizeof *connection);
    if (connection == NULL)
        return UV_ENOMEM;
    connection->server = server;
    connection->since = server->ticks;
    connection->socket.data = connection;
    http_parser_init(&connection->parser, &server->parser_shared);
    uv_tcp_init(server->loop, &connection->socket);
    link_connection(server, connection);
    int rc = uv_accept((uv_stream_t *)&server->listener, stream_of(connection));
    if (rc != 0) {
        http_connection_close(connection);
        return rc;
    }
    server->counters.connections_accepted++;
    enter(connection);
    if (server->connection_count > server->limits.max_connections) {
        server->counters.connections_refused++;
        refuse(connection, 503, "this server has as many connections as it may have");
    }
    leave(connection);
    return 0;
}

void http_connection_drain(struct http_connection *connection)
{
    /* One that was busy a moment ago may have its next request under way: the early tick ends it.
     */
    if (connection->state == CONNECTION_IDLE && connection->since < connection->server->ticks)
        http_connection_close(connection);
}

static bool is_expired(const struct http_connection *connection, unsigned after_ms)
{
    const struct http_server *server = connection->server;
    return server->ticks - connection->since > after_ms / server->tick_ms;
}

static void time_out(struct http_connection *connection, uint64_t *counter, const char *detail)
{
    ++*counter;
    enter(connection);
    refuse(connection, 408, detail);
    leave(connection);
}

static void tick_idle(struct http_connection *connection)
{
    struct http_server *server = connection->server;
    unsigned limit = connection->answered > 0 ? server->limits.keep_alive_timeout_ms
                                              : server->limits.headers_timeout_ms;
    if (server->draining) {
        http_connection_close(connection);
    } else if (is_expired(connection, limit)) {
        server->counters.timeouts_keep_alive++;
        http_connection_close(connection);
    }
}

static void tick_reading(struct http_connection *connection)
{
    struct http_server *server = connection->server;
    if (http_parser_in_head(&connection->parser)) {
        if (is_expired(connection, server->limits.headers_timeout_ms))
            time_out(connection, &server->counters.timeouts_headers,
                     "the head of the request took too long");
    } else if (is_expired(connection, server->limits.request_timeout_ms)) {
        time_out(connection, &server->counters.timeouts_request, "the request took too long");
    }
}

/* A slow peer may take its time as long as it takes something. */
static void tick_writing(struct http_connection *connection)
{
    struct http_server *server = connection->server;
    size_t queue = uv_stream_get_write_queue_size(stream_of(connection));
    if (queue < connection->write_queue) {
        connection->write_queue = queue;
        connection->since = server->ticks;
    } else if (is_expired(connection, server->limits.write_timeout_ms)) {
        server->counters.timeouts_write++;
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
    case CONNECTION_CLOSING:
        break;
    }
}
