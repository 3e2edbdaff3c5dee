/* pages.c – see pages.h. */
#include "server/observe/pages.h"

#include <stdlib.h>

#include "server/http/problem.h"

struct text {
    char *bytes;
    size_t length;
};

void pages_init(struct pages *pages, struct http_server *http, void *context)
{
    *pages = (struct pages){.http = http, .context = context};
    uv_idle_init(http->loop, &pages->turn);
    pages->turn.data = pages;
}

void pages_close(struct pages *pages)
{
    uv_close((uv_handle_t *)&pages->turn, NULL);
}

/* ------------------------------------------------------------------ answering */

static void refuse(struct http_exchange *exchange, const char *why)
{
    http_problem(exchange, 503, "Retry-After: 1\r\n", "%s", why);
}

static int write_text(const struct pages *pages, page_writer *write, struct text *text)
{
    *text = (struct text){NULL, 0};
    FILE *out = open_memstream(&text->bytes, &text->length);
    int rc = out != NULL ? write(out, pages->context) : UV_ENOMEM;
    if (out != NULL && fclose(out) != 0)
        rc = UV_ENOMEM;
    return rc;
}

static void answer(const struct pages *pages, struct page_waiter *waiter, int rc,
                   const struct text *text)
{
    struct http_exchange *exchange = waiter->exchange;
    waiter->exchange = NULL;
    if (rc != 0)
        refuse(exchange, "out of memory");
    else if (http_server_unread_bytes(pages->http) + text->length > PAGES_UNREAD_BYTES)
        refuse(exchange, "others do not read what they have asked for");
    else
        http_exchange_answer(exchange, &(struct http_response){
                                           .status = 200,
                                           .content_type = waiter->content_type,
                                           .fields = "Cache-Control: no-store\r\n",
                                           .body = text->bytes,
                                           .body_bytes = text->length,
                                       });
}

/* All who wait for the same as the first one. */
static void answer_like(struct pages *pages, const struct page_waiter *first)
{
    struct text text;
    page_writer *write = first->write;
    int rc = write_text(pages, write, &text);
    for (size_t i = 0; i < PAGES_WAITERS; i++) {
        struct page_waiter *waiter = &pages->waiters[i];
        if (waiter->exchange != NULL && waiter->due && waiter->write == write)
            answer(pages, waiter, rc, &text);
    }
    free(text.bytes);
}

/* An answer may bring about the next request of its connection, which is for the next turn. */
static void on_turn(uv_idle_t *turn)
{
    struct pages *pages = turn->data;
    uv_idle_stop(turn);
    for (size_t i = 0; i < PAGES_WAITERS; i++)
        pages->waiters[i].due = pages->waiters[i].exchange != NULL;
    for (size_t i = 0; i < PAGES_WAITERS; i++) {
        if (pages->waiters[i].exchange != NULL && pages->waiters[i].due)
            answer_like(pages, &pages->waiters[i]);
    }
}

/* ------------------------------------------------------------------ asking */

static void on_gone(void *data)
{
    struct page_waiter *waiter = data;
    waiter->exchange = NULL;
}

static struct page_waiter *free_waiter(struct pages *pages)
{
    for (size_t i = 0; i < PAGES_WAITERS; i++) {
        if (pages->waiters[i].exchange == NULL)
            return &pages->waiters[i];
    }
    return NULL;
}

void pages_answer(struct pages *pages, struct http_exchange *exchange, const char *content_type,
                  page_writer *write)
{
    struct page_waiter *waiter = free_waiter(pages);
    if (waiter == NULL) {
        refuse(exchange, "too many ask at once");
        return;
    }
    *waiter = (struct page_waiter){exchange, content_type, write, false};
    http_exchange_defer(exchange, on_gone, waiter);
    uv_idle_start(&pages->turn, on_turn);
}
