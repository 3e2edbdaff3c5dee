/* program.c – see program.h, getauxval(3) and proc(5). */
#include "server/program.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#define RUNNING "/proc/self/exe"

/* get_current_dir_name keeps the links that the shell has gone through, if PWD names them. */
static int make_absolute(const char *name, char *path, size_t size)
{
    char *folder = get_current_dir_name();
    if (folder == NULL)
        return -errno;
    int length = snprintf(path, size, "%s/%s", folder, name);
    free(folder);
    return length >= 0 && (size_t)length < size ? 0 : -ENAMETOOLONG;
}

static int ask_kernel(char *path, size_t size)
{
    ssize_t length = readlink(RUNNING, path, size);
    if (length < 0)
        return -errno;
    if ((size_t)length >= size)
        return -ENAMETOOLONG;
    path[length] = '\0';
    return 0;
}

/* The kernel passes on the path that it was given, which execvp has found in PATH if need be. */
int program_started_by(char *path, size_t size)
{
    const char *given = (const char *)getauxval(AT_EXECFN);
    int length = 0;
    if (given == NULL || access(given, X_OK) != 0 || strncmp(given, RUNNING, sizeof RUNNING) == 0)
        return ask_kernel(path, size);
    if (*given != '/')
        return make_absolute(given, path, size);
    length = snprintf(path, size, "%s", given);
    return length >= 0 && (size_t)length < size ? 0 : -ENAMETOOLONG;
}

/* ------------------------------------------------------------------ beside it */

/* Puts `name` in the place of the last part of `program`. */
static void put_beside(const char *program, const char *name, char *path, size_t size)
{
    const char *slash = strrchr(program, '/');
    int folder = slash != NULL ? (int)(slash + 1 - program) : 0;
    snprintf(path, size, "%.*s%s", folder, program, name);
}

/* Of a program that was removed the link has a suffix, but only behind its name. */
static void beside_running(const char *name, char *path, size_t size)
{
    char running[PATH_MAX];
    if (ask_kernel(running, sizeof running) != 0)
        running[0] = '\0';
    put_beside(running, name, path, size);
}

void program_beside(const char *name, char *path, size_t size)
{
    char started_by[PATH_MAX], there[2 * PATH_MAX], found[PATH_MAX];
    if (program_started_by(started_by, sizeof started_by) != 0)
        started_by[0] = '\0';
    put_beside(started_by, name, there, sizeof there);
    if (realpath(there, found) == NULL) {
        char elsewhere[2 * PATH_MAX];
        beside_running(name, elsewhere, sizeof elsewhere);
        if (realpath(elsewhere, found) == NULL)
            snprintf(found, sizeof found, "%.*s", PATH_MAX - 1, there);
    }
    snprintf(path, size, "%s", found);
}
