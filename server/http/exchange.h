/* exchange.h – one request and its answer, as handlers see it.
 *
 * A handler is called on the loop's thread with an exchange. Before it returns it either answers,
 * or defers: then the exchange waits, and the handler's module answers later, from any callback of
 * the same loop. Exactly one of the two, and exactly one answer.
 *
 * If the client leaves before the answer, `on_abandoned` is called once and the exchange is gone
 * when it returns: what holds a pointer to it must forget it there. Late results are normal;
 * pointers to connections are not. */
#ifndef OFFLOOP_HTTP_EXCHANGE_H
#define OFFLOOP_HTTP_EXCHANGE_H

#include "server/http/request.h"
#include "server/http/response.h"

struct http_exchange;

/* `context` is what the server was started with. */
typedef void http_handler(struct http_exchange *exchange, void *context);

/* The request; valid while the handler runs. */
const struct http_request *http_exchange_request(const struct http_exchange *exchange);

/* Answers, now or after http_exchange_defer. The response is copied. The exchange is gone
 * afterwards. */
void http_exchange_answer(struct http_exchange *exchange, const struct http_response *response);

/* The same for an answer that was prepared: a copy, whatever it says. */
void http_exchange_answer_prepared(struct http_exchange *exchange,
                                   const struct http_prepared *prepared);

/* Promises an answer. `on_abandoned(data)` is called instead if the connection ends first. */
void http_exchange_defer(struct http_exchange *exchange, void (*on_abandoned)(void *data),
                         void *data);

#endif
