/* watched.h – what a server's watcher has heard, and what it is still to hear. For http/ only.
 *
 * What comes in one read is answered in one write, and mostly alike: then the first of the requests
 * tells of all, and the answers are counted until they go out. That takes a few instructions for
 * each, so they are inline; the rest is in watched.c. */
#ifndef OFFLOOP_HTTP_WATCHED_H
#define OFFLOOP_HTTP_WATCHED_H

#include "server/http/watcher.h"

struct http_watched {
    const struct http_watcher *watcher; /* NULL: nobody */
    struct http_requests known;         /* need not be told of */
    struct http_answers answers;        /* have not been told of */
};

/* The slower ways of the two below. */
void http_watched_begin(struct http_watched *watched, const struct http_exchange *exchange,
                        const struct http_requests *request);
void http_watched_turn(struct http_watched *watched, const struct http_requests *request,
                       int status);

static inline bool http_requests_alike(const struct http_requests *these,
                                       const struct http_requests *those)
{
    return these->began_ns == those->began_ns && these->route == those->route;
}

/* A request goes to its handler. */
static inline void http_watched_request(struct http_watched *watched,
                                        const struct http_exchange *exchange,
                                        const struct http_requests *request)
{
    if (watched->watcher != NULL && !http_requests_alike(&watched->known, request))
        http_watched_begin(watched, exchange, request);
}

/* It is answered; 0: it never will be. */
static inline void http_watched_answer(struct http_watched *watched,
                                       const struct http_requests *request, int status)
{
    if (watched->answers.status == status && http_requests_alike(&watched->answers.to, request))
        watched->answers.count++;
    else
        http_watched_turn(watched, request, status);
}

/* What was answered goes out. */
void http_watched_tell(struct http_watched *watched);

#endif
