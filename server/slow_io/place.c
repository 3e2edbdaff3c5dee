/* place.c – see place.h. */
#include "server/slow_io/place.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/slow_io/db_file.h"
#include "server/slow_io/users_db.h"

/* A variable, what stands behind its value, and what the value is without it, or NULL. Who uses
 * the computer has a HOME; a service, a container may have none. */
static const struct candidate {
    const char *variable, *below, *fallback;
    bool expected; /* its absence is worth a word */
    bool shared;   /* with other users */
} CANDIDATES[] = {
    {.variable = "XDG_CACHE_HOME", .below = ""},
    {.variable = "HOME", .below = "/.cache", .expected = true},
    {.variable = "XDG_RUNTIME_DIR", .below = ""},
    {.variable = "TMPDIR", .below = "", .fallback = "/tmp", .shared = true},
};

/* The first problem is the one that is kept: those behind it are known to be second best. */
static int try_path(struct place *place)
{
    char problem[sizeof place->problem] = "";
    int rc = users_db_try(place->path, problem, sizeof problem);
    if (rc != 0 && place->problem[0] == '\0')
        memcpy(place->problem, problem, sizeof problem);
    return rc;
}

/* Returns false if there is no such place: a path that is not absolute must be ignored, says the
 * definition of XDG_CACHE_HOME. */
static bool set_path(struct place *place, const struct candidate *candidate)
{
    char folder[PATH_MAX], own[PATH_MAX];
    const char *value = getenv(candidate->variable);
    bool is_set = value != NULL && value[0] == '/';
    if (!is_set && candidate->fallback == NULL)
        return false;
    int length = snprintf(folder, sizeof folder, "%s%s", is_set ? value : candidate->fallback,
                          candidate->below);
    if (length >= (int)sizeof folder - 64)
        return false;
    db_file_own_folder(folder, own, sizeof own);
    snprintf(place->path, sizeof place->path, "%.*s/offloop.db", PATH_MAX - 16,
             candidate->shared ? own : folder);
    place->origin = is_set ? candidate->variable : candidate->fallback;
    return true;
}

/* A folder that is not there is a slip of the pen, and not to be made. */
static int find_asked(struct place *place, const char *asked)
{
    int length = snprintf(place->path, sizeof place->path, "%s", asked);
    int error = length >= (int)sizeof place->path ? ENAMETOOLONG
                : length > 0                      ? db_file_error(place->path)
                                                  : ENOENT;
    place->origin = "--database";
    if (error != ENOENT && error != ENAMETOOLONG)
        return try_path(place);
    snprintf(place->problem, sizeof place->problem, "unable to open database file %s: %s", asked,
             strerror(error));
    return -EIO;
}

int place_find(struct place *place, const char *asked)
{
    place->problem[0] = '\0';
    if (asked != NULL)
        return find_asked(place, asked);
    for (size_t i = 0; i < sizeof CANDIDATES / sizeof *CANDIDATES; i++) {
        const struct candidate *candidate = &CANDIDATES[i];
        bool is_one = set_path(place, candidate);
        if (is_one && try_path(place) == 0)
            return 0;
        if (!is_one && candidate->expected && place->problem[0] == '\0')
            snprintf(place->problem, sizeof place->problem, "no absolute path is set as %s",
                     candidate->variable);
    }
    snprintf(place->path, sizeof place->path, "%s", DB_FILE_MEMORY);
    place->origin = "memory";
    return 0;
}
