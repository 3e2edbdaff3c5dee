/* db_file.c – see db_file.h. The format of SQLite's first 100 bytes:
 * https://sqlite.org/fileformat.html
 */
#include "server/slow_io/db_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SQLITE_PATH_BYTES = 512 };
enum { HEAD_BYTES = 100, VERSION_AT = 60, APPLICATION_AT = 68 };

struct db_file_id db_file_id(const char *path)
{
    struct stat status;
    if (stat(path, &status) != 0)
        return (struct db_file_id){0};
    return (struct db_file_id){status.st_dev, status.st_ino};
}

bool db_file_is_same(struct db_file_id one, struct db_file_id other)
{
    return one.device == other.device && one.inode == other.inode;
}

/* ------------------------------------------------------------------ the folder */

static void name_own_folder(char *name, size_t size)
{
    snprintf(name, size, "offloop-%u", (unsigned)geteuid());
}

void db_file_own_folder(const char *below, char *folder, size_t size)
{
    char name[40];
    name_own_folder(name, sizeof name);
    snprintf(folder, size, "%s/%s", below, name);
}

static bool is_own_folder(const char *folder)
{
    char name[40];
    const char *slash = strrchr(folder, '/');
    name_own_folder(name, sizeof name);
    return strcmp(slash != NULL ? slash + 1 : folder, name) == 0;
}

static int check_own_folder(const char *folder)
{
    struct stat status;
    if (lstat(folder, &status) != 0)
        return -errno;
    bool ours = S_ISDIR(status.st_mode) && status.st_uid == geteuid() &&
                (status.st_mode & (S_IRWXG | S_IRWXO)) == 0;
    return ours ? 0 : -EPERM;
}

int db_file_make_folder(const char *path)
{
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/');
    if (slash == NULL || slash == path)
        return 0;
    if ((size_t)(slash - path) >= sizeof folder)
        return -ENAMETOOLONG;
    snprintf(folder, sizeof folder, "%.*s", (int)(slash - path), path);
    if (mkdir(folder, 0700) != 0 && errno != EEXIST)
        return -errno;
    return is_own_folder(folder) ? check_own_folder(folder) : 0;
}

static int folder_error(const char *path)
{
    char folder[SQLITE_PATH_BYTES];
    const char *slash = strrchr(path, '/');
    snprintf(folder, sizeof folder, "%.*s", slash != NULL ? (int)(slash - path) + 1 : 1,
             slash != NULL ? path : ".");
    return access(folder, W_OK | X_OK) == 0 ? 0 : errno;
}

int db_file_error(const char *path)
{
    struct stat status;
    if (strlen(path) >= SQLITE_PATH_BYTES)
        return ENAMETOOLONG;
    if (stat(path, &status) != 0)
        return errno == ENOENT ? folder_error(path) : errno;
    if (S_ISDIR(status.st_mode))
        return EISDIR;
    if (access(path, R_OK | W_OK) != 0)
        return errno;
    return folder_error(path); /* where the journal would be */
}

/* ------------------------------------------------------------------ its beginning */

static uint32_t number_at(const unsigned char *head, size_t at)
{
    return (uint32_t)head[at] << 24 | (uint32_t)head[at + 1] << 16 | (uint32_t)head[at + 2] << 8 |
           head[at + 3];
}

static enum db_file_kind kind_of(const unsigned char *head, ssize_t length)
{
    static const char magic[16] = "SQLite format 3";
    if (length == 0)
        return DB_FILE_NONE;
    if (length < HEAD_BYTES || memcmp(head, magic, sizeof magic) != 0)
        return DB_FILE_OTHER;
    uint32_t application = number_at(head, APPLICATION_AT);
    bool unnamed = application == 0 && number_at(head, VERSION_AT) == 1;
    return application == DB_FILE_APPLICATION || unnamed ? DB_FILE_USABLE : DB_FILE_FOREIGN;
}

/* SQLite takes a file of one byte for an empty one, because it once made such files itself. */
enum db_file_kind db_file_glance(const char *path)
{
    struct stat status;
    if (stat(path, &status) != 0)
        return errno == ENOENT ? DB_FILE_NONE : DB_FILE_CLOSED;
    if (!S_ISREG(status.st_mode))
        return DB_FILE_SPECIAL;
    return status.st_size == 0   ? DB_FILE_NONE
           : status.st_size == 1 ? DB_FILE_OTHER
                                 : DB_FILE_USABLE;
}

enum db_file_kind db_file_look(const char *path)
{
    unsigned char head[HEAD_BYTES];
    enum db_file_kind kind = db_file_glance(path);
    if (kind != DB_FILE_USABLE)
        return kind;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return DB_FILE_CLOSED;
    ssize_t length = pread(fd, head, sizeof head, 0);
    int error = errno;
    close(fd);
    errno = error;
    return length < 0 ? DB_FILE_CLOSED : kind_of(head, length);
}
