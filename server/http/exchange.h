/* exchange.h – one request and its answer, as handlers see it.
 *
 * A handler is called on the loop's thread with an exchange. Before it returns it either answers,
 * or begins an answer that streams, or defers: then the exchange waits, and the handler's module
 * answers later, from any callback of the same loop, but not from another exchange's handler.
 * Exactly one of the three, and exactly one answer.
 *
 * If the client leaves before the answer, `on_abandoned` is called once and the exchange is gone
 * when it returns: what holds a pointer to it must forget it there. Late results are normal;
 * pointers to connections are not. */
#ifndef OFFLOOP_HTTP_EXCHANGE_H
#define OFFLOOP_HTTP_EXCHANGE_H

#include <sys/types.h>

#include "server/http/request.h"
#include "server/http/response.h"

struct http_exchange;

/* `context` is what the server was started with. */
typedef void http_handler(struct http_exchange *exchange, void *context);

/* The request; valid while the handler runs. */
const struct http_request *http_exchange_request(const struct http_exchange *exchange);

/* What the server was started with, for whoever answers later. */
void *http_exchange_context(const struct http_exchange *exchange);

/* Answers, now or after http_exchange_defer. The response is copied. The exchange is gone
 * afterwards. */
void http_exchange_answer(struct http_exchange *exchange, const struct http_response *response);

/* The same for an answer that was prepared: a copy, whatever it says. */
void http_exchange_answer_prepared(struct http_exchange *exchange,
                                   const struct http_prepared *prepared);

/* Promises an answer. `on_abandoned(data)` is called instead if the connection ends first. */
void http_exchange_defer(struct http_exchange *exchange, void (*on_abandoned)(void *data),
                         void *data);

/* ------------------------------------------------------------------ answers in pieces
 *
 * Server-Sent Events, for example: the head goes out now, content whenever there is some. In
 * HTTP/1.1 the content is chunked (RFC 9112, section 7.1); in HTTP/1.0 it ends with the connection.
 * Requests behind it wait until it has ended, and it has no time-out but that of a peer that takes
 * nothing of what waits for it.
 *
 * `on_abandoned(data)` is called once if the stream ends otherwise than by its owner: the client
 * leaves, takes nothing for too long, or the server drains; only then the reader sees a complete
 * answer. It is never called from within one of these functions: what becomes of the exchange
 * there, they return. */

/* Answers with a head; the response has no body, and its status has content. Returns true if the
 * exchange waits for pieces. Else it is gone: the request was HEAD, the server is draining, or the
 * connection broke. */
bool http_exchange_stream(struct http_exchange *exchange, const struct http_response *head,
                          void (*on_abandoned)(void *data), void *data);

/* Sends a piece, which is copied if it must wait; an empty one is none. Returns how many bytes the
 * peer has not yet taken, which are in memory here (and some 200 more for each piece that waits):
 * it is the owner who bounds them, by skipping pieces or with http_exchange_cut. Or a negative
 * UV_E… code: the connection broke and the exchange is gone. This and http_exchange_cut may be
 * called from handlers of other exchanges, too. */
ssize_t http_exchange_write(struct http_exchange *exchange, const void *bytes, size_t length);

/* From now on on_drained(data), with the data of http_exchange_stream, is called whenever the peer
 * has taken all that had to wait: a stream that is long and at hand need not be in memory here, if
 * its owner writes the next piece only then. A piece that need not wait (http_exchange_write has
 * returned 0) brings about no call. What may be called is what any callback of the loop may. */
void http_exchange_on_drained(struct http_exchange *exchange, void (*on_drained)(void *data));

/* The content is complete. The exchange is gone, the connection goes on with what comes next. */
void http_exchange_end(struct http_exchange *exchange);

/* Gives up on it and closes the connection at once; a reader sees that the end is missing, unless
 * it reads HTTP/1.0. The exchange is gone. Also for one that was deferred. */
void http_exchange_cut(struct http_exchange *exchange);

/* For router.c: the row of its route in the table, or the number of rows if it has none, is known,
 * and its handler is called next. */
void http_exchange_routed(struct http_exchange *exchange, size_t route);

#endif
