/* responses.h – reads back what a server has written, and takes nothing that is not well-formed. */
#ifndef OFFLOOP_TESTS_FUZZ_RESPONSES_H
#define OFFLOOP_TESTS_FUZZ_RESPONSES_H

#include <stdbool.h>
#include <stddef.h>

/* What is still to be read. */
struct responses {
    const char *at;
    size_t left;
};

struct response {
    int status;
    bool closes;            /* Connection: close */
    bool chunked;           /* Transfer-Encoding: chunked */
    bool streams;           /* no Content-Length: chunks, or all that comes */
    size_t announced_bytes; /* Content-Length */
    const char *body;       /* as it was sent, until responses_unchunk */
    size_t body_bytes;
};

/* Takes the next final response; interim ones ("100 Continue") are skipped. Returns false if there
 * is not a whole one; ends the program if what is there is not HTTP. */
bool responses_next(struct responses *stream, bool head_only, struct response *response);

/* Joins the chunks of a response's body in `to`, which has room for all of it. */
void responses_unchunk(struct response *response, char *to);

#endif
