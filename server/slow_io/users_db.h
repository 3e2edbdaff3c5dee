/* users_db.h – the database behind /slow: SQLite, a table of users, and a query that takes its
 * time.
 *
 * One users_db is one connection, used by one thread at a time; opening and finding block, so they
 * belong on a thread of the pool. Only users_db_interrupt may be called beside them.
 *
 * A file that is not ours is never written to (users_table.h). One that was removed, replaced or
 * damaged while it was open is opened anew by the next query. */
#ifndef OFFLOOP_SLOW_IO_USERS_DB_H
#define OFFLOOP_SLOW_IO_USERS_DB_H

#include <stddef.h>

struct users_db;

/* How long a query waits for a database that another program has locked: for all that it needs
 * there together, and no longer than until it is interrupted. */
enum { USERS_DB_PATIENCE_MS = 5000 };

/* A connection to the database of this path, or NULL when memory is short. Opens nothing yet. NULL
 * stands for ":memory:": a database of its own in memory, as good as any, since all have the same
 * users and nobody changes them. */
struct users_db *users_db_new(const char *path);
void users_db_free(struct users_db *db);

/* Forgets an earlier interruption. Call it before each users_db_find, where no other thread
 * interrupts. */
void users_db_arm(struct users_db *db);

/* SELECT the user's name BY id, which takes `ms` milliseconds inside the driver. The first call
 * opens the database, and makes and fills it if it is new. Returns 0, -ECANCELED if interrupted, or
 * with a sentence in `problem`, which names the path, -EBUSY if it was locked for too long, and
 * -EIO. */
int users_db_find(struct users_db *db, unsigned id, unsigned ms, char *name, size_t name_size,
                  char *problem, size_t problem_size);

/* Ends a users_db_find that runs or is about to, from any thread. Does not block. */
void users_db_interrupt(struct users_db *db);

/* Whether the database of this path can be used; makes it if it is not there. Before this process
 * has a connection to it. Returns 0, also for one that is locked right now, or -EIO or -ENOMEM with
 * a sentence in `problem`. Blocks, for a second at the most. */
int users_db_try(const char *path, char *problem, size_t problem_size);

#endif
