/* probe_answer.c – a minimal reader of HTTP/1.1 answers.
 *
 * The head is gathered in a fixed buffer until its empty line and then read once; the body is only
 * counted. A full parser (llhttp) would do it too; the probe has none on purpose, so that the meter
 * shares no code with what it measures. Limits: no chunked bodies, no 1xx answers, heads up to
 * ANSWER_HEAD_MAX_BYTES. The routes measured here send a Content-Length. */
#include "loadtest/probe_answer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

void answer_reset(struct answer *answer)
{
    answer->status = 0;
    answer->close = answer->in_body = answer->until_eof = false;
    answer->body_left = 0;
    answer->head_bytes = 0;
}

/* "HTTP/1.1 200 OK": minor version and status. */
static bool read_status_line(struct answer *answer)
{
    const char *line = answer->head;
    if (strncmp(line, "HTTP/1.", 7) != 0 || line[8] != ' ')
        return false;
    char *end;
    long status = strtol(line + 9, &end, 10);
    if (end != line + 12 || status < 200 || status > 599)
        return false;
    answer->status = (int)status;
    answer->close = line[7] == '0';
    return true;
}

static bool read_content_length(struct answer *answer, const char *value)
{
    char *end;
    errno = 0;
    unsigned long long length = strtoull(value, &end, 10);
    if (end == value || (*end != '\r' && *end != ' ') || errno != 0)
        return false;
    answer->body_left = length;
    answer->until_eof = false;
    return true;
}

/* The value of a header line if it has this name ("connection:"), else NULL. */
static const char *value_of(const char *line, const char *name)
{
    size_t length = strlen(name);
    if (strncasecmp(line, name, length) != 0)
        return NULL;
    return line + length + strspn(line + length, " \t");
}

static bool read_header(struct answer *answer, const char *line)
{
    const char *value;
    if ((value = value_of(line, "content-length:")))
        return read_content_length(answer, value);
    if ((value = value_of(line, "connection:"))) {
        answer->close = strncasecmp(value, "close", 5) == 0;
        return true;
    }
    return value_of(line, "transfer-encoding:") == NULL;
}

/* The head is complete and ends with an empty line. */
static bool read_head(struct answer *answer)
{
    if (!read_status_line(answer))
        return false;
    answer->until_eof = answer->status != 204 && answer->status != 304;
    const char *line = strstr(answer->head, "\r\n") + 2;
    for (; strncmp(line, "\r\n", 2) != 0; line = strstr(line, "\r\n") + 2)
        if (!read_header(answer, line))
            return false;
    answer->close = answer->close || answer->until_eof;
    answer->in_body = true;
    return true;
}

/* Copies what may belong to the head; returns how many of the bytes did, or -1 for a bad head. */
static ptrdiff_t feed_head(struct answer *answer, const char *bytes, size_t count)
{
    size_t before = answer->head_bytes;
    size_t room = ANSWER_HEAD_MAX_BYTES - before;
    size_t taken = count < room ? count : room;
    memcpy(answer->head + before, bytes, taken);
    answer->head_bytes += taken;
    answer->head[answer->head_bytes] = '\0';
    const char *end = strstr(answer->head, "\r\n\r\n");
    if (!end)
        return answer->head_bytes < ANSWER_HEAD_MAX_BYTES ? (ptrdiff_t)taken : -1;
    if (!read_head(answer))
        return -1;
    return end + 4 - answer->head - (ptrdiff_t)before;
}

enum answer_progress answer_feed(struct answer *answer, const char *bytes, size_t count)
{
    if (!answer->in_body) {
        ptrdiff_t taken = feed_head(answer, bytes, count);
        if (taken < 0)
            return ANSWER_BAD;
        if (!answer->in_body)
            return ANSWER_MORE;
        count -= (size_t)taken;
    }
    if (answer->until_eof)
        return ANSWER_MORE;
    if (count > answer->body_left)
        return ANSWER_BAD;
    answer->body_left -= count;
    return answer->body_left == 0 ? ANSWER_DONE : ANSWER_MORE;
}

enum answer_progress answer_end(struct answer *answer)
{
    return answer->in_body && answer->until_eof ? ANSWER_DONE : ANSWER_BAD;
}
