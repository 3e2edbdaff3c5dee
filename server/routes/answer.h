/* answer.h – answers that teach: a JSON document with where the work was and how long it waited,
 * ran and came back; the same as Server-Timing, which browsers draw. */
#ifndef OFFLOOP_ROUTES_ANSWER_H
#define OFFLOOP_ROUTES_ANSWER_H

#include <cjson/cJSON.h>

#include "server/http/exchange.h"
#include "server/observe/trip.h"
#include "server/routes/routes.h"

/* Adds which process it is that answers: pid and, in a cluster, member. */
void answer_add_process(cJSON *document, const struct routes_context *context);

/* `fields`, here and below, are further field lines, or "".
 *
 * Answers 200 with the document, which is taken over (NULL, when memory was short, gives a 503),
 * after adding lane, wait_ms, run_ms and return_ms to it, and the process. These are followed by as
 * many blanks as they leave of their room, so their width does not show in the answer's length. */
void answer_trip(struct http_exchange *exchange, cJSON *document, const struct trip *trip,
                 const char *fields);

/* Answers 200 with bytes of another media type, with the same fields. */
void answer_trip_bytes(struct http_exchange *exchange, const char *content_type, const void *bytes,
                       size_t length, const struct trip *trip, const char *fields);

/* Answers for work that brought nothing: 503 with Retry-After when it was refused (`error` says
 * why, a negative errno; -ENOBUFS is a full queue) or cut short, 500 with `problem` when it failed.
 * `what` names the work: "the job". */
void answer_failed_trip(struct http_exchange *exchange, enum trip_outcome outcome, int error,
                        const char *what, const char *problem, const char *fields);

/* Answers 504 for work that missed its deadline, with how long it waited and ran. `limit` names
 * what allowed no more: "--job-timeout=100"; `problem` is what else happened, or "". */
void answer_expired_trip(struct http_exchange *exchange, const struct trip *trip, const char *what,
                         const char *limit, const char *problem, const char *fields);

/* Answers 200 with a document, which is taken over. */
void answer_json(struct http_exchange *exchange, cJSON *document);

#endif
