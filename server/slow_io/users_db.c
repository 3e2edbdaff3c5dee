/* users_db.c – see users_db.h.
 *
 * The wait is a function that SQL calls: `take_ms(100)` blocks inside sqlite3_step, on the thread
 * that runs the query, just as a slow disk or a lock would. It waits for a condition, not for time
 * to pass, so an interruption ends it at once. */
#include "server/slow_io/users_db.h"

#include <errno.h>
#include <limits.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <uv.h>

#include "server/slow_io/slow_io.h"

enum { BUSY_TIMEOUT_MS = 5000 };

struct users_db {
    char path[PATH_MAX];
    sqlite3 *connection;
    sqlite3_stmt *select;
    uv_mutex_t lock; /* guards `interrupted` */
    uv_cond_t interruption;
    bool interrupted;
};

/* ------------------------------------------------------------------ taking time */

/* Returns false if it was interrupted. */
static bool wait_ms(struct users_db *db, sqlite3_int64 ms)
{
    uint64_t end_ns = uv_hrtime() + (uint64_t)ms * 1000000u;
    uv_mutex_lock(&db->lock);
    for (uint64_t now_ns = uv_hrtime(); !db->interrupted && now_ns < end_ns; now_ns = uv_hrtime())
        uv_cond_timedwait(&db->interruption, &db->lock, end_ns - now_ns);
    bool whole = !db->interrupted;
    uv_mutex_unlock(&db->lock);
    return whole;
}

static void sql_take_ms(sqlite3_context *context, int count, sqlite3_value **arguments)
{
    (void)count;
    sqlite3_int64 ms = sqlite3_value_int64(arguments[0]);
    if (wait_ms(sqlite3_user_data(context), ms))
        sqlite3_result_int64(context, ms);
    else
        sqlite3_result_error_code(context, SQLITE_INTERRUPT);
}

void users_db_arm(struct users_db *db)
{
    uv_mutex_lock(&db->lock);
    db->interrupted = false;
    uv_mutex_unlock(&db->lock);
}

void users_db_interrupt(struct users_db *db)
{
    uv_mutex_lock(&db->lock);
    db->interrupted = true;
    uv_cond_signal(&db->interruption);
    uv_mutex_unlock(&db->lock);
}

/* ------------------------------------------------------------------ opening */

static int schema_version(sqlite3 *connection)
{
    sqlite3_stmt *pragma = NULL;
    int version = 0;
    if (sqlite3_prepare_v2(connection, "PRAGMA user_version", -1, &pragma, NULL) == SQLITE_OK &&
        sqlite3_step(pragma) == SQLITE_ROW)
        version = sqlite3_column_int(pragma, 0);
    sqlite3_finalize(pragma);
    return version;
}

static int fill(sqlite3 *connection)
{
    char script[1024];
    snprintf(script, sizeof script,
             "CREATE TABLE IF NOT EXISTS users (id INTEGER PRIMARY KEY, name TEXT NOT NULL);"
             "WITH RECURSIVE ids(id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM ids WHERE id < %d)"
             "  INSERT OR IGNORE INTO users SELECT id, printf('User %%d', id) FROM ids;"
             "PRAGMA user_version = 1;",
             QUERY_USERS);
    return sqlite3_exec(connection, script, NULL, NULL, NULL);
}

/* user_version is 0 in a new file. Of two connections that find it new one waits (IMMEDIATE), and
 * then has nothing to write and rolls back: a COMMIT may wait for all readers, and a query here may
 * read for a minute. After an error the connection is closed, which rolls back as well and keeps
 * the message. */
static int fill_if_new(sqlite3 *connection)
{
    if (schema_version(connection) != 0)
        return SQLITE_OK;
    int rc = sqlite3_exec(connection, "BEGIN IMMEDIATE", NULL, NULL, NULL);
    if (rc != SQLITE_OK)
        return rc;
    if (schema_version(connection) != 0)
        return sqlite3_exec(connection, "ROLLBACK", NULL, NULL, NULL);
    rc = fill(connection);
    return rc == SQLITE_OK ? sqlite3_exec(connection, "COMMIT", NULL, NULL, NULL) : rc;
}

static int prepare(struct users_db *db)
{
    int rc = sqlite3_busy_timeout(db->connection, BUSY_TIMEOUT_MS);
    if (rc == SQLITE_OK)
        rc = sqlite3_create_function_v2(db->connection, "take_ms", 1, SQLITE_UTF8, db, sql_take_ms,
                                        NULL, NULL, NULL);
    if (rc == SQLITE_OK)
        rc = fill_if_new(db->connection);
    if (rc == SQLITE_OK)
        rc = sqlite3_prepare_v2(db->connection, "SELECT name, take_ms(?2) FROM users WHERE id = ?1",
                                -1, &db->select, NULL);
    return rc;
}

static void close_connection(struct users_db *db)
{
    sqlite3_finalize(db->select);
    sqlite3_close(db->connection);
    db->select = NULL;
    db->connection = NULL;
}

static void make_folder_of(const char *path)
{
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/');
    if (slash == NULL || slash == path)
        return;
    snprintf(folder, sizeof folder, "%.*s", (int)(slash - path), path);
    (void)mkdir(folder, 0700); /* if it cannot be made, opening the file says why */
}

static int open_connection(struct users_db *db, char *problem, size_t problem_size)
{
    if (db->path[0] == '\0') {
        snprintf(problem, problem_size, "no place for the database: set HOME, or use --database");
        return -EIO;
    }
    make_folder_of(db->path);
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    int rc = sqlite3_open_v2(db->path, &db->connection, flags, NULL);
    if (rc == SQLITE_OK)
        rc = prepare(db);
    if (rc == SQLITE_OK)
        return 0;
    snprintf(problem, problem_size, "the database cannot be used: %s",
             db->connection != NULL ? sqlite3_errmsg(db->connection) : sqlite3_errstr(rc));
    close_connection(db);
    return -EIO;
}

/* ------------------------------------------------------------------ finding */

static int run_select(struct users_db *db, char *name, size_t name_size)
{
    int rc = sqlite3_step(db->select);
    const char *text = NULL;
    if (rc == SQLITE_ROW && (text = (const char *)sqlite3_column_text(db->select, 0)) == NULL)
        rc = SQLITE_NOMEM;
    if (text != NULL)
        snprintf(name, name_size, "%s", text);
    sqlite3_reset(db->select);
    return rc;
}

int users_db_find(struct users_db *db, unsigned id, unsigned ms, char *name, size_t name_size,
                  char *problem, size_t problem_size)
{
    int rc = db->connection == NULL ? open_connection(db, problem, problem_size) : 0;
    if (rc != 0)
        return rc;
    sqlite3_bind_int64(db->select, 1, id);
    sqlite3_bind_int64(db->select, 2, ms);
    rc = run_select(db, name, name_size);
    if (rc == SQLITE_ROW)
        return 0;
    if (rc == SQLITE_INTERRUPT)
        return -ECANCELED;
    snprintf(problem, problem_size, "the query failed: %s",
             rc == SQLITE_DONE ? "no such user" : sqlite3_errmsg(db->connection));
    return -EIO;
}

/* ------------------------------------------------------------------ beginning and end */

static void choose_path(struct users_db *db, const char *path)
{
    const char *cache = getenv("XDG_CACHE_HOME");
    const char *home = getenv("HOME");
    if (path != NULL)
        snprintf(db->path, sizeof db->path, "%s", path);
    else if (cache != NULL && cache[0] == '/')
        snprintf(db->path, sizeof db->path, "%s/offloop.db", cache);
    else if (home != NULL && home[0] == '/')
        snprintf(db->path, sizeof db->path, "%s/.cache/offloop.db", home);
}

struct users_db *users_db_new(const char *path)
{
    struct users_db *db = calloc(1, sizeof *db);
    if (db == NULL)
        return NULL;
    choose_path(db, path);
    if (uv_mutex_init(&db->lock) != 0) {
        free(db);
        return NULL;
    }
    if (uv_cond_init(&db->interruption) != 0) {
        uv_mutex_destroy(&db->lock);
        free(db);
        return NULL;
    }
    return db;
}

void users_db_free(struct users_db *db)
{
    if (db == NULL)
        return;
    close_connection(db);
    uv_cond_destroy(&db->interruption);
    uv_mutex_destroy(&db->lock);
    free(db);
}
