/* spawn.h – processes that a loop starts, and whose end it hears of.
 *
 * uv_spawn gives every signal its default back and empties the mask just before the child becomes
 * another program. A SIGHUP that is sent to all processes of a service would then kill a child that
 * has not come to its main yet. Here it begins with such signals blocked (process/signals.h), and
 * without a copy of this process's page tables.
 *
 * All on the loop's thread. */
#ifndef OFFLOOP_SPAWN_H
#define OFFLOOP_SPAWN_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

enum { SPAWN_DESCRIPTORS_MAX = 8 };

struct spawn_plan {
    const char *program;                    /* a path, or a name to be looked for in PATH */
    char **arguments;                       /* the first is its name, the last NULL */
    char **environment;                     /* NULL: this process's */
    bool own_session;                       /* no terminal speaks to it */
    int descriptors[SPAWN_DESCRIPTORS_MAX]; /* what becomes its 0, 1, 2 …; -1: nothing */
    unsigned descriptor_count;
};

/* A process. The caller owns the memory, until the handle is closed. */
struct spawned {
    uv_signal_t exits; /* data is the caller's, and so is the closing */
    int pid;
    bool running; /* it has not ended, or nobody has heard of it yet */
    void (*on_exit)(struct spawned *process, int64_t status, int signal);
};

/* Makes the handle, whose data stays as it is. */
void spawned_init(struct spawned *process, uv_loop_t *loop);

/* Starts it; the descriptors of the plan stay the caller's. on_exit comes once, with its exit
 * status or the signal that it died of. Returns 0 or a negative UV_E… code; then nothing comes. */
int spawned_start(struct spawned *process, const struct spawn_plan *plan,
                  void (*on_exit)(struct spawned *process, int64_t status, int signal));

/* Sends it a signal, if it is there. */
void spawned_kill(const struct spawned *process, int signal);

/* As the first process of a container, or another that the kernel hands orphans to, this one must
 * also await the end of processes that it has never started: those of a member that was killed. */
struct orphans {
    uv_signal_t exits;
    bool adopted; /* they come here, and the handle is there */
};

/* Awaits them from now on, if this process gets any. Does not keep the loop alive. */
void orphans_begin(struct orphans *orphans, uv_loop_t *loop);

/* Closes its handle. */
void orphans_end(struct orphans *orphans);

#endif
