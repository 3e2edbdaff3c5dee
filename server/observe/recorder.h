/* recorder.h – all that a server does to record itself: its requests, its loop, and the thread that
 * watches the loop. Called on the loop's thread. */
#ifndef OFFLOOP_OBSERVE_RECORDER_H
#define OFFLOOP_OBSERVE_RECORDER_H

#include "server/http/server.h"
#include "server/http/watcher.h"
#include "server/observe/loop_monitor.h"
#include "server/observe/watchdog.h"

struct recorder {
    struct recording *recording;
    struct loop_monitor monitor;
    struct watchdog watchdog;
    struct http_server *http;
    struct http_watcher watcher;
};

/* Records from now on. The loop must not have run yet. Returns 0 or a negative UV_E… code: then
 * nothing is left of it. */
int recorder_start(struct recorder *recorder, uv_loop_t *loop, struct recording *recording,
                   const struct watchdog_listener *listener);

/* Enters this server's requests, too. The server must be closed before recorder_stop. */
void recorder_watch(struct recorder *recorder, struct http_server *http);

/* Ends the watchdog, and closes the handles on the loop. */
void recorder_stop(struct recorder *recorder);

#endif
