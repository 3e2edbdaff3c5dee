/* watched.c – see watched.h. */
#include "server/http/watched.h"

void http_watched_begin(struct http_watched *watched, const struct http_exchange *exchange,
                        const struct http_requests *request)
{
    static const struct http_requests nothing = {.began_ns = UINT64_MAX};
    bool each = watched->watcher->on_begin(watched->watcher->data, exchange);
    watched->known = each ? nothing : *request;
}

void http_watched_turn(struct http_watched *watched, const struct http_requests *request,
                       int status)
{
    http_watched_tell(watched);
    watched->answers = (struct http_answers){.to = *request, .status = status, .count = 1};
}

void http_watched_tell(struct http_watched *watched)
{
    if (watched->answers.count > 0 && watched->watcher != NULL)
        watched->watcher->on_answered(watched->watcher->data, &watched->answers);
    watched->answers.count = 0;
}
