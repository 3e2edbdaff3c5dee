/* place.h – where the database of /slow lies.
 *
 * The file that was asked for, and no other. If none was, the first of these that works, which is
 * tried:
 *
 *     XDG_CACHE_HOME/offloop.db
 *     HOME/.cache/offloop.db
 *     XDG_RUNTIME_DIR/offloop.db
 *     TMPDIR/offloop-UID/offloop.db, a folder that is closed to others; /tmp without a TMPDIR
 *     memory */
#ifndef OFFLOOP_SLOW_IO_PLACE_H
#define OFFLOOP_SLOW_IO_PLACE_H

#include <limits.h>

struct place {
    char path[PATH_MAX]; /* ":memory:" for none */
    const char *origin;  /* "--database", the variable that led there, "/tmp" or "memory" */
    char problem[800];   /* what speaks against the first one, with its path; or "" */
};

/* Finds it, and makes the database there. `asked` may be NULL. Returns 0, or -EIO or -ENOMEM if
 * that cannot be used. Blocks; before this process has a connection to the database. */
int place_find(struct place *place, const char *asked);

#endif
