/* answer.c – see answer.h. */
#include "server/routes/answer.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "server/http/problem.h"

#define NO_STORE "Cache-Control: no-store\r\n" /* browsers queue two tabs on one cacheable URL */

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
    http_exchange_answer(exchange, &(struct http_response){
                                       .status = 200,
                                       .content_type = "application/json",
                                       .fields = fields,
                                       .body = text,
                                       .body_bytes = length + 1,
                                   });
    cJSON_free(text);
}

static void put_fields(char *fields, size_t size, const struct trip *trip)
{
    size_t length = (size_t)snprintf(fields, size, NO_STORE);
    trip_server_timing(trip, fields + length, size - length);
}

/* Microseconds are as precise as these clocks deserve. */
static double rounded(double ms)
{
    return round(ms * 1000.0) / 1000.0;
}

void answer_trip(struct http_exchange *exchange, cJSON *document, const struct trip *trip)
{
    char fields[200], lane[32];
    put_fields(fields, sizeof fields, trip);
    trip_lane_name(trip, lane, sizeof lane);
    cJSON_AddStringToObject(document, "lane", lane);
    cJSON_AddNumberToObject(document, "wait_ms", rounded(trip_wait_ms(trip)));
    cJSON_AddNumberToObject(document, "run_ms", rounded(trip_run_ms(trip)));
    cJSON_AddNumberToObject(document, "return_ms", rounded(trip_return_ms(trip)));
    answer_text(exchange, document, fields);
}

void answer_trip_bytes(struct http_exchange *exchange, const char *content_type, const void *bytes,
                       size_t length, const struct trip *trip)
{
    char fields[200];
    put_fields(fields, sizeof fields, trip);
    http_exchange_answer(exchange, &(struct http_response){
                                       .status = 200,
                                       .content_type = content_type,
                                       .fields = fields,
                                       .body = bytes,
                                       .body_bytes = length,
                                   });
}

void answer_failed_trip(struct http_exchange *exchange, enum trip_outcome outcome, int error,
                        const char *what, const char *problem)
{
    static const char retry[] = NO_STORE "Retry-After: 1\r\n";
    if (outcome == TRIP_REFUSED && error == -EAGAIN)
        http_problem(exchange, 503, retry, "%s was not taken: the queue is full", what);
    else if (outcome == TRIP_REFUSED)
        http_problem(exchange, 503, retry, "%s was not taken: %s", what, strerror(-error));
    else if (outcome == TRIP_CANCELLED)
        http_problem(exchange, 503, retry, "%s was cut short: the server is stopping", what);
    else if (outcome == TRIP_LOST)
        http_problem(exchange, 502, NO_STORE, "%s was lost: %s", what, problem);
    else
        http_problem(exchange, 500, NO_STORE, "%s failed: %s", what, problem);
}

void answer_json(struct http_exchange *exchange, cJSON *document)
{
    answer_text(exchange, document, NO_STORE);
}
