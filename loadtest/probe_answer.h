/* probe_answer.h – as much of an HTTP/1.1 answer as a probe must read: where it ends, and its
 * status. */
#ifndef OFFLOOP_PROBE_ANSWER_H
#define OFFLOOP_PROBE_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ANSWER_HEAD_MAX_BYTES = 4096 };

enum answer_progress { ANSWER_MORE, ANSWER_DONE, ANSWER_BAD };

/* One answer as it comes in. `status` and `close` hold once the answer is ANSWER_DONE. */
struct answer {
    int status;
    bool close;     /* the server closes the connection after this answer */
    bool in_body;   /* the head is complete */
    bool until_eof; /* no Content-Length: the end of the connection ends the body */
    uint64_t body_left;
    size_t head_bytes;
    char head[ANSWER_HEAD_MAX_BYTES + 1];
};

void answer_reset(struct answer *answer);

/* Takes the next bytes, however the answer was cut. ANSWER_BAD: not an answer that this reader
 * knows (chunked bodies, a head over ANSWER_HEAD_MAX_BYTES), or bytes beyond its end, which nobody
 * asked for. */
enum answer_progress answer_feed(struct answer *answer, const char *bytes, size_t count);

/* The connection ended: ANSWER_DONE if that is how this answer ends, else ANSWER_BAD. */
enum answer_progress answer_end(struct answer *answer);

#endif
