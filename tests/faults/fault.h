/* fault.h – calls that fail because a test says so: the n-th of a kind, and no other.
 *
 * Memory is asked for by four parties, each with an allocator of its own: the server's objects (the
 * build renames their malloc and a few other symbols to fault_…, see faults.mk), libuv, cJSON and
 * SQLite (which have a hook for it). System calls go through this program before they reach the C
 * library; of these only such fail as are made for the server's side of a connection, or for the
 * pipe to a child process. What the tests themselves ask for never fails, although their clients
 * live on the same loop.
 *
 * Rejected: ld --wrap (it cannot tell the tests' objects from the server's), and LD_PRELOAD (it
 * cannot tell libuv from libpng). */
#ifndef OFFLOOP_TESTS_FAULTS_FAULT_H
#define OFFLOOP_TESTS_FAULTS_FAULT_H

#include <stdbool.h>

/* kind, what fails and how. */
/* clang-format off */
#define FAULT_KINDS(row)                                              \
    row(SERVER_MEMORY, "malloc, calloc, realloc of the server: NULL") \
    row(UV_MEMORY, "malloc, calloc of libuv: NULL")                   \
    row(JSON_MEMORY, "malloc of cJSON: NULL")                         \
    row(SQLITE_MEMORY, "malloc, realloc of SQLite: NULL")             \
    row(SQLITE_CALL, "open, exec, prepare, step of SQLite: an error") \
    row(QUEUE_WORK, "uv_queue_work: ENOMEM")                          \
    row(THREAD, "uv_thread_create: EAGAIN")                           \
    row(FORK, "posix_spawn: EAGAIN")                                  \
    row(SOCKET, "socket, setsockopt, socketpair: EMFILE")             \
    row(LISTEN, "bind, listen: EADDRINUSE")                           \
    row(MAPPING, "memfd_create, ftruncate, mmap: ENOMEM")             \
    row(ACCEPT_FULL, "accept4: EMFILE")                               \
    row(ACCEPT_GONE, "accept4: ECONNABORTED")                         \
    row(READ, "read: ECONNRESET, EIO")                                \
    row(READ_SHORT, "read: a single byte")                            \
    row(WRITE, "write: EPIPE")                                        \
    row(WRITE_SHORT, "write: a single byte")                          \
    row(WRITE_FULL, "write: EAGAIN")
/* clang-format on */

enum fault_kind {
    FAULT_NONE,
#define FAULT_MEMBER(kind, what) FAULT_##kind,
    FAULT_KINDS(FAULT_MEMBER)
#undef FAULT_MEMBER
};

/* What the kind is, for messages. */
const char *fault_name(enum fault_kind kind);

/* Takes the allocators over. Before libuv, SQLite or cJSON is used. */
void fault_prepare(void);

/* From now on the n-th call of this kind (1: the next) fails, on whichever thread. */
void fault_arm(enum fault_kind kind, unsigned n);

/* No call fails any more. Returns whether one did. */
bool fault_disarm(void);

/* Has one failed since fault_arm? */
bool fault_has_struck(void);

/* A port whose listeners' and connections' calls may fail; up to two of them. */
void fault_watch_port(unsigned port);

/* Allocations of the server, libuv and cJSON that were not given back. */
long fault_allocations(void);

#endif
