/* observation.h – the part of a program that watches it: the recordings of its server or servers,
 * and the observer that shows them.
 *
 * A server that is alone records and observes itself. In a cluster the parent has the recordings
 * and the observer, and each member writes into a recording that it was lent: there are two for
 * each slot, because in a rolling restart the old member still writes while the new one begins. */
#ifndef OFFLOOP_OBSERVATION_H
#define OFFLOOP_OBSERVATION_H

#include "server/observe/observer.h"
#include "server/observe/recorder.h"
#include "server/options.h"
#include "server/stalls.h"

struct observation {
    struct recordings recordings;
    struct names names;
    uint64_t epoch_ns;
    double epoch_unix_ms; /* the wall clock then; it is not asked again, whatever becomes of it */

    /* Of a server. */
    struct recording *own; /* NULL: nothing is recorded */
    struct recorder recorder;
    struct stalls stalls;
    char who[32];

    bool told_foreign; /* of a cluster's parent: it has said that a member is not recorded */

    /* Of who shows it. */
    struct observer *observer; /* NULL: nobody does */
    char *config, patient[96];
};

/* Begins to record this server, unless that is switched off; in memory of its own or, in a cluster,
 * in that of the parent. If that is of a version with another layout, in memory of its own, which
 * nobody shows, and it logs so. Returns 0 or a negative UV_E… code; then nothing is left of it. */
int observation_record(struct observation *observation, uv_loop_t *loop,
                       const struct options *options);

/* The server's requests, too. */
void observation_watch(struct observation *observation, struct http_server *http);

/* The recording for offload.h and slow_io.h, or NULL; and how late the loop is, for shedding. */
struct recording *observation_recording(const struct observation *observation);
uint64_t observation_lag_ns(void *observation);

/* The first recording of all, where the observer's port is written down, or NULL. */
const struct recording *observation_first(const struct observation *observation);

/* Ends the recording, when nothing is out any more and the server is closed. On the loop. */
void observation_end(struct observation *observation);

/* Makes the memory for a cluster, for its parent. Returns 0 or a negative UV_E… code. */
int observation_prepare(struct observation *observation, const struct options *options);

/* Member `number`, which was lent recording `index`, is ready. If it does not write there, because
 * it is of a version with another layout, the recording says so, and the log for the first one. */
void observation_meet(struct observation *observation, unsigned index, unsigned number, int pid);

/* A member that wrote into recording `index` has ended, however it did. */
void observation_forget(struct observation *observation, unsigned index);

/* Shows the recordings of the server at `patient` ("127.0.0.1:8080"), unless that is switched off.
 * Returns 0 or a negative UV_E… code, which has been logged. */
int observation_start(struct observation *observation, const struct options *options,
                      const char *patient);

/* Logs where it is shown, if it is. */
void observation_tell(const struct observation *observation);

/* Ends the observer and frees the memory. After the loop has run out of handles. */
void observation_close(struct observation *observation);

#endif
