/* db_file.h – the file that the database lies in, as the system sees it and SQLite does not. For
 * slow_io/ only. */
#ifndef OFFLOOP_SLOW_IO_DB_FILE_H
#define OFFLOOP_SLOW_IO_DB_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define DB_FILE_MEMORY ":memory:" /* in place of a path: a database in no file */

enum { DB_FILE_APPLICATION = 0x6f666c70 /* "oflp": SQLite's application_id of our databases */ };

/* Which file a path leads to. */
struct db_file_id {
    dev_t device;
    ino_t inode; /* 0: there is none */
};

struct db_file_id db_file_id(const char *path);
bool db_file_is_same(struct db_file_id one, struct db_file_id other);

/* What a folder is called that is made below one that everybody may write to: "offloop-1000". */
void db_file_own_folder(const char *below, char *folder, size_t size);

/* Makes the folder of this path, readable by nobody else, unless it is there. One that has the name
 * of db_file_own_folder must be a folder of this user, closed to all others: who else may write to
 * the one above could have put anything there. Returns 0 or a negative errno. */
int db_file_make_folder(const char *path);

/* Why it cannot be opened, or made, and written to: an errno; 0 if nothing speaks against it. */
int db_file_error(const char *path);

enum db_file_kind {
    DB_FILE_NONE,    /* not there, or empty */
    DB_FILE_USABLE,  /* nothing speaks against it */
    DB_FILE_FOREIGN, /* a database of another program */
    DB_FILE_OTHER,   /* not SQLite's */
    DB_FILE_SPECIAL, /* a folder, a device, a pipe */
    DB_FILE_CLOSED,  /* cannot be read; errno says why */
};

/* What can be seen without opening it. */
enum db_file_kind db_file_glance(const char *path);

/* Looks at its beginning, too, without SQLite, which leaves traces beside what it reads. Not while
 * this process has a connection to it: closing a file lets go of the locks that all of the process
 * has on it. */
enum db_file_kind db_file_look(const char *path);

#endif
