/* program.h – the server as a program of its own, read by its log, and blocking clients for it.
 *
 * For what needs real processes: a cluster's parent starts the program that it is. Nothing waits
 * for time to pass: a read returns when the line or the answer is there, or the other side has
 * ended. */
#ifndef OFFLOOP_TESTS_PROGRAM_H
#define OFFLOOP_TESTS_PROGRAM_H

#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>

enum { PROGRAM_MEMBERS_MAX = 8 };

struct program {
    pid_t pid;
    FILE *log;
    char line[2048]; /* the last that was read of its log */
    unsigned port;
};

/* Starts build/offloop with these arguments, ended by NULL, on any free port unless they name one.
 * `listener` is passed to it as by a service manager, unless it is -1. */
struct program program_start(int listener, ...) __attribute__((sentinel));

/* The same; `prepare` is called in its process just before it becomes the program, and gives it
 * what a starter can: closed descriptors, blocked signals, limits. */
struct program program_start_prepared(void (*prepare)(void *data), void *data, int listener, ...)
    __attribute__((sentinel));

/* The same as the first with the program at `path`. */
struct program program_start_at(const char *path, ...) __attribute__((sentinel));

/* Where build/offloop is. */
void program_path(char *path, size_t size);

/* Reads its log up to the line of this event. Returns false if there is none. */
bool program_await(struct program *program, const char *event);

/* Counts the lines to the end of the log: until the program and all that it has started have ended.
 * The last one is in program->line. */
unsigned program_await_silence(struct program *program);

/* Waits for its end, for a minute and then kills it, and closes the log. Returns its exit status,
 * or 128 + the signal's number. */
int program_end(struct program *program);

/* A cluster of three members with one worker each, which listens; `sched` is its --cluster-sched
 * option. */
struct program program_cluster(const char *sched);

/* The pids of its members, of which there are `count`, in the line of `listening`:
 * "members":[1,2,3]. */
void program_members(const struct program *program, pid_t *pids, int count);

/* Tells it to drain, and awaits that it has, with exit status 0. */
void program_stop(struct program *program);

/* The number after "name": in a text of JSON; -1 if there is none. */
long number_in(const char *text, const char *name);

/* The pid in such a text; the test fails unless it is one. */
pid_t pid_in(const char *text);

/* kill(2) for one process only: the test fails, and nobody is hit, if `pid` is anything else. A -1
 * that came from a text without a pid would mean every process of this machine. */
void signal_one(pid_t pid, int number);

/* The pids of all processes that this one has started, they have started, and so on, of which there
 * are at most `max`. Returns how many. */
unsigned program_descendants(pid_t pid, pid_t *pids, unsigned max);

/* SIGSTOP; returns when it stands still. SIGCONT or SIGKILL ends that. */
void freeze_one(pid_t pid);

/* A connection; sending a GET on it; reading one answer, head and body, which is valid until the
 * next call. NULL if the server has closed it instead. */
int peer_connect(unsigned port);
void peer_get(int peer, const char *target);
const char *peer_answer(int peer);

/* All of it in one: what this connection, or a new one, says. */
const char *peer_ask(int peer, const char *target);
const char *peer_ask_once(unsigned port, const char *target);

/* Whether a new connection would be refused. */
bool port_is_closed(unsigned port);

/* Whether the answer has begun to come. */
bool peer_has_answer(int peer);

#endif
