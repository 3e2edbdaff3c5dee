/* events.c – see events.h. */
#include "server/observe/events.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/http/problem.h"

void events_init(struct events *events, uint64_t era)
{
    memset(events, 0, sizeof *events);
    events->era = era;
    events->first_kept = 1;
}

void events_close(struct events *events)
{
    for (size_t i = 0; i < EVENTS_KEPT; i++)
        free(events->kept[i].text);
}

/* ------------------------------------------------------------------ what is kept */

static struct event *slot_of(struct events *events, uint64_t number)
{
    return &events->kept[number % EVENTS_KEPT];
}

static void forget_oldest(struct events *events)
{
    struct event *event = slot_of(events, events->first_kept++);
    events->kept_bytes -= event->bytes;
    free(event->text);
    *event = (struct event){0};
}

/* The text of an event, malloc'ed, and its length; NULL when memory is short. */
static char *event_text(uint64_t era, uint64_t number, const char *json, size_t *bytes)
{
    char head[80];
    size_t json_bytes = strlen(json), head_bytes;
    head_bytes = (size_t)snprintf(
        head, sizeof head, "id: %016" PRIx64 "-%" PRIu64 "\nevent: batch\ndata: ", era, number);
    *bytes = head_bytes + json_bytes + 2;
    char *text = malloc(*bytes);
    if (text == NULL)
        return NULL;
    memcpy(text, head, head_bytes);
    memcpy(text + head_bytes, json, json_bytes);
    memcpy(text + head_bytes + json_bytes, "\n\n", 2);
    return text;
}

/* Returns NULL when memory is short: then this one is lost to all. */
static const struct event *keep(struct events *events, const char *json)
{
    size_t bytes;
    char *text = event_text(events->era, events->last + 1, json, &bytes);
    if (text == NULL)
        return NULL;
    while (events->first_kept <= events->last &&
           (events->last + 1 - events->first_kept >= EVENTS_KEPT ||
            events->kept_bytes + bytes > EVENTS_KEPT_BYTES))
        forget_oldest(events);
    struct event *event = slot_of(events, ++events->last);
    *event = (struct event){text, bytes};
    events->kept_bytes += event->bytes;
    return event;
}

/* ------------------------------------------------------------------ who listens */

static void drop(struct events *events, struct http_exchange **listener)
{
    events->dropped++;
    http_exchange_cut(*listener);
    *listener = NULL;
}

/* Returns false if the listener is gone. */
static bool send_text(struct events *events, struct http_exchange **listener, const char *text,
                      size_t bytes)
{
    ssize_t unread = http_exchange_write(*listener, text, bytes);
    if (unread >= 0 && unread <= EVENTS_UNREAD_BYTES) {
        events->unread[listener - events->listeners] = (size_t)unread;
        return true;
    }
    if (unread > EVENTS_UNREAD_BYTES)
        drop(events, listener);
    *listener = NULL;
    return false;
}

/* Returns what all of them have not read, and the one that has read least. */
static size_t add_up(const struct events *events, size_t *slowest)
{
    size_t all = 0, most = 0;
    for (size_t i = 0; i < EVENTS_LISTENERS; i++) {
        size_t unread = events->listeners[i] != NULL ? events->unread[i] : 0;
        all += unread;
        if (unread > most)
            *slowest = i;
        most = unread > most ? unread : most;
    }
    return all;
}

static void drop_the_slowest(struct events *events)
{
    size_t slowest = 0;
    while (add_up(events, &slowest) > EVENTS_ALL_UNREAD_BYTES)
        drop(events, &events->listeners[slowest]);
}

static void send_to_all(struct events *events, const char *text, size_t bytes)
{
    for (size_t i = 0; i < EVENTS_LISTENERS; i++) {
        if (events->listeners[i] != NULL)
            (void)send_text(events, &events->listeners[i], text, bytes);
    }
    drop_the_slowest(events);
}

void events_publish(struct events *events, const char *json)
{
    const struct event *event = keep(events, json);
    if (event != NULL)
        send_to_all(events, event->text, event->bytes);
}

void events_ping(struct events *events)
{
    static const char comment[] = ": ping\n\n";
    send_to_all(events, comment, sizeof comment - 1);
}

static void on_gone(void *data)
{
    struct http_exchange **listener = data;
    *listener = NULL;
}

static struct http_exchange **free_place(struct events *events)
{
    for (size_t i = 0; i < EVENTS_LISTENERS; i++) {
        if (events->listeners[i] == NULL)
            return &events->listeners[i];
    }
    return NULL;
}

static bool is_number(const char *text, uint64_t *number)
{
    char *end;
    errno = 0;
    *number = strtoull(text, &end, 10);
    return isdigit((unsigned char)*text) && *end == '\0' && errno == 0;
}

/* The number in an id of this server's. */
static bool is_own_id(const struct events *events, const char *id, uint64_t *number)
{
    char era[24];
    int length = snprintf(era, sizeof era, "%016" PRIx64 "-", events->era);
    return strncmp(id, era, (size_t)length) == 0 && is_number(id + length, number) &&
           *number <= events->last;
}

/* An id that is not one, or that is an earlier server's, is as good as none. */
static uint64_t first_for(const struct events *events, const char *last_id)
{
    uint64_t number, first = events->last >= EVENTS_FIRST ? events->last - EVENTS_FIRST + 1 : 1;
    if (last_id != NULL && is_own_id(events, last_id, &number))
        first = number + 1;
    return first > events->first_kept ? first : events->first_kept;
}

/* More than a reader may leave unread is not sent at once. */
static uint64_t bounded(struct events *events, uint64_t first)
{
    size_t bytes = 0;
    uint64_t number = events->last + 1;
    while (number > first && bytes + slot_of(events, number - 1)->bytes < EVENTS_UNREAD_BYTES / 2)
        bytes += slot_of(events, --number)->bytes;
    return number;
}

static void replay(struct events *events, struct http_exchange **listener, uint64_t first)
{
    static const char retry[] = "retry: 1000\n\n";
    bool listens = send_text(events, listener, retry, sizeof retry - 1);
    for (uint64_t number = first; listens && number <= events->last; number++) {
        const struct event *event = slot_of(events, number);
        listens = send_text(events, listener, event->text, event->bytes);
    }
}

void events_answer(struct events *events, struct http_exchange *exchange)
{
    static const struct http_response head = {
        .status = 200,
        .content_type = "text/event-stream",
        .fields = "Cache-Control: no-store\r\nX-Accel-Buffering: no\r\n",
    };
    struct http_exchange **place = free_place(events);
    const char *last_id = http_request_field(http_exchange_request(exchange), "last-event-id");
    uint64_t first = bounded(events, first_for(events, last_id));
    if (place == NULL) {
        http_problem(exchange, 503, "Retry-After: 5\r\n", "there are %d listeners already",
                     EVENTS_LISTENERS);
        return;
    }
    *place = exchange;
    events->unread[place - events->listeners] = 0;
    if (http_exchange_stream(exchange, &head, on_gone, place))
        replay(events, place, first);
    else
        *place = NULL;
    drop_the_slowest(events);
}
