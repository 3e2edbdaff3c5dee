/* replay.h – plays a transcript to a server, cut in a given way, and judges what comes back.
 *
 * Client and server live on one thread: after each piece the loop is run until the server has read
 * it, so a piece is a read of its own, and between two reads all that the connections of a loop
 * share is spoiled, as other connections would spoil it. Nothing waits for time to pass. */
#ifndef OFFLOOP_REPLAY_H
#define OFFLOOP_REPLAY_H

#include "tests/support/echo_server.h"
#include "tests/support/transcript.h"

enum delivery_kind { DELIVER_WHOLE, DELIVER_BYTES, DELIVER_SPLIT };

struct delivery {
    enum delivery_kind kind;
    size_t split_at; /* counted over the input of all turns */
};

/* Returns 0, or -1 after a report on stderr of what was expected and what came. All that came, but
 * for dates and interim answers, must equal *reference, unless that is empty: then it becomes it.
 */
int replay(struct echo_server *server, const struct transcript *transcript,
           struct delivery delivery, struct bytes *reference);

#endif
