/* users_db.c – see users_db.h.
 *
 * The wait is a function that SQL calls: `take_ms(100)` blocks inside sqlite3_step, on the thread
 * that runs the query, just as a slow disk or a lock would. It waits for a semaphore, not for time
 * to pass, so an interruption ends it at once. The same pause ends the wait for somebody else's
 * lock, and a query that computes. */
#include "server/slow_io/users_db.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "server/slow_io/db_file.h"
#include "server/slow_io/pause.h"
#include "server/slow_io/slow_io.h"
#include "server/slow_io/users_table.h"

enum { BUSY_STEP_MS = 10, TRY_PATIENCE_MS = 1000, OPERATIONS_BETWEEN_LOOKS = 1000 };

struct users_db {
    struct db_file_id file; /* that was opened */
    sqlite3 *connection;    /* NULL: closed */
    sqlite3_stmt *select;
    const char *reason; /* why its file cannot be opened, or NULL */
    struct pause pause;
    uint64_t patience_ends_ns;
    char path[];
};

/* ------------------------------------------------------------------ taking time */

static uint64_t from_now_ns(sqlite3_int64 ms)
{
    return uv_hrtime() + (uint64_t)ms * 1000000u;
}

static void sql_take_ms(sqlite3_context *context, int count, sqlite3_value **arguments)
{
    struct users_db *db = sqlite3_user_data(context);
    sqlite3_int64 ms = sqlite3_value_int64(arguments[0]);
    (void)count;
    if (pause_until(&db->pause, from_now_ns(ms)))
        sqlite3_result_int64(context, ms);
    else
        sqlite3_result_error_code(context, SQLITE_INTERRUPT);
}

/* Somebody else has locked what is needed. Returns whether SQLite shall try again. */
static int on_busy(void *data, int count)
{
    struct users_db *db = data;
    uint64_t next_ns = from_now_ns(BUSY_STEP_MS);
    (void)count;
    if (next_ns > db->patience_ends_ns)
        return 0;
    return pause_until(&db->pause, next_ns);
}

/* Returns whether the query shall end. */
static int on_progress(void *data)
{
    const struct users_db *db = data;
    return pause_is_ended(&db->pause);
}

void users_db_arm(struct users_db *db)
{
    pause_arm(&db->pause);
}

void users_db_interrupt(struct users_db *db)
{
    pause_end(&db->pause);
}

/* ------------------------------------------------------------------ opening */

static bool is_in_memory(const struct users_db *db)
{
    return strcmp(db->path, DB_FILE_MEMORY) == 0;
}

static int prepare(struct users_db *db)
{
    sqlite3_progress_handler(db->connection, OPERATIONS_BETWEEN_LOOKS, on_progress, db);
    int rc = sqlite3_busy_handler(db->connection, on_busy, db);
    if (rc == SQLITE_OK)
        rc = sqlite3_create_function_v2(db->connection, "take_ms", 1, SQLITE_UTF8, db, sql_take_ms,
                                        NULL, NULL, NULL);
    if (rc == SQLITE_OK)
        rc = users_table_make(db->connection);
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

/* Returns what SQLite would say if it left no trace. */
static int judge(struct users_db *db, enum db_file_kind kind)
{
    switch (kind) {
    case DB_FILE_NONE:
    case DB_FILE_USABLE:
        return SQLITE_OK;
    case DB_FILE_FOREIGN:
        return USERS_TABLE_FOREIGN;
    case DB_FILE_OTHER:
        return SQLITE_NOTADB;
    case DB_FILE_SPECIAL:
        db->reason = "it is not a regular file";
        return SQLITE_CANTOPEN;
    case DB_FILE_CLOSED:
        break;
    }
    db->reason = strerror(errno);
    return SQLITE_CANTOPEN;
}

/* What was there before is what is opened, or was replaced meanwhile: then the next query sees it.
 */
static int open_file(struct users_db *db)
{
    const struct db_file_id before = db_file_id(db->path);
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    int rc = sqlite3_open_v2(db->path, &db->connection, flags, NULL);
    if (rc != SQLITE_OK)
        return rc;
    db->file = before.inode != 0 ? before : db_file_id(db->path);
    return prepare(db);
}

/* Returns SQLite's code, or USERS_TABLE_FOREIGN. After an error the connection is still there, for
 * what it says. */
static int open_connection(struct users_db *db)
{
    int error = is_in_memory(db) ? 0 : db_file_make_folder(db->path);
    db->reason = error != 0 ? strerror(-error) : NULL;
    if (error != 0)
        return SQLITE_CANTOPEN;
    int rc = judge(db, is_in_memory(db) ? DB_FILE_NONE : db_file_glance(db->path));
    return rc == SQLITE_OK ? open_file(db) : rc;
}

/* Whether the path still leads to what was opened. */
static bool is_still_there(const struct users_db *db)
{
    return is_in_memory(db) || db_file_is_same(db->file, db_file_id(db->path));
}

/* ------------------------------------------------------------------ what is wrong */

/* SQLite tries again without the right to write, and so it often knows only why that failed. */
static const char *reason_of(const struct users_db *db)
{
    if (db->reason != NULL)
        return db->reason;
    int error = db_file_error(db->path);
    if (error == 0)
        error = sqlite3_system_errno(db->connection);
    return error != 0 ? strerror(error) : "SQLite does not say why";
}

#define ANOTHER "name another file with --database"

static void explain(const struct users_db *db, int rc, char *problem, size_t size)
{
    const char *path = db->path;
    const char *message = db->connection != NULL ? sqlite3_errmsg(db->connection)
                          : rc > 0               ? sqlite3_errstr(rc)
                                                 : "";
    if (rc == SQLITE_CANTOPEN)
        snprintf(problem, size, "unable to open database file %s: %s", path, reason_of(db));
    else if (rc == USERS_TABLE_FOREIGN)
        snprintf(problem, size,
                 "%s is the database of another program, and stays as it is: " ANOTHER, path);
    else if (rc == SQLITE_NOTADB)
        snprintf(problem, size,
                 "%s: %s, or damaged: remove it if this program made it, or " ANOTHER, path,
                 message);
    else if (rc == SQLITE_CORRUPT)
        snprintf(problem, size, "%s is damaged (%s): remove it, and it is made anew", path,
                 message);
    else if (rc == SQLITE_BUSY || rc == SQLITE_LOCKED)
        snprintf(problem, size, "%s is locked by another program", path);
    else
        snprintf(problem, size, "%s: %s", path, message);
}

static int code_of(const struct users_db *db, int rc)
{
    if (rc == SQLITE_INTERRUPT || pause_is_ended(&db->pause))
        return -ECANCELED;
    return rc == SQLITE_BUSY || rc == SQLITE_LOCKED ? -EBUSY : -EIO;
}

/* Whether another connection to the same path may do better. */
static bool is_fault(int rc)
{
    return rc != SQLITE_ROW && rc != SQLITE_DONE && rc != SQLITE_INTERRUPT && rc != SQLITE_BUSY;
}

/* Whatever was wrong with the connection, the next query begins with a new one. */
static int fail(struct users_db *db, int rc, const char *what, char *problem, size_t size)
{
    int length = snprintf(problem, size, "%s", what);
    if ((size_t)length < size)
        explain(db, rc, problem + length, size - (size_t)length);
    if (is_fault(rc) || db->select == NULL)
        close_connection(db);
    return code_of(db, rc);
}

/* ------------------------------------------------------------------ finding */

static int run_select(struct users_db *db, unsigned id, unsigned ms, char *name, size_t name_size)
{
    sqlite3_bind_int64(db->select, 1, id);
    sqlite3_bind_int64(db->select, 2, ms);
    int rc = sqlite3_step(db->select);
    const char *text = NULL;
    if (rc == SQLITE_ROW && (text = (const char *)sqlite3_column_text(db->select, 0)) == NULL)
        rc = SQLITE_NOMEM;
    if (text != NULL)
        snprintf(name, name_size, "%s", text);
    sqlite3_reset(db->select);
    return rc;
}

/* On the connection that is open; if that is at fault, or there is none, on a new one. Returns
 * SQLite's code, or USERS_TABLE_FOREIGN. */
static int select_user(struct users_db *db, unsigned id, unsigned ms, char *name, size_t name_size)
{
    if (db->connection != NULL && is_still_there(db)) {
        int rc = run_select(db, id, ms, name, name_size);
        if (!is_fault(rc))
            return rc;
    }
    close_connection(db);
    int rc = open_connection(db);
    return rc == SQLITE_OK ? run_select(db, id, ms, name, name_size) : rc;
}

int users_db_find(struct users_db *db, unsigned id, unsigned ms, char *name, size_t name_size,
                  char *problem, size_t problem_size)
{
    db->patience_ends_ns = from_now_ns(USERS_DB_PATIENCE_MS);
    int rc = select_user(db, id, ms, name, name_size);
    if (rc == SQLITE_ROW)
        return 0;
    if (rc == SQLITE_DONE) {
        snprintf(problem, problem_size, "the query failed: no such user");
        return -EIO;
    }
    return fail(db, rc, "the database cannot be used: ", problem, problem_size);
}

/* ------------------------------------------------------------------ trying */

int users_db_try(const char *path, char *problem, size_t problem_size)
{
    struct users_db *db = users_db_new(path);
    if (db == NULL) {
        snprintf(problem, problem_size, "out of memory");
        return -ENOMEM;
    }
    db->patience_ends_ns = from_now_ns(TRY_PATIENCE_MS);
    int rc = judge(db, is_in_memory(db) ? DB_FILE_NONE : db_file_look(db->path));
    if (rc == SQLITE_OK)
        rc = open_connection(db);
    if (rc != SQLITE_OK)
        rc = fail(db, rc, "", problem, problem_size);
    users_db_free(db);
    return rc == -EBUSY ? 0 : rc;
}

/* ------------------------------------------------------------------ beginning and end */

struct users_db *users_db_new(const char *path)
{
    const char *name = path != NULL ? path : DB_FILE_MEMORY;
    struct users_db *db = calloc(1, sizeof *db + strlen(name) + 1);
    if (db == NULL)
        return NULL;
    if (pause_init(&db->pause) != 0) {
        free(db);
        return NULL;
    }
    memcpy(db->path, name, strlen(name) + 1);
    return db;
}

void users_db_free(struct users_db *db)
{
    if (db == NULL)
        return;
    close_connection(db);
    pause_destroy(&db->pause);
    free(db);
}
