/* users_db.h – the database behind /slow: SQLite, a table of users, and a query that takes its
 * time.
 *
 * One users_db is one connection, used by one thread at a time; opening and finding block, so they
 * belong on a thread of the pool. Only users_db_interrupt may be called beside them. */
#ifndef OFFLOOP_SLOW_IO_USERS_DB_H
#define OFFLOOP_SLOW_IO_USERS_DB_H

#include <stddef.h>

struct users_db;

/* A connection to the database of this path, or NULL when memory is short. Opens nothing yet. NULL
 * as path stands for offloop.db in the user's cache folder (XDG_CACHE_HOME, or .cache in HOME). */
struct users_db *users_db_new(const char *path);
void users_db_free(struct users_db *db);

/* Forgets an earlier interruption. Call it before each users_db_find, where no other thread
 * interrupts. */
void users_db_arm(struct users_db *db);

/* SELECT the user's name BY id, which takes `ms` milliseconds inside the driver. The first call
 * opens the database, and makes and fills it if it is new. Returns 0; -ECANCELED if interrupted;
 * -EIO with a sentence in `problem`. */
int users_db_find(struct users_db *db, unsigned id, unsigned ms, char *name, size_t name_size,
                  char *problem, size_t problem_size);

/* Ends a users_db_find that runs or is about to, from any thread. */
void users_db_interrupt(struct users_db *db);

#endif
