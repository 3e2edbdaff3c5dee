/* signals.c – see signals.h.
 *
 * A mask and what is ignored survive exec, so a starter that blocks SIGTERM or SIGCHLD, or ignores
 * them, hands that on to programs that count on them. SIGTERM and SIGCHLD get their default back.
 * SIGHUP stays ignored if it was (that is nohup), and so do SIGINT, SIGQUIT and those of job
 * control, by which a shell keeps what it runs in the background from a terminal's keys.
 *
 * For a server these signals are blocked and not ignored: a handler of libuv leaves the default
 * behind when it ends, and a thread that has the signal blocked does not mind. A pending SIGUSR2
 * is heard when the observer is there to hear it.
 *
 * SIGALRM and the like keep their default: they come from a clock that somebody has set for this
 * very process (`perl -e 'alarm 10; exec @ARGV'`). */
#include "process/signals.h"

#include <stddef.h>

static void set_of(sigset_t *set, const int *numbers, size_t count)
{
    sigemptyset(set);
    for (size_t i = 0; i < count; i++)
        sigaddset(set, numbers[i]);
}

static void ignore(const int *numbers, size_t count)
{
    for (size_t i = 0; i < count; i++)
        signal(numbers[i], SIG_IGN);
}

/* What others are meant by, and what ends servers. */
static const int newborn[] = {SIGUSR1, SIGUSR2, SIGHUP, SIGINT, SIGTERM};
static const size_t unknown_to_tools = 2, unknown_to_members = 3, unknown_to_children = 5;

void signals_of_newborns(sigset_t *set)
{
    set_of(set, newborn, sizeof newborn / sizeof *newborn);
}

void signals_begin(enum signals_role role)
{
    sigset_t blocked;
    signal(SIGPIPE, SIG_IGN); /* a reader that has gone is an error code, not a death, */
    signal(SIGXFSZ, SIG_IGN); /* and so is a file that may not become longer (ulimit -f) */
    signal(SIGCHLD, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    if (role != SIGNALS_SERVER)
        ignore(newborn, role == SIGNALS_CHILD ? unknown_to_children : unknown_to_tools);
    set_of(&blocked, newborn, role == SIGNALS_SERVER ? unknown_to_members : 0);
    sigprocmask(SIG_SETMASK, &blocked, NULL); /* last: who was pending finds all in order */
}
