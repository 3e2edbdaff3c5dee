/* visitor.c – see visitor.h. */
#include "tests/support/visitor.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum { SMALL_BUFFER_BYTES = 2048 };

/* ------------------------------------------------------------------ the socket */

/* Returns a connected socket, or -1. */
static int connected(const struct sockaddr *address, socklen_t length, bool small)
{
    int bytes = SMALL_BUFFER_BYTES;
    int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && small)
        assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes), 0);
    if (fd >= 0 && connect(fd, address, length) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static void open_visitor(struct visitor *visitor, unsigned port, bool small)
{
    struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
    four.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    six.sin6_addr = in6addr_loopback;
    *visitor = (struct visitor){.fd = connected((struct sockaddr *)&four, sizeof four, small)};
    if (visitor->fd < 0)
        visitor->fd = connected((struct sockaddr *)&six, sizeof six, small);
    assert_true(visitor->fd >= 0);
}

void visitor_open(struct visitor *visitor, unsigned port)
{
    open_visitor(visitor, port, false);
}

void visitor_open_small(struct visitor *visitor, unsigned port)
{
    open_visitor(visitor, port, true);
}

static void forget_answer(struct visitor *visitor)
{
    free(visitor->answer.head);
    free(visitor->answer.body);
    visitor->answer = (struct answer){0};
}

void visitor_close(struct visitor *visitor)
{
    close(visitor->fd);
    free(visitor->input);
    forget_answer(visitor);
}

void visitor_send(struct visitor *visitor, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int sent = vdprintf(visitor->fd, format, arguments);
    va_end(arguments);
    assert_true(sent > 0);
}

void visitor_get(struct visitor *visitor, const char *target, const char *fields)
{
    visitor_send(visitor, "GET %s HTTP/1.1\r\nHost: localhost\r\n%s\r\n", target, fields);
}

/* Reads what there is. Returns false at the end, or when the connection is broken. */
static bool read_more(struct visitor *visitor)
{
    if (visitor->room_bytes - visitor->input_bytes < 4096) {
        visitor->room_bytes = 2 * visitor->room_bytes + 65536;
        visitor->input = realloc(visitor->input, visitor->room_bytes);
        assert_non_null(visitor->input);
    }
    ssize_t got = recv(visitor->fd, visitor->input + visitor->input_bytes,
                       visitor->room_bytes - visitor->input_bytes, 0);
    if (got <= 0)
        return false;
    visitor->input_bytes += (size_t)got;
    return true;
}

/* The first so many bytes, as text, to be freed; NULL if the stream ends before. */
static char *take(struct visitor *visitor, size_t bytes)
{
    while (visitor->input_bytes < bytes) {
        if (!read_more(visitor))
            return NULL;
    }
    char *text = malloc(bytes + 1);
    assert_non_null(text);
    if (bytes > 0)
        memcpy(text, visitor->input, bytes);
    text[bytes] = '\0';
    visitor->input_bytes -= bytes;
    if (visitor->input_bytes > 0)
        memmove(visitor->input, visitor->input + bytes, visitor->input_bytes);
    return text;
}

/* All up to and with these words. */
static char *take_to(struct visitor *visitor, const char *words)
{
    const char *end = NULL;
    size_t length = strlen(words);
    while (visitor->input_bytes == 0 ||
           (end = memmem(visitor->input, visitor->input_bytes, words, length)) == NULL) {
        if (!read_more(visitor))
            return NULL;
    }
    return take(visitor, (size_t)(end - visitor->input) + length);
}

/* ------------------------------------------------------------------ answers */

/* The content of the next chunk; NULL at the end. */
static char *next_chunk(struct visitor *visitor, size_t *length)
{
    char *line = take_to(visitor, "\r\n");
    if (line == NULL)
        return NULL;
    *length = (size_t)strtoull(line, NULL, 16);
    free(line);
    char *chunk = take(visitor, *length + 2);
    if (chunk != NULL)
        chunk[*length] = '\0';
    return chunk;
}

/* All chunks of a content, up to the last one, which is empty; NULL if that is missing. */
static char *take_chunks(struct visitor *visitor, size_t *bytes)
{
    char *all = NULL, *chunk;
    size_t length;
    *bytes = 0;
    while ((chunk = next_chunk(visitor, &length)) != NULL) {
        all = realloc(all, *bytes + length + 1);
        assert_non_null(all);
        memcpy(all + *bytes, chunk, length + 1);
        *bytes += length;
        free(chunk);
        if (length == 0)
            return all;
    }
    free(all);
    return NULL;
}

static bool has_chunks(const struct answer *answer)
{
    if (answer_field(answer, "Transfer-Encoding") == NULL)
        return false;
    const char *type = answer_field(answer, "Content-Type");
    return type == NULL || strcmp(type, "text/event-stream") != 0;
}

const struct answer *visitor_await(struct visitor *visitor)
{
    struct answer *answer = &visitor->answer;
    forget_answer(visitor);
    answer->head = take_to(visitor, "\r\n\r\n");
    if (answer->head == NULL)
        return NULL;
    assert_int_equal(sscanf(answer->head, "HTTP/1.1 %3d ", &answer->status), 1);
    const char *length = answer_field(answer, "Content-Length");
    if (length != NULL)
        answer->body_bytes = (size_t)strtoull(length, NULL, 10);
    answer->body = has_chunks(answer) ? take_chunks(visitor, &answer->body_bytes)
                                      : take(visitor, answer->body_bytes);
    return answer->body != NULL ? answer : NULL;
}

const struct answer *visitor_ask(struct visitor *visitor, const char *target)
{
    visitor_get(visitor, target, "");
    const struct answer *answer = visitor_await(visitor);
    assert_non_null(answer);
    return answer;
}

/* ------------------------------------------------------------------ events */

/* The value of a field line, to be freed; NULL if there is none. */
static char *value_of(const char *text, const char *name)
{
    size_t length = strlen(name);
    for (const char *line = text; line != NULL && *line != '\0';) {
        size_t end = strcspn(line, "\n");
        if (strncmp(line, name, length) == 0)
            return strndup(line + length, end - length);
        line += end + (line[end] == '\n');
    }
    return NULL;
}

/* The server sends one event in one chunk. */
bool visitor_next_event(struct visitor *visitor, struct visitor_event *event)
{
    size_t length = 0;
    char *chunk = next_chunk(visitor, &length);
    if (chunk == NULL || length == 0) {
        free(chunk);
        return false;
    }
    assert_true(strlen(chunk) > 2);
    assert_string_equal(chunk + strlen(chunk) - 2, "\n\n");
    char *id = value_of(chunk, "id: "), *name = value_of(chunk, "event: ");
    *event = (struct visitor_event){.id = -1, .data = value_of(chunk, "data: ")};
    if (id != NULL) {
        const char *number = strchr(id, '-');
        assert_non_null(number);
        snprintf(event->era, sizeof event->era, "%.*s", (int)(number + 1 - id), id);
        event->id = strtol(number + 1, NULL, 10);
        assert_non_null(name);
        assert_string_equal(name, "batch");
    } else {
        assert_string_equal(chunk, "retry: 1000\n\n");
    }
    free(id);
    free(name);
    free(chunk);
    return true;
}

void visitor_free_event(struct visitor_event *event)
{
    free(event->data);
    event->data = NULL;
}
