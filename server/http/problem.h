/* problem.h – error answers as application/problem+json (RFC 9457). */
#ifndef OFFLOOP_HTTP_PROBLEM_H
#define OFFLOOP_HTTP_PROBLEM_H

#include "server/http/exchange.h"

/* Answers with a problem document: the status, its reason as title, and a sentence of detail
 * (printf style, cut at 400 bytes). `fields` are further field lines, as in a response, or NULL. */
void http_problem(struct http_exchange *exchange, int status, const char *fields,
                  const char *detail, ...) __attribute__((format(printf, 4, 5)));

/* The document alone, *length bytes without a NUL, malloc'ed by cJSON (free with cJSON_free); or
 * NULL when memory is short, and *length stays as it is. */
char *http_problem_document(int status, const char *detail, size_t *length);

#endif
