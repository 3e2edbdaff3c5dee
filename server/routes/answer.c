/* answer.c – see answer.h. */
#include "server/routes/answer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/http/problem.h"

/* VARYING_BYTES: room for what differs from one answer to the next, from the lane on. */
enum { FIELDS_BYTES = 400, DOCUMENT_BYTES = 2048, VARYING_BYTES = 112 };

#define NO_STORE "Cache-Control: no-store\r\n" /* browsers queue two tabs on one cacheable URL */

/* A page from another origin may read the stamps, and draw the request in its timeline. */
#define TRIP_FIELDS                                             \
    NO_STORE "Access-Control-Expose-Headers: Server-Timing\r\n" \
             "Timing-Allow-Origin: *\r\n"

static void answer_bytes(struct http_exchange *exchange, const char *text, size_t length,
                         const char *fields)
{
    http_exchange_answer(exchange, &(struct http_response){
                                       .status = 200,
                                       .content_type = "application/json",
                                       .fields = fields,
                                       .body = text,
                                       .body_bytes = length,
                                   });
}

static void answer_text(struct http_exchange *exchange, cJSON *document, const char *fields)
{
    char *text = document != NULL ? cJSON_PrintUnformatted(document) : NULL;
    cJSON_Delete(document);
    if (text == NULL) {
        http_problem(exchange, 503, "Retry-After: 1\r\n", "out of memory");
        return;
    }
    size_t length = strlen(text);
    text[length] = '\n'; /* in place of the NUL, which nobody needs: for those who use curl */
    answer_bytes(exchange, text, length + 1, fields);
    cJSON_free(text);
}

/* All answers to the same request are as long as each other: ab takes others for failed. Blanks
 * behind the document, which JSON allows, fill what its lane and its numbers leave. */
static void answer_padded(struct http_exchange *exchange, cJSON *document, const char *fields)
{
    char text[DOCUMENT_BYTES];
    int room = DOCUMENT_BYTES - VARYING_BYTES - 1;
    if (document == NULL || !cJSON_PrintPreallocated(document, text, room, false)) {
        answer_text(exchange, document, fields);
        return;
    }
    cJSON_Delete(document);
    const char *varying = strstr(text, ",\"lane\":");
    size_t length = strlen(text);
    size_t used = varying != NULL ? length - (size_t)(varying - text) : VARYING_BYTES;
    size_t blanks = used < VARYING_BYTES ? VARYING_BYTES - used : 0;
    memset(text + length, ' ', blanks);
    text[length + blanks] = '\n';
    answer_bytes(exchange, text, length + blanks + 1, fields);
}

/* Those of every answer that a trip leads to, and more. */
static void put_fields(char all[FIELDS_BYTES], const struct trip *trip, const char *more)
{
    size_t length = (size_t)snprintf(all, FIELDS_BYTES, TRIP_FIELDS "%s", more);
    if (length < FIELDS_BYTES)
        trip_server_timing(trip, all + length, FIELDS_BYTES - length);
}

/* Microseconds are as precise as these clocks deserve. By way of text, because half a microsecond
 * must be rounded as Server-Timing rounds it. */
static double rounded(double ms)
{
    char text[32];
    snprintf(text, sizeof text, "%.3f", ms);
    return strtod(text, NULL);
}

void answer_add_process(cJSON *document, const struct routes_context *context)
{
    cJSON_AddNumberToObject(document, "pid", getpid());
    if (context->member > 0)
        cJSON_AddNumberToObject(document, "member", context->member);
}

void answer_trip(struct http_exchange *exchange, cJSON *document, const struct trip *trip,
                 const char *fields)
{
    char all[FIELDS_BYTES], lane[32];
    put_fields(all, trip, fields);
    trip_lane_name(trip, lane, sizeof lane);
    cJSON_AddStringToObject(document, "lane", lane);
    cJSON_AddNumberToObject(document, "wait_ms", rounded(trip_wait_ms(trip)));
    cJSON_AddNumberToObject(document, "run_ms", rounded(trip_run_ms(trip)));
    cJSON_AddNumberToObject(document, "return_ms", rounded(trip_return_ms(trip)));
    answer_add_process(document, http_exchange_context(exchange));
    answer_padded(exchange, document, all);
}

void answer_trip_bytes(struct http_exchange *exchange, const char *content_type, const void *bytes,
                       size_t length, const struct trip *trip, const char *fields)
{
    char all[FIELDS_BYTES];
    put_fields(all, trip, fields);
    http_exchange_answer(exchange, &(struct http_response){
                                       .status = 200,
                                       .content_type = content_type,
                                       .fields = all,
                                       .body = bytes,
                                       .body_bytes = length,
                                   });
}

void answer_failed_trip(struct http_exchange *exchange, enum trip_outcome outcome, int error,
                        const char *what, const char *problem, const char *fields)
{
    char plain[FIELDS_BYTES], retry[FIELDS_BYTES];
    snprintf(plain, sizeof plain, TRIP_FIELDS "%s", fields);
    snprintf(retry, sizeof retry, TRIP_FIELDS "Retry-After: 1\r\n%s", fields);
    if (outcome == TRIP_REFUSED && error == -ENOBUFS)
        http_problem(exchange, 503, retry, "%s was not taken: the queue is full", what);
    else if (outcome == TRIP_REFUSED)
        http_problem(exchange, 503, retry, "%s was not taken: %s", what, strerror(-error));
    else if (outcome == TRIP_CANCELLED)
        http_problem(exchange, 503, retry, "%s was cut short: the server is stopping", what);
    else if (outcome == TRIP_FAILED && error == -EBUSY)
        http_problem(exchange, 503, retry, "%s failed: %s", what, problem);
    else if (outcome == TRIP_LOST)
        http_problem(exchange, 502, plain, "%s was lost: %s", what, problem);
    else
        http_problem(exchange, 500, plain, "%s failed: %s", what, problem);
}

void answer_expired_trip(struct http_exchange *exchange, const struct trip *trip, const char *what,
                         const char *limit, const char *problem, const char *fields)
{
    char all[FIELDS_BYTES], ran[64] = "never ran";
    if (trip->started_ns != 0)
        snprintf(ran, sizeof ran, "ran for %.1f ms", trip_run_ms(trip));
    put_fields(all, trip, fields);
    http_problem(exchange, 504, all,
                 "%s was ended: it waited for %.1f ms and %s, and %s allows no more%s%s", what,
                 trip_wait_ms(trip), ran, limit, *problem != '\0' ? "; " : "", problem);
}

void answer_json(struct http_exchange *exchange, cJSON *document)
{
    answer_text(exchange, document, NO_STORE);
}
