/* users_table.h – whether a database is ours, and the table in it. For slow_io/ only.
 *
 * Somebody else's database is read and never written: ours have an application_id, and only a file
 * without a byte in it is filled. The first version of this program gave none; what it made is
 * known by its version and its one table, and used as it is. */
#ifndef OFFLOOP_SLOW_IO_USERS_TABLE_H
#define OFFLOOP_SLOW_IO_USERS_TABLE_H

struct sqlite3;

enum { USERS_TABLE_FOREIGN = -1 /* beside SQLite's codes, which are positive */ };

/* Makes the table if the database is empty. Of two connections that find it so one waits, in this
 * process or in another. Returns SQLite's code, or USERS_TABLE_FOREIGN. After an error the
 * connection is to be closed: that rolls back what was begun. */
int users_table_make(struct sqlite3 *connection);

#endif
