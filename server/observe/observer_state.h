/* observer_state.h – what the observer consists of, for its routes. On the observer's thread. */
#ifndef OFFLOOP_OBSERVE_OBSERVER_STATE_H
#define OFFLOOP_OBSERVE_OBSERVER_STATE_H

#include "server/http/server.h"
#include "server/observe/diagnosis.h"
#include "server/observe/events.h"
#include "server/observe/observer.h"
#include "server/observe/pages.h"
#include "server/observe/survey.h"
#include "server/observe/traces.h"

enum { OBSERVER_TICK_MS = 25, OBSERVER_TICKS_PER_LOOK = 4, OBSERVER_CONNECTIONS = 512 };

struct observer {
    struct observer_options options;
    uv_thread_t thread;
    uv_loop_t loop;
    uv_timer_t ticks;
    unsigned tick;
    uv_async_t ending;   /* from the thread that stops it */
    uv_signal_t reports; /* SIGUSR2 */
    bool takes_signals, blocks_signal;
    unsigned report_count;
    struct http_server http;
    char policy[512];
    struct http_fields fields; /* the policy, in every answer */
    char own_host[256];
    const char *hosts[2];
    struct survey survey;
    struct diagnosis diagnosis;
    struct verdict verdict; /* of the last look */
    struct events events;
    struct traces traces;
    struct pages pages;
};

extern const struct http_router observer_routes;

#endif
