/* counters.h – what a server has seen: written on its loop's thread only, read by any. */
#ifndef OFFLOOP_HTTP_COUNTERS_H
#define OFFLOOP_HTTP_COUNTERS_H

#include "server/http/counter.h"

/* The list makes the struct, and the names wherever they are printed. */
/* clang-format off */
#define HTTP_COUNTERS(row)                                                     \
    row(connections_accepted) row(connections_closed) row(connections_refused) \
    row(accept_errors)                                                         \
    row(requests)                                                              \
    row(answers_2xx) row(answers_4xx) row(answers_5xx)                         \
    row(exchanges_abandoned)                                                   \
    row(messages_refused)                                                      \
    row(limits_target) row(limits_fields) row(limits_content)                  \
    row(timeouts_headers) row(timeouts_request) row(timeouts_keep_alive)       \
    row(timeouts_write)                                                        \
    row(out_of_memory)
/* clang-format on */

struct http_counters {
#define HTTP_COUNTER_MEMBER(name) struct counter name;
    HTTP_COUNTERS(HTTP_COUNTER_MEMBER)
#undef HTTP_COUNTER_MEMBER
};

#endif
