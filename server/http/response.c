/* response.c – the head of an answer, by copying.
 *
 * printf would take longer than parsing the request did: the parts of a head are known strings and
 * one number, so they are copied one behind the other into room that was bounded beforehand. */
#include "server/http/response.h"

#include <stdio.h>
#include <string.h>

struct status_line {
    int status;
    const char *reason;
    const char *line;
    size_t line_length;
};

#define STATUS_LINE(status) "HTTP/1.1 " #status " "
#define STATUS_ROW(status, reason)                      \
    {status, reason, STATUS_LINE(status) reason "\r\n", \
     sizeof(STATUS_LINE(status) reason "\r\n") - 1},

static const struct status_line status_lines[] = {HTTP_STATUSES(STATUS_ROW)};

enum { STATUS_COUNT = sizeof status_lines / sizeof *status_lines };

static const struct status_line *status_find(int status)
{
    for (size_t i = 0; i < STATUS_COUNT; i++) {
        if (status_lines[i].status == status)
            return &status_lines[i];
    }
    return NULL;
}

const char *http_reason(int status)
{
    const struct status_line *row = status_find(status);
    return row != NULL ? row->reason : "Unknown";
}

const char *http_date_line(struct http_date *date, time_t now)
{
    static const char days[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    if (now == date->second && date->line[0] != '\0')
        return date->line;
    struct tm tm;
    gmtime_r(&now, &tm);
    /* Not strftime: the names must not follow a locale. */
    snprintf(date->line, sizeof date->line, "Date: %s, %02u %s %04u %02u:%02u:%02u GMT\r\n",
             days[tm.tm_wday], (unsigned)tm.tm_mday % 100, months[tm.tm_mon],
             (unsigned)(tm.tm_year + 1900) % 10000, (unsigned)tm.tm_hour % 100,
             (unsigned)tm.tm_min % 100, (unsigned)tm.tm_sec % 100);
    date->second = now;
    return date->line;
}

/* ------------------------------------------------------------------ writing */

static char *put(char *at, const char *text, size_t length)
{
    memcpy(at, text, length);
    return at + length;
}

#define PUT(at, literal) put(at, literal, sizeof(literal) - 1)

static char *put_number(char *at, size_t number)
{
    char digits[20];
    size_t count = 0;
    do {
        digits[sizeof digits - ++count] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    return put(at, digits + sizeof digits - count, count);
}

static char *put_status(char *at, int status)
{
    const struct status_line *row = status_find(status);
    if (row != NULL)
        return put(at, row->line, row->line_length);
    at = PUT(at, "HTTP/1.1 ");
    at = put_number(at, (size_t)status);
    return PUT(at, " Unknown\r\n");
}

static char *put_framing(char *at, const struct http_response *response)
{
    if (response->status < 200 || response->status == 204)
        return at;
    if (response->framing == HTTP_FRAMED_BY_CHUNKS)
        return PUT(at, "Transfer-Encoding: chunked\r\n");
    if (response->framing == HTTP_FRAMED_BY_CLOSE)
        return at;
    at = PUT(at, "Content-Length: ");
    at = put_number(at, response->body_bytes);
    return PUT(at, "\r\n");
}

size_t http_response_head_bound(const struct http_response *response,
                                const struct http_fields *common)
{
    enum { FIXED_BYTES = 256 }; /* status line, Date, framing, Connection, empty line */
    return FIXED_BYTES + (response->content_type != NULL ? strlen(response->content_type) : 0) +
           (response->fields != NULL ? strlen(response->fields) : 0) + common->length;
}

size_t http_response_head(char *head, const struct http_response *response,
                          enum http_persistence persistence, const char *date_line,
                          const struct http_fields *common)
{
    char *at = put_status(head, response->status);
    at = put(at, date_line, HTTP_DATE_LINE_BYTES);
    if (response->content_type != NULL) {
        at = PUT(at, "Content-Type: ");
        at = put(at, response->content_type, strlen(response->content_type));
        at = PUT(at, "\r\n");
    }
    at = put_framing(at, response);
    if (persistence == HTTP_CLOSES)
        at = PUT(at, "Connection: close\r\n");
    else if (persistence == HTTP_PERSISTS_EXPLICITLY)
        at = PUT(at, "Connection: keep-alive\r\n");
    if (response->fields != NULL)
        at = put(at, response->fields, strlen(response->fields));
    if (common->length > 0)
        at = put(at, common->lines, common->length);
    at = PUT(at, "\r\n");
    return (size_t)(at - head);
}

void http_prepare(struct http_prepared *prepared, const struct http_response *response,
                  const struct http_fields *common)
{
    struct http_date date = {0};
    *prepared = (struct http_prepared){.response = *response};
    if (http_response_head_bound(response, common) + response->body_bytes > sizeof prepared->bytes)
        return;
    const char *date_line = http_date_line(&date, 0);
    size_t length = http_response_head(prepared->bytes, response, HTTP_PERSISTS, date_line, common);
    memcpy(prepared->bytes + length, response->body, response->body_bytes);
    prepared->length = length + response->body_bytes;
    prepared->date_at = (size_t)(strstr(prepared->bytes, date_line) - prepared->bytes);
}
