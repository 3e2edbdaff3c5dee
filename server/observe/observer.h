/* observer.h – the observer is not the observed: an HTTP server on a thread, a loop and a port of
 * its own, which shows what the recordings say.
 *
 * It only reads, and never touches the loops that it watches; so it answers while they are frozen.
 * It begins and ends with the process (of the server, or of the parent of a cluster). */
#ifndef OFFLOOP_OBSERVE_OBSERVER_H
#define OFFLOOP_OBSERVE_OBSERVER_H

#include "server/observe/names.h"

struct observer;

struct observer_options {
    const struct recordings *recordings; /* must outlive the observer, as must all text below */
    const struct names *names;
    const char *host;
    unsigned port; /* 0: any free one */
    uint64_t epoch_ns;
    const char *config;        /* the document of /config */
    const char *patient;       /* "http://127.0.0.1:8080": where the page sends its requests */
    unsigned blocked_after_ms; /* from when on /healthz says 503 */
    unsigned max_connections, max_refused; /* of http_limits; 0: as by default */
    /* Is told, on the observer's thread, where a report was written, or (a negative errno) not. May
     * be NULL. */
    void (*on_report)(const char *name, int error);
};

/* Starts the thread and returns when it listens. Returns 0 or a negative UV_E… code; then nothing
 * is left of it. */
int observer_start(struct observer **observer, const struct observer_options *options);

/* "127.0.0.1:8081" */
void observer_authority(const struct observer *observer, char *text, size_t size);

/* Its port in host order; 0 for NULL. */
unsigned observer_port(const struct observer *observer);

/* Ends its streams and the thread, and frees it. On the thread that started it, whose SIGUSR2 is
 * blocked in between. NULL is no observer. */
void observer_stop(struct observer *observer);

#endif
