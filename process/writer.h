/* writer.h – lines for a descriptor that perhaps nobody reads, from threads that may not wait.
 *
 * A pipe can be full, a terminal stopped by Ctrl-S, a collector of logs stuck. Who puts a line goes
 * on at once; a thread of the writer's own is the only one to wait. What there is no room for is
 * lost and counted, and where it is missing a line says so. Lines stay whole and in order. */
#ifndef OFFLOOP_PROCESS_WRITER_H
#define OFFLOOP_PROCESS_WRITER_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

enum {
    WRITER_LINE_BYTES = 4096, /* PIPE_BUF: a pipe takes so much in one piece or not at all */
    WRITER_LINES = 256,       /* memory is touched only as far as they ever wait */
};

struct writer_line {
    unsigned lost_before; /* lines for which there was no room */
    size_t length;
    char text[WRITER_LINE_BYTES];
};

/* Without an end: its thread may be in a write for ever. So it is static, and dies with the
 * process. */
struct writer {
    int fd;
    /* Says that `count` lines are missing here: a line as long as its return value, which is at
     * most WRITER_LINE_BYTES. On the writer's thread. */
    size_t (*describe_loss)(unsigned count, char *line);

    pthread_mutex_t lock; /* over all that follows */
    pthread_cond_t put, written;
    bool running;
    struct writer_line lines[WRITER_LINES];
    unsigned first, waiting; /* the first may be with the thread */
    unsigned lost;           /* since the last that found room */
    bool telling;            /* the thread says so */
    unsigned done;           /* lines that have left, for those who wait for that */
};

#define WRITER(descriptor, describe)         \
    ((struct writer){                        \
        .fd = (descriptor),                  \
        .describe_loss = (describe),         \
        .lock = PTHREAD_MUTEX_INITIALIZER,   \
        .put = PTHREAD_COND_INITIALIZER,     \
        .written = PTHREAD_COND_INITIALIZER, \
    })

/* Copies a line, with its end, of at most WRITER_LINE_BYTES; a longer one is lost. From any thread,
 * and never waits. */
void writer_put(struct writer *writer, const char *line, size_t length);

/* Waits until everything is written, as long as it goes on: `patience_ms` for each line. Returns
 * whether all of it is. */
bool writer_flush(struct writer *writer, unsigned patience_ms);

#endif
