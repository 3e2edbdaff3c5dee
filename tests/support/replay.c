/* replay.c – see replay.h. The client is a plain socket: libuv would hide when bytes leave. */
#include "tests/support/replay.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PATIENCE_MS = 3000 };

struct replay {
    struct echo_server *server;
    const struct transcript *transcript;
    struct delivery delivery;
    int fd;
    uv_handle_t *server_end; /* valid as long as the server has a connection */
    size_t sent;             /* over all turns */
    bool was_cut;            /* at the turn's mark */
    bool ended;              /* the server has ended the connection */
    int error;               /* errno, if it did so other than by an end of input */
    struct bytes got;        /* all that has come */
    size_t matched;          /* of it */
    uint64_t news;           /* when something came, in the loop's time (ms) */
};

/* ------------------------------------------------------------------ the server's side */

static void find_connection(uv_handle_t *handle, void *found)
{
    struct sockaddr_storage address;
    int length = sizeof address;
    if (handle->type == UV_TCP && !uv_is_closing(handle) &&
        uv_tcp_getpeername((uv_tcp_t *)handle, (struct sockaddr *)&address, &length) == 0)
        *(uv_handle_t **)found = handle;
}

/* The server's end of the connection, or NULL when it has been closed. */
static uv_handle_t *server_end(struct replay *replay)
{
    if (replay->server->http.connection_handles == 0)
        return NULL;
    if (replay->server_end == NULL)
        uv_walk(replay->server->http.loop, find_connection, &replay->server_end);
    bool open = replay->server_end != NULL && !uv_is_closing(replay->server_end);
    return open ? replay->server_end : NULL;
}

static size_t bytes_to_read(uv_handle_t *handle)
{
    uv_os_fd_t fd;
    int bytes = 0;
    if (uv_fileno(handle, &fd) == 0)
        ioctl(fd, FIONREAD, &bytes);
    return (size_t)bytes;
}

/* A connection that owes answers, or has stopped reading, leaves its input where it is. */
static bool has_read_all(struct replay *replay)
{
    uv_handle_t *handle = server_end(replay);
    return handle == NULL || !uv_is_active(handle) || bytes_to_read(handle) == 0;
}

/* What other connections would leave behind in the memory that all of them share. */
static void spoil_shared_memory(struct http_server *http, size_t input_bytes)
{
    memset(http->parser_shared.scratch, 'Z', http->limits.max_header_bytes);
    http->parser_shared.memo_length = 0; /* as a parser does when it writes there */
    memset(http->input, 'Z', input_bytes < HTTP_INPUT_BYTES ? input_bytes : HTTP_INPUT_BYTES);
}

/* ------------------------------------------------------------------ the client's side */

static void receive(struct replay *replay)
{
    char piece[16 * 1024];
    while (!replay->ended) {
        ssize_t length = recv(replay->fd, piece, sizeof piece, MSG_DONTWAIT);
        if (length < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (length <= 0) {
            replay->ended = true;
            replay->error = length < 0 ? errno : 0;
            return;
        }
        replay->news = uv_now(replay->server->http.loop);
        bytes_add(&replay->got, piece, (size_t)length);
    }
}

static void run_once(struct replay *replay)
{
    uv_run(replay->server->http.loop, UV_RUN_NOWAIT);
    receive(replay);
}

/* Sleeps until the server or the client has something to do. Returns false if nothing comes. */
static bool wait_for_event(struct replay *replay)
{
    struct pollfd events[] = {
        {.fd = uv_backend_fd(replay->server->http.loop), .events = POLLIN},
        {.fd = replay->fd, .events = POLLIN},
    };
    int timeout = uv_backend_timeout(replay->server->http.loop);
    if (timeout < 0 || timeout > PATIENCE_MS)
        timeout = PATIENCE_MS;
    poll(events, 2, timeout);
    uv_update_time(replay->server->http.loop);
    return uv_now(replay->server->http.loop) - replay->news < PATIENCE_MS;
}

static void connect_to(struct replay *replay)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)http_server_port(&replay->server->http)),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    /* Leaving by a reset keeps thousands of replays from using up the ports. */
    struct linger reset = {.l_onoff = 1};
    replay->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(replay->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    setsockopt(replay->fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    int rc = connect(replay->fd, (struct sockaddr *)&address, sizeof address);
    assert(rc == 0);
    (void)rc;
    while (server_end(replay) == NULL)
        uv_run(replay->server->http.loop, UV_RUN_ONCE);
}

static void leave(struct replay *replay)
{
    close(replay->fd);
    while (replay->server->http.connection_handles > 0)
        uv_run(replay->server->http.loop, UV_RUN_ONCE);
    bytes_free(&replay->got);
}

/* ------------------------------------------------------------------ delivering */

/* Until the server has read all, and everything that it can answer by itself is answered. */
static void settle(struct replay *replay)
{
    do {
        run_once(replay);
    } while (!has_read_all(replay) || replay->server->soon_exchange != NULL);
}

/* Bytes travel through the loopback device at once, but for that the kernel gives no promise. */
static void await_arrival(struct replay *replay, size_t length)
{
    uv_handle_t *handle = server_end(replay);
    uv_os_fd_t fd;
    if (handle == NULL || length > 16 * 1024 || uv_fileno(handle, &fd) != 0)
        return;
    for (int i = 0; i < PATIENCE_MS && uv_is_active(handle) && bytes_to_read(handle) < length; i++)
        poll(&(struct pollfd){.fd = fd, .events = POLLRDHUP}, 1, 1);
}

static void send_piece(struct replay *replay, const char *bytes, size_t length)
{
    while (length > 0 && !replay->ended) {
        ssize_t sent = send(replay->fd, bytes, length, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && errno != EAGAIN)
            return; /* the server has closed; what it has said tells whether that was right */
        if (sent < 0) {
            run_once(replay);
            continue;
        }
        bytes += sent;
        length -= (size_t)sent;
        replay->sent += (size_t)sent;
        await_arrival(replay, (size_t)sent);
    }
}

static size_t next_cut(const struct replay *replay, size_t length)
{
    size_t piece = length;
    if (replay->delivery.kind == DELIVER_BYTES)
        piece = 1;
    if (replay->delivery.kind == DELIVER_SPLIT && replay->delivery.split_at > replay->sent)
        piece = replay->delivery.split_at - replay->sent;
    return piece < length ? piece : length;
}

static void deliver(struct replay *replay, const struct turn *turn)
{
    size_t at = 0;
    replay->was_cut = false;
    while (at < turn->input.length && !replay->ended) {
        size_t piece = next_cut(replay, turn->input.length - at);
        if (turn->has_mark && at == turn->mark)
            replay->was_cut = true;
        send_piece(replay, turn->input.at + at, piece);
        at += piece;
        if (at < turn->input.length) {
            settle(replay);
            spoil_shared_memory(&replay->server->http, piece);
        }
    }
    if (turn->ends_input)
        shutdown(replay->fd, SHUT_WR);
    settle(replay);
    spoil_shared_memory(&replay->server->http, turn->input.length);
}

/* ------------------------------------------------------------------ judging */

static enum match match_answers(struct replay *replay, const struct turn *turn, size_t *next)
{
    while (*next < turn->expectation_count) {
        const struct expectation *expectation = &turn->expectations[*next];
        if (!expectation->only_if_cut || replay->was_cut) {
            enum match match = expectation_match(expectation, &replay->got, &replay->matched);
            if (match != MATCH_WHOLE)
                return match;
        }
        ++*next;
    }
    return MATCH_WHOLE;
}

/* Runs the loop until the turn's answers have come; /slow answers whenever nothing else does. */
static enum match await_answers(struct replay *replay, const struct turn *turn)
{
    size_t next = 0;
    for (;;) {
        enum match match = match_answers(replay, turn, &next);
        if (match != MATCH_PART)
            return match;
        if (replay->ended)
            return MATCH_PART;
        if (replay->server->slow_exchange != NULL)
            echo_server_release(replay->server);
        else if (!wait_for_event(replay))
            return MATCH_PART;
        settle(replay);
    }
}

static bool await_end(struct replay *replay)
{
    while (!replay->ended && wait_for_event(replay))
        run_once(replay);
    return replay->ended && replay->error == 0;
}

/* A request that must be answered behind all that was said before. */
static bool is_open(struct replay *replay)
{
    static char request[] = "GET /echo?still-there HTTP/1.1\r\nHost: probe\r\n\r\n";
    static const char answer[] = "\r\n\r\nstill-there";
    size_t from = replay->got.length;
    if (replay->ended)
        return false;
    send_piece(replay, request, sizeof request - 1);
    while (replay->got.length < from + sizeof answer - 1 && !replay->ended) {
        if (!wait_for_event(replay))
            return false;
        run_once(replay);
    }
    if (replay->got.length < from + sizeof answer - 1)
        return false;
    size_t behind = replay->got.length - (sizeof answer - 1);
    bool answered = strncmp(replay->got.at + from, "HTTP/1.1 200 OK\r\n", 17) == 0 &&
                    memcmp(replay->got.at + behind, answer, sizeof answer - 1) == 0;
    if (answered)
        replay->got.length = from;
    return answered;
}

static const char *judge_end(struct replay *replay)
{
    switch (replay->transcript->end) {
    case ENDS_CLOSED:
        if (!await_end(replay))
            return "the server does not end the connection in order";
        break;
    case ENDS_OPEN:
        if (!is_open(replay))
            return "the server does not keep the connection open";
        break;
    case ENDS_WAITING:
        if (replay->ended)
            return "the server ends the connection";
        break;
    }
    return replay->matched < replay->got.length ? "more came than was expected" : NULL;
}

static void print_bytes(const char *label, const char *bytes, size_t length)
{
    fprintf(stderr, "%s", label);
    for (size_t i = 0; i < length && i < 2000; i++) {
        if (bytes[i] == '\n')
            fprintf(stderr, "\\n\n        ");
        else if (bytes[i] == '\r')
            fprintf(stderr, "\\r");
        else
            fprintf(stderr, bytes[i] < ' ' || bytes[i] > '~' ? "\\x%02x" : "%c",
                    (unsigned char)bytes[i]);
    }
    fprintf(stderr, "\n");
}

static void report(struct replay *replay, const struct turn *turn, const char *problem)
{
    static const char *const kinds[] = {"whole", "byte by byte", "split"};
    fprintf(stderr, "%s\n  delivered %s", replay->transcript->name, kinds[replay->delivery.kind]);
    if (replay->delivery.kind == DELIVER_SPLIT)
        fprintf(stderr, " at %zu", replay->delivery.split_at);
    fprintf(stderr, ": %s%s%s\n", problem, replay->error != 0 ? ": " : "",
            replay->error != 0 ? strerror(replay->error) : "");
    print_bytes("  came: ", replay->got.at, replay->got.length);
    fprintf(stderr, "  matched %zu bytes of it\n", replay->matched);
    for (size_t i = 0; turn != NULL && i < turn->expectation_count; i++)
        print_bytes("  expected: ", turn->expectations[i].text.at,
                    turn->expectations[i].text.length);
}

/* What came, without what may differ between two deliveries. */
static struct bytes without_variables(const struct bytes *got)
{
    static const char interim[] = "HTTP/1.1 100 Continue\r\n\r\n";
    struct bytes constant = {0};
    bytes_add(&constant, "", 1); /* so that nothing is something as well */
    for (size_t at = 0; at < got->length; at++) {
        size_t rest = got->length - at;
        if (rest >= sizeof interim && memcmp(got->at + at, interim, sizeof interim - 1) == 0)
            at += sizeof interim - 1;
        if (rest > 37 && memcmp(got->at + at, "\nDate: ", 7) == 0)
            at += 36; /* the date's length is matched elsewhere */
        bytes_add(&constant, got->at + at, 1);
    }
    return constant;
}

/* The first delivery becomes the reference. */
static bool is_as_before(const struct replay *replay, struct bytes *reference)
{
    struct bytes constant = without_variables(&replay->got);
    if (reference->at == NULL) {
        *reference = constant;
        return true;
    }
    bool same = constant.length == reference->length &&
                (constant.length == 0 || memcmp(constant.at, reference->at, constant.length) == 0);
    bytes_free(&constant);
    return same;
}

int replay(struct echo_server *server, const struct transcript *transcript,
           struct delivery delivery, struct bytes *reference)
{
    struct replay replay = {.server = server, .transcript = transcript, .delivery = delivery};
    const struct turn *turn = transcript->turns;
    const char *problem = NULL;
    bytes_add(&replay.got, "", 1);
    replay.got.length = 0;
    connect_to(&replay);
    replay.news = uv_now(server->http.loop);
    for (; problem == NULL && turn < transcript->turns + transcript->turn_count; turn++) {
        deliver(&replay, turn);
        if (await_answers(&replay, turn) != MATCH_WHOLE)
            problem = "the answer is not the expected one";
    }
    if (problem == NULL)
        problem = judge_end(&replay);
    if (problem == NULL && !is_as_before(&replay, reference))
        problem = "the answer is not the one to another delivery";
    if (problem != NULL)
        report(&replay, turn > transcript->turns ? turn - 1 : NULL, problem);
    leave(&replay);
    return problem == NULL ? 0 : -1;
}
