/* transcript.h – the readable files of bytes in and bytes out under tests/transcripts.
 *
 * The format is described in tests/transcripts/README.md. A transcript is a sequence of turns: the
 * client says something, then the server's answers are compared with what is expected of them. */
#ifndef OFFLOOP_TRANSCRIPT_H
#define OFFLOOP_TRANSCRIPT_H

#include <stdbool.h>
#include <stddef.h>

struct bytes {
    char *at; /* malloc'ed */
    size_t length, capacity;
};

void bytes_add(struct bytes *bytes, const void *piece, size_t length);
void bytes_free(struct bytes *bytes);

enum expectation_kind {
    EXPECT_LITERAL, /* exactly these bytes */
    EXPECT_DATE,    /* "Sun, 06 Nov 1994 08:49:37 GMT" */
    EXPECT_LENGTH,  /* a number: that of the bytes of the problem that follows, if one does */
    EXPECT_PROBLEM, /* a problem document of the answer's status; its detail contains the text */
};

struct expectation {
    enum expectation_kind kind;
    bool only_if_cut; /* comes only if the delivery is cut at the turn's mark */
    struct bytes text;
};

struct turn {
    struct bytes input;
    bool has_mark, ends_input;
    size_t mark; /* an offset in the input */
    struct expectation *expectations;
    size_t expectation_count;
};

/* What holds when the last turn is over. */
enum transcript_end {
    ENDS_CLOSED,  /* the server has ended the connection */
    ENDS_OPEN,    /* it answers one more request */
    ENDS_WAITING, /* it waits for more of a message */
};

struct transcript {
    char *name; /* "host.txt:12: no Host" */
    size_t max_header_bytes, max_body_bytes;
    struct turn *turns;
    size_t turn_count;
    enum transcript_end end;
};

/* Appends the transcripts of a file to *transcripts (malloc'ed; begin with NULL and 0). A file that
 * cannot be read, or is not in the format, ends the program with a message: the tests are wrong. */
void transcripts_read(const char *path, struct transcript **transcripts, size_t *count);
void transcripts_free(struct transcript *transcripts, size_t count);

enum match { MATCH_PART, MATCH_WHOLE, MATCH_NOT };

/* Matches one expectation against answer[*at, length); a whole match moves *at behind it. */
enum match expectation_match(const struct expectation *expectation, const struct bytes *answer,
                             size_t *at);

#endif
