/* spawn.c – see spawn.h.
 *
 * Every process has a watcher of SIGCHLD of its own, which asks for this one process: nobody takes
 * another's exit away. Only orphans are looked for among all, and without being taken (WNOWAIT); if
 * the one that is found is the loop's own, its watcher is called. */
#include "server/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "process/signals.h"

extern char **environ;

/* ------------------------------------------------------------------ the end of a process */

static void look_after(struct spawned *process)
{
    int status;
    if (!process->running || waitpid(process->pid, &status, WNOHANG) != process->pid)
        return;
    process->running = false;
    uv_signal_stop(&process->exits);
    process->on_exit(process, WIFEXITED(status) ? WEXITSTATUS(status) : 0,
                     WIFSIGNALED(status) ? WTERMSIG(status) : 0);
}

static struct spawned *spawned_of(uv_signal_t *exits)
{
    return (struct spawned *)((char *)exits - offsetof(struct spawned, exits));
}

static void on_exits(uv_signal_t *exits, int number)
{
    (void)number;
    look_after(spawned_of(exits));
}

void spawned_kill(const struct spawned *process, int signal)
{
    if (process->running)
        (void)kill(process->pid, signal);
}

/* ------------------------------------------------------------------ its beginning */

/* Those that stand where another one shall go make room, as copies. */
static int lift(const struct spawn_plan *plan, int *lifted)
{
    int rc = 0;
    for (unsigned i = 0; i < plan->descriptor_count; i++) {
        int fd = plan->descriptors[i];
        bool in_the_way = fd >= 0 && fd != (int)i && fd < (int)plan->descriptor_count;
        lifted[i] = in_the_way ? fcntl(fd, F_DUPFD_CLOEXEC, (int)plan->descriptor_count) : -1;
        if (in_the_way && lifted[i] < 0)
            rc = errno;
    }
    return rc;
}

static void close_lifted(const struct spawn_plan *plan, const int *lifted)
{
    for (unsigned i = 0; i < plan->descriptor_count; i++) {
        if (lifted[i] >= 0)
            close(lifted[i]);
    }
}

static int place(posix_spawn_file_actions_t *actions, const struct spawn_plan *plan,
                 const int *lifted)
{
    int rc = 0;
    for (unsigned i = 0; rc == 0 && i < plan->descriptor_count; i++) {
        int fd = lifted[i] >= 0 ? lifted[i] : plan->descriptors[i];
        if (fd >= 0)
            rc = posix_spawn_file_actions_adddup2(actions, fd, (int)i);
    }
    return rc;
}

static int set_attributes(posix_spawnattr_t *attributes, const struct spawn_plan *plan)
{
    sigset_t blocked;
    short session = plan->own_session ? POSIX_SPAWN_SETSID : 0;
    signals_of_newborns(&blocked);
    int rc = posix_spawnattr_setsigmask(attributes, &blocked);
    if (rc == 0)
        rc = posix_spawnattr_setflags(attributes, (short)(POSIX_SPAWN_SETSIGMASK | session));
    return rc;
}

static int start_with(const struct spawn_plan *plan, posix_spawn_file_actions_t *actions, int *pid)
{
    posix_spawnattr_t attributes;
    int rc = posix_spawnattr_init(&attributes);
    if (rc != 0)
        return rc;
    rc = set_attributes(&attributes, plan);
    if (rc == 0)
        rc = posix_spawnp(pid, plan->program, actions, &attributes, plan->arguments,
                          plan->environment != NULL ? plan->environment : environ);
    posix_spawnattr_destroy(&attributes);
    return rc;
}

/* Returns 0 or an errno. */
static int start(const struct spawn_plan *plan, int *pid)
{
    posix_spawn_file_actions_t actions;
    int lifted[SPAWN_DESCRIPTORS_MAX];
    int rc = posix_spawn_file_actions_init(&actions);
    if (rc != 0)
        return rc;
    rc = lift(plan, lifted);
    if (rc == 0)
        rc = place(&actions, plan, lifted);
    if (rc == 0)
        rc = start_with(plan, &actions, pid);
    close_lifted(plan, lifted);
    posix_spawn_file_actions_destroy(&actions);
    return rc;
}

/* This cannot fail: what signals need, a loop is made with. */
void spawned_init(struct spawned *process, uv_loop_t *loop)
{
    process->running = false;
    (void)uv_signal_init(loop, &process->exits);
}

/* The watcher is there before the process. */
int spawned_start(struct spawned *process, const struct spawn_plan *plan,
                  void (*on_exit)(struct spawned *process, int64_t status, int signal))
{
    process->on_exit = on_exit;
    (void)uv_signal_start(&process->exits, on_exits, SIGCHLD);
    int rc = start(plan, &process->pid);
    process->running = rc == 0;
    if (rc != 0)
        uv_signal_stop(&process->exits);
    return -rc;
}

/* ------------------------------------------------------------------ orphans */

struct search {
    int pid;
    struct spawned *found;
};

static void compare(uv_handle_t *handle, void *data)
{
    struct search *search = data;
    uv_signal_t *exits = (uv_signal_t *)handle;
    if (uv_handle_get_type(handle) != UV_SIGNAL || exits->signal_cb != on_exits)
        return;
    struct spawned *process = spawned_of(exits);
    if (process->running && process->pid == search->pid)
        search->found = process;
}

/* Somebody who has ended, and for whom nobody has waited yet; 0 if there is none. */
static int next_ended(void)
{
    siginfo_t ended = {0};
    int rc = waitid(P_ALL, 0, &ended, WEXITED | WNOHANG | WNOWAIT);
    return rc == 0 ? ended.si_pid : 0;
}

static void on_somebody_exits(uv_signal_t *exits, int number)
{
    struct search search;
    (void)number;
    while ((search.pid = next_ended()) > 0) {
        search.found = NULL;
        uv_walk(exits->loop, compare, &search);
        if (search.found != NULL)
            look_after(search.found);
        else
            (void)waitpid(search.pid, NULL, WNOHANG);
    }
}

static bool gets_orphans(void)
{
    int subreaper = 0;
    (void)prctl(PR_GET_CHILD_SUBREAPER, &subreaper);
    return getpid() == 1 || subreaper != 0;
}

void orphans_begin(struct orphans *orphans, uv_loop_t *loop)
{
    orphans->adopted = gets_orphans();
    if (!orphans->adopted)
        return;
    (void)uv_signal_init(loop, &orphans->exits);
    (void)uv_signal_start(&orphans->exits, on_somebody_exits, SIGCHLD);
    uv_unref((uv_handle_t *)&orphans->exits);
    on_somebody_exits(&orphans->exits, SIGCHLD); /* from before this was our program */
}

void orphans_end(struct orphans *orphans)
{
    if (orphans->adopted)
        uv_close((uv_handle_t *)&orphans->exits, NULL);
}
