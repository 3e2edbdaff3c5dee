/* client.c – see client.h. */
#include "tests/support/client.h"

#include <cjson/cJSON.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <cmocka.h>

enum { DEAF_BUFFER_BYTES = 4096 };

/* ------------------------------------------------------------------ cutting answers */

static char *copy_text(const char *bytes, size_t length)
{
    char *text = malloc(length + 1);
    assert_non_null(text);
    memcpy(text, bytes, length);
    text[length] = '\0';
    return text;
}

const char *answer_field(const struct answer *answer, const char *name)
{
    static _Thread_local char value[256];
    size_t length = strlen(name);
    const char *line = strstr(answer->head, "\r\n");
    for (; line != NULL; line = strstr(line, "\r\n")) {
        line += 2;
        if (strncasecmp(line, name, length) != 0 || line[length] != ':')
            continue;
        line += length + 1 + strspn(line + length + 1, " ");
        snprintf(value, sizeof value, "%.*s", (int)strcspn(line, "\r"), line);
        return value;
    }
    return NULL;
}

/* Interim answers (1xx) and 204 have no content, whatever their fields say. */
static size_t content_length(const struct client *client, const struct answer *answer)
{
    const char *length = answer_field(answer, "Content-Length");
    if (client->head_only || answer->status < 200 || answer->status == 204 || length == NULL)
        return 0;
    return (size_t)strtoull(length, NULL, 10);
}

/* At least `bytes` of memory, twice as much as before when it grows: a test may ask a hundred
 * thousand times. */
static void *grown(void *memory, size_t *room_bytes, size_t bytes)
{
    if (bytes <= *room_bytes)
        return memory;
    *room_bytes = 2 * *room_bytes > bytes ? 2 * *room_bytes : bytes;
    memory = realloc(memory, *room_bytes);
    assert_non_null(memory);
    return memory;
}

static void keep_answer(struct client *client, struct answer answer)
{
    client->answers = grown(client->answers, &client->answers_room_bytes,
                            (client->answer_count + 1) * sizeof answer);
    answer.sequence = ++client->all->answers;
    client->answers[client->answer_count++] = answer;
}

/* Returns how many bytes the first answer of these takes, or 0 while it is incomplete. */
static size_t cut_answer(struct client *client, const char *bytes, size_t length)
{
    const char *end = memmem(bytes, length, "\r\n\r\n", 4);
    if (end == NULL)
        return 0;
    size_t head_bytes = (size_t)(end - bytes) + 4;
    struct answer answer = {.head = copy_text(bytes, head_bytes)};
    assert_int_equal(sscanf(answer.head, "HTTP/1.1 %3d ", &answer.status), 1);
    answer.body_bytes = content_length(client, &answer);
    if (answer.body_bytes > length - head_bytes) {
        free(answer.head);
        return 0;
    }
    answer.body = copy_text(bytes + head_bytes, answer.body_bytes);
    keep_answer(client, answer);
    return head_bytes + answer.body_bytes;
}

static void cut_answers(struct client *client)
{
    size_t at = 0, taken = 1;
    for (; taken > 0 && at < client->input_bytes; at += taken)
        taken = cut_answer(client, client->input + at, client->input_bytes - at);
    memmove(client->input, client->input + at, client->input_bytes - at);
    client->input_bytes -= at;
}

/* ------------------------------------------------------------------ the socket */

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
    struct client *client = handle->data;
    client->input =
        grown(client->input, &client->input_room_bytes, client->input_bytes + suggested);
    *buffer = uv_buf_init(client->input + client->input_bytes, (unsigned)suggested);
}

static void end(struct client *client, int error)
{
    client->ended = true;
    if (client->error == 0)
        client->error = error;
}

static void on_read(uv_stream_t *stream, ssize_t length, const uv_buf_t *buffer)
{
    struct client *client = stream->data;
    (void)buffer;
    if (length < 0) {
        end(client, length == UV_EOF ? 0 : (int)length);
        uv_read_stop(stream);
        return;
    }
    client->input_bytes += (size_t)length;
    if (!client->raw)
        cut_answers(client);
}

static void on_connected(uv_connect_t *connect, int status)
{
    struct client *client = connect->handle->data;
    client->connected = status == 0;
    if (status != 0)
        end(client, status);
    else if (!client->deaf && !uv_is_closing((uv_handle_t *)&client->socket))
        uv_read_start(connect->handle, on_alloc, on_read);
}

static struct client *open_client(struct clients *clients, unsigned port, bool deaf)
{
    struct sockaddr_in address;
    struct client *client = calloc(1, sizeof *client);
    assert_non_null(client);
    client->all = clients;
    client->next = clients->first;
    client->deaf = deaf;
    clients->first = client;
    assert_int_equal(uv_tcp_init_ex(clients->loop, &client->socket, AF_INET), 0);
    client->socket.data = client;
    int small = DEAF_BUFFER_BYTES;
    if (deaf)
        assert_int_equal(uv_recv_buffer_size((uv_handle_t *)&client->socket, &small), 0);
    assert_int_equal(uv_ip4_addr("127.0.0.1", (int)port, &address), 0);
    assert_int_equal(uv_tcp_connect(&client->connect, &client->socket,
                                    (const struct sockaddr *)&address, on_connected),
                     0);
    return client;
}

struct client *client_open(struct clients *clients, unsigned port)
{
    return open_client(clients, port, false);
}

struct client *client_open_deaf(struct clients *clients, unsigned port)
{
    return open_client(clients, port, true);
}

void client_listen(struct client *client)
{
    client->deaf = false;
    uv_read_start((uv_stream_t *)&client->socket, on_alloc, on_read);
}

/* ------------------------------------------------------------------ sending */

struct sending {
    uv_write_t request;
    char bytes[];
};

static void on_sent(uv_write_t *request, int status)
{
    struct client *client = request->handle->data;
    client->writes--;
    if (status < 0 && status != UV_ECANCELED && client->error == 0)
        client->error = status;
    free(request);
}

void client_send_bytes(struct client *client, const void *bytes, size_t length)
{
    struct sending *sending = malloc(sizeof *sending + length);
    assert_non_null(sending);
    memcpy(sending->bytes, bytes, length);
    uv_buf_t buffer = uv_buf_init(sending->bytes, (unsigned)length);
    uv_stream_t *stream = (uv_stream_t *)&client->socket;
    if (uv_write(&sending->request, stream, &buffer, 1, on_sent) == 0)
        client->writes++;
    else
        free(sending);
}

void client_send(struct client *client, const char *format, ...)
{
    char text[2048];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    assert_true(length >= 0 && (size_t)length < sizeof text);
    client_send_bytes(client, text, (size_t)length);
}

void client_get(struct client *client, const char *target)
{
    client_send(client, "GET %s HTTP/1.1\r\nHost: test\r\n\r\n", target);
}

/* ------------------------------------------------------------------ waiting */

void client_await_connection(struct client *client)
{
    while (!client->connected && !client->ended)
        uv_run(client->all->loop, UV_RUN_ONCE);
    assert_true(client->connected);
}

const struct answer *client_await(struct client *client, unsigned count)
{
    while (client->answer_count < count && !client->ended)
        uv_run(client->all->loop, UV_RUN_ONCE);
    return client->answer_count < count ? NULL : &client->answers[count - 1];
}

void client_await_end(struct client *client)
{
    while (!client->ended)
        uv_run(client->all->loop, UV_RUN_ONCE);
}

/* ------------------------------------------------------------------ leaving */

void client_leave(struct client *client)
{
    if (!uv_is_closing((uv_handle_t *)&client->socket))
        uv_close((uv_handle_t *)&client->socket, NULL);
    client->ended = true;
}

void client_reset(struct client *client)
{
    if (!client->connected || uv_is_closing((uv_handle_t *)&client->socket) ||
        uv_tcp_close_reset(&client->socket, NULL) != 0)
        client_leave(client);
    client->ended = true;
}

void clients_leave(struct clients *clients)
{
    for (struct client *client = clients->first; client != NULL; client = client->next)
        client_leave(client);
}

static void client_free(struct client *client)
{
    for (unsigned i = 0; i < client->answer_count; i++) {
        free(client->answers[i].head);
        free(client->answers[i].body);
    }
    free(client->answers);
    free(client->input);
    free(client);
}

void clients_free(struct clients *clients)
{
    for (struct client *client = clients->first, *next; client != NULL; client = next) {
        next = client->next;
        client_free(client);
    }
    clients->first = NULL;
}

/* ------------------------------------------------------------------ looking into answers */

static cJSON *find_item(cJSON *item, const char *path)
{
    char name[64];
    while (item != NULL && *path != '\0') {
        size_t length = strcspn(path, "/");
        snprintf(name, sizeof name, "%.*s", (int)length, path);
        item = cJSON_GetObjectItemCaseSensitive(item, name);
        path += length + (path[length] == '/' ? 1 : 0);
    }
    return item;
}

double answer_number(const struct answer *answer, const char *path)
{
    cJSON *document = cJSON_Parse(answer->body);
    cJSON *item = find_item(document, path);
    if (!cJSON_IsNumber(item))
        fail_msg("no number at %s in %s", path, answer->body);
    double number = item->valuedouble;
    cJSON_Delete(document);
    return number;
}

void assert_answer_text(const struct answer *answer, const char *path, const char *expected)
{
    cJSON *document = cJSON_Parse(answer->body);
    cJSON *item = find_item(document, path);
    if (!cJSON_IsString(item))
        fail_msg("no text at %s in %s", path, answer->body);
    assert_string_equal(item->valuestring, expected);
    cJSON_Delete(document);
}

void assert_problem(const struct answer *answer, int status, ...)
{
    assert_non_null(answer);
    assert_int_equal(answer->status, status);
    assert_string_equal(answer_field(answer, "Content-Type"), "application/problem+json");
    assert_int_equal((int)answer_number(answer, "status"), status);
    va_list words;
    va_start(words, status);
    for (const char *word; (word = va_arg(words, const char *)) != NULL;) {
        if (strstr(answer->body, word) == NULL)
            fail_msg("there is no \"%s\" in %s", word, answer->body);
    }
    va_end(words);
}
