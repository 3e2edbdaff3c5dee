/* hangup.h – SIGHUP, heard by a loop: somebody sends it, or the terminal has gone.
 *
 * It is blocked in every thread from the first line of main to the last, and read from a
 * descriptor: there is no moment in which it would do what it does by default, which is to kill. */
#ifndef OFFLOOP_HANGUP_H
#define OFFLOOP_HANGUP_H

#include <stdbool.h>
#include <uv.h>

/* The caller owns the memory, until the loop has closed the handle. */
struct hangup {
    uv_poll_t poll;
    int fd; /* -1: nobody listens, and nothing happens */
    bool has_terminal;
    /* `ends`: it came from the terminal from which this process was started, and which is closed;
     * then it means what it always has meant. */
    void (*on_hangup)(void *data, bool ends);
    void *data;
};

/* Listens. If there is no descriptor for it, SIGHUP is not heard. The calling thread, and those
 * that it makes, have it blocked from now on. */
void hangup_begin(struct hangup *hangup, uv_loop_t *loop, void (*on_hangup)(void *data, bool ends),
                  void *data);

/* Closes its handle. SIGHUP stays blocked. */
void hangup_end(struct hangup *hangup);

#endif
