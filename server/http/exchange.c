/* exchange.c – the dialogue on a connection: a request goes to its handler, an answer goes out.
 *
 * An answer is formatted straight into the outbox. One that comes at once is sent by the caller's
 * leave(); one that was deferred comes from some other callback of the loop, so it enters the
 * connection first and lets it go on with what has arrived in the meantime when it leaves. */
#include "server/http/exchange.h"

#include <assert.h>
#include <cjson/cJSON.h>
#include <string.h>

#include "server/http/connection_state.h"
#include "server/http/preface.h"
#include "server/http/problem.h"

static size_t put_response(char *at, const struct http_connection *connection,
                           const struct http_response *response, enum http_persistence persistence)
{
    const char *date = http_date_line(&connection->server->date, time(NULL));
    size_t length =
        http_response_head(at, response, persistence, date, &connection->server->fields);
    if (connection->exchange.head_only || response->body_bytes == 0)
        return length;
    memcpy(at + length, response->body, response->body_bytes);
    return length + response->body_bytes;
}

void http_exchange_send(struct http_connection *connection, const struct http_response *response,
                        enum http_persistence persistence)
{
    char *room;
    size_t bound =
        http_response_head_bound(response, &connection->server->fields) + response->body_bytes;
    int rc = http_outbox_reserve(&connection->outbox, bound, &room);
    if (rc == 0)
        rc = http_outbox_commit(&connection->outbox,
                                put_response(room, connection, response, persistence));
    if (rc != 0)
        http_connection_give_up(connection, rc);
}

static void count_answer(struct http_counters *counters, int status)
{
    if (status < 400)
        counter_add(&counters->answers_2xx, 1);
    else if (status < 500)
        counter_add(&counters->answers_4xx, 1);
    else
        counter_add(&counters->answers_5xx, 1);
}

/* ------------------------------------------------------------------ exchanges */

const struct http_request *http_exchange_request(const struct http_exchange *exchange)
{
    return &http_connection_of(exchange)->parser.message.request;
}

void *http_exchange_context(const struct http_exchange *exchange)
{
    return http_connection_of(exchange)->server->context;
}

void http_exchange_defer(struct http_exchange *exchange, void (*on_abandoned)(void *data),
                         void *data)
{
    exchange->deferred = true;
    exchange->on_abandoned = on_abandoned;
    exchange->data = data;
}

void http_exchange_routed(struct http_exchange *exchange, size_t route)
{
    const struct http_connection *connection = http_connection_of(exchange);
    exchange->like.route = route;
    exchange->like.began_ns = connection->read_at_ns;
    http_watched_request(&connection->server->watched, exchange, &exchange->like);
}

size_t http_exchange_route(const struct http_exchange *exchange)
{
    return exchange->like.route;
}

uint64_t http_exchange_began_ns(const struct http_exchange *exchange)
{
    return exchange->like.began_ns;
}

int http_exchange_fd(const struct http_exchange *exchange)
{
    uv_os_fd_t fd;
    const uv_tcp_t *socket = &http_connection_of(exchange)->socket;
    int rc = uv_fileno((const uv_handle_t *)socket, &fd);
    return rc == 0 ? fd : rc;
}

/* A connection goes on unless this request, its quota or a drain ends it; a drain lets the requests
 * that have already been read be answered first. */
enum http_persistence http_exchange_persistence(const struct http_connection *connection)
{
    const struct http_server *server = connection->server;
    unsigned quota = server->limits.max_requests_per_socket;
    if (!connection->exchange.keep_alive || (quota > 0 && connection->requests >= quota) ||
        (server->draining && connection->inbox.length == 0))
        return HTTP_CLOSES;
    return connection->exchange.explicitly ? HTTP_PERSISTS_EXPLICITLY : HTTP_PERSISTS;
}

enum http_persistence http_exchange_conclude(struct http_connection *connection, int status)
{
    struct http_server *server = connection->server;
    assert(connection->state == CONNECTION_HANDLING);
    enum http_persistence persistence = http_exchange_persistence(connection);
    if (persistence == HTTP_CLOSES) {
        connection->last = true;
        connection->lingers |= connection->exchange.keep_alive || connection->inbox.length > 0;
    }
    connection->state = CONNECTION_IDLE;
    connection->since = server->ticks;
    count_answer(server->counters, status);
    if (server->watched.watcher != NULL)
        http_watched_answer(&server->watched, &connection->exchange.like, status);
    return persistence;
}

void http_exchange_answer(struct http_exchange *exchange, const struct http_response *response)
{
    struct http_connection *connection = http_connection_of(exchange);
    bool resumes = connection->server->running != connection; /* deferred: not inside leave() */
    if (resumes)
        http_connection_enter(connection);
    http_exchange_send(connection, response, http_exchange_conclude(connection, response->status));
    if (resumes)
        http_connection_leave(connection);
}

static void send_prepared(struct http_connection *connection, const struct http_prepared *prepared)
{
    char *room;
    int rc = http_outbox_reserve(&connection->outbox, prepared->length, &room);
    if (rc == 0) {
        http_prepared_copy(room, prepared, http_date_line(&connection->server->date, time(NULL)));
        rc = http_outbox_commit(&connection->outbox, prepared->length);
    }
    if (rc != 0)
        http_connection_give_up(connection, rc);
}

void http_exchange_answer_prepared(struct http_exchange *exchange,
                                   const struct http_prepared *prepared)
{
    struct http_connection *connection = http_connection_of(exchange);
    bool usual = prepared->length > 0 && !exchange->head_only;
    if (!usual || connection->server->running != connection) {
        http_exchange_answer(exchange, &prepared->response);
        return;
    }
    enum http_persistence persistence =
        http_exchange_conclude(connection, prepared->response.status);
    if (persistence == HTTP_PERSISTS)
        send_prepared(connection, prepared);
    else
        http_exchange_send(connection, &prepared->response, persistence);
}

void http_exchange_begin(struct http_connection *connection)
{
    struct http_server *server = connection->server;
    const struct http_request *request = &connection->parser.message.request;
    connection->state = CONNECTION_HANDLING;
    connection->requests++;
    connection->exchange = (struct http_exchange){
        .head_only = request->method == HTTP_METHOD_HEAD,
        .keep_alive = request->keep_alive,
        .explicitly = request->version_minor == 0,
    };
    counter_add(&server->counters->requests, 1);
    http_router_dispatch(&server->router, &connection->exchange, server->context);
    assert(connection->state != CONNECTION_HANDLING || connection->exchange.deferred);
    http_parser_next(&connection->parser);
}

/* Every bound on what a client sends has a counter of its own; those of time are counted by
 * timeouts.c. */
static void count_bounds(struct http_counters *counters, int status)
{
    counter_add(&counters->limits_content, status == 413);
    counter_add(&counters->limits_target, status == 414);
    counter_add(&counters->limits_fields, status == 431);
}

static void send_problem(struct http_connection *connection, int status, const char *detail)
{
    size_t length = 0;
    char *document = http_problem_document(status, detail, &length);
    http_exchange_send(connection,
                       &(struct http_response){
                           .status = status,
                           .content_type = document != NULL ? "application/problem+json" : NULL,
                           .body = document,
                           .body_bytes = length,
                       },
                       HTTP_CLOSES);
    cJSON_free(document);
}

static void send_goaway(struct http_connection *connection, const char *detail)
{
    char *room;
    int rc = http_outbox_reserve(&connection->outbox, HTTP_PREFACE_ANSWER_BYTES, &room);
    if (rc == 0)
        rc = http_outbox_commit(&connection->outbox, http_preface_answer(room, detail));
    if (rc != 0)
        http_connection_give_up(connection, rc);
}

void http_exchange_refuse(struct http_connection *connection, int status, const char *detail)
{
    struct http_counters *counters = connection->server->counters;
    connection->exchange =
        (struct http_exchange){.head_only = http_parser_knows_head(&connection->parser)};
    connection->last = connection->lingers = true;
    count_bounds(counters, status);
    count_answer(counters, status);
    if (connection->parser.message.http2)
        send_goaway(connection, detail);
    else
        send_problem(connection, status, detail);
}
