/* responses.c – see responses.h. Stricter than any client: exactly the shape that response.c means
 * to write. */
#include "tests/fuzz/responses.h"

#include <string.h>

#include "tests/fuzz/fake_uv.h"

static const char continue_text[] = "HTTP/1.1 100 Continue\r\n\r\n";

/* The end of the line that begins at `at`, or NULL if it has not come. */
static const char *line_end(const char *at, const char *end)
{
    const char *feed = memchr(at, '\n', (size_t)(end - at));
    if (feed == NULL)
        return NULL;
    FUZZ_CHECK(feed > at && feed[-1] == '\r');
    return feed - 1;
}

static void check_text(const char *at, const char *end)
{
    for (; at < end; at++)
        FUZZ_CHECK(*at >= ' ' && *at <= '~');
}

static bool is_field(const char *line, const char *end, const char *name)
{
    size_t length = strlen(name);
    return (size_t)(end - line) >= length && memcmp(line, name, length) == 0;
}

static size_t read_number(const char *at, const char *end)
{
    size_t number = 0;
    FUZZ_CHECK(at < end);
    for (; at < end; at++) {
        FUZZ_CHECK(*at >= '0' && *at <= '9');
        number = number * 10 + (size_t)(*at - '0');
    }
    return number;
}

static void take_status(const char *line, const char *end, struct response *response)
{
    static const char version[] = "HTTP/1.1 ";
    enum { PREFIX = sizeof version - 1 };
    FUZZ_CHECK((size_t)(end - line) > PREFIX + 4 && memcmp(line, version, PREFIX) == 0);
    check_text(line, end);
    response->status = (int)read_number(line + PREFIX, line + PREFIX + 3);
    FUZZ_CHECK(line[PREFIX + 3] == ' ');
}

static void take_field(const char *line, const char *end, struct response *response,
                       unsigned *dates, unsigned *lengths)
{
    const char *colon = memchr(line, ':', (size_t)(end - line));
    FUZZ_CHECK(colon != NULL && colon > line && colon[1] == ' ');
    check_text(line, end);
    if (is_field(line, end, "Date: "))
        ++*dates;
    if (is_field(line, end, "Connection: close") && end - line == 17)
        response->closes = true;
    if (is_field(line, end, "Transfer-Encoding: ")) {
        FUZZ_CHECK(end - line == 26 && memcmp(line + 19, "chunked", 7) == 0);
        ++*lengths;
        response->chunked = response->streams = true;
    }
    if (is_field(line, end, "Content-Length: ")) {
        ++*lengths;
        response->announced_bytes = read_number(colon + 2, end);
    }
}

/* Returns where the content begins, or NULL if the head is not whole. */
static const char *take_head(const char *at, const char *end, struct response *response)
{
    unsigned dates = 0, lengths = 0;
    const char *line = at;
    const char *stop = line_end(line, end);
    if (stop == NULL)
        return NULL;
    take_status(line, stop, response);
    for (line = stop + 2; (stop = line_end(line, end)) != NULL; line = stop + 2) {
        if (stop == line) {
            response->streams |= response->status != 204 && lengths == 0 && response->closes;
            bool has_length = response->status != 204 && (response->chunked || !response->streams);
            FUZZ_CHECK(dates == 1 && lengths == has_length);
            return stop + 2;
        }
        take_field(line, stop, response, &dates, &lengths);
    }
    return NULL;
}

/* A chunk: its size line is read; returns where its bytes begin, or NULL if not all of it has come.
 */
static const char *take_chunk(const char *at, const char *end, size_t *size)
{
    static const char digits[] = "0123456789abcdef";
    const char *stop = line_end(at, end);
    *size = 0;
    if (stop == NULL)
        return NULL;
    FUZZ_CHECK(stop > at && stop - at <= 8 && (*at != '0' || stop - at == 1));
    for (; at < stop; at++) {
        const char *digit = memchr(digits, *at, 16);
        FUZZ_CHECK(digit != NULL);
        *size = *size * 16 + (size_t)(digit - digits);
    }
    if ((size_t)(end - stop) < 2 + *size + 2)
        return NULL;
    FUZZ_CHECK(memcmp(stop + 2 + *size, "\r\n", 2) == 0);
    return stop + 2;
}

/* So many bytes do the chunks take, or 0 if not all of them have come. */
static size_t chunked_length(const char *body, const char *end)
{
    size_t size = 1;
    const char *at = body;
    while (size > 0) {
        const char *bytes = take_chunk(at, end, &size);
        if (bytes == NULL)
            return 0;
        at = bytes + size + 2;
    }
    return (size_t)(at - body);
}

void responses_unchunk(struct response *response, char *to)
{
    const char *at = response->body, *end = at + response->body_bytes;
    size_t size, length = 0;
    while (at < end) {
        at = take_chunk(at, end, &size);
        memcpy(to + length, at, size);
        length += size;
        at += size + 2;
    }
    response->body = to;
    response->body_bytes = length;
}

bool responses_next(struct responses *stream, bool head_only, struct response *response)
{
    enum { CONTINUE_BYTES = sizeof continue_text - 1 };
    *response = (struct response){0};
    while (stream->left >= CONTINUE_BYTES &&
           memcmp(stream->at, continue_text, CONTINUE_BYTES) == 0) {
        stream->at += CONTINUE_BYTES;
        stream->left -= CONTINUE_BYTES;
    }
    const char *end = stream->left > 0 ? stream->at + stream->left : NULL;
    const char *body = end != NULL ? take_head(stream->at, end, response) : NULL;
    size_t expected = head_only ? 0 : response->announced_bytes;
    if (body != NULL && response->streams && !head_only)
        expected = response->chunked ? chunked_length(body, end) : (size_t)(end - body);
    if (body != NULL && response->chunked && !head_only && expected == 0)
        return false;
    if (body == NULL || (size_t)(end - body) < expected)
        return false;
    response->body = body;
    response->body_bytes = expected;
    stream->at = body + expected;
    stream->left = (size_t)(end - stream->at);
    return true;
}
