/* users_table.c – see users_table.h. */
#include "server/slow_io/users_table.h"

#include <sqlite3.h>
#include <stdio.h>

#include "server/slow_io/db_file.h"
#include "server/slow_io/slow_io.h"

/* user_version: to be raised when the table changes. */
enum { VERSION = 1 };

enum state { EMPTY, READY, FOREIGN };

#define TABLE "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT NOT NULL)"

/* ------------------------------------------------------------------ what is there */

/* The number that the statement's one row is. Returns SQLite's code. */
static int number_of(sqlite3 *connection, const char *sql, sqlite3_int64 *number)
{
    sqlite3_stmt *statement = NULL;
    int rc = sqlite3_prepare_v2(connection, sql, -1, &statement, NULL);
    if (rc == SQLITE_OK && (rc = sqlite3_step(statement)) == SQLITE_ROW) {
        *number = sqlite3_column_int64(statement, 0);
        rc = SQLITE_OK;
    }
    (void)sqlite3_finalize(statement);
    return rc;
}

struct facts {
    sqlite3_int64 application, version;
    sqlite3_int64 objects, ours; /* tables, indices, …; and those that are our table */
    sqlite3_int64 pages;
};

static int gather(sqlite3 *connection, struct facts *facts)
{
    const struct {
        const char *sql;
        sqlite3_int64 *number;
    } rows[] = {
        {"PRAGMA application_id", &facts->application},
        {"PRAGMA user_version", &facts->version},
        {"SELECT count(*) FROM sqlite_master", &facts->objects},
        {"SELECT count(*) FROM sqlite_master WHERE sql = '" TABLE "'", &facts->ours},
        {"PRAGMA page_count", &facts->pages},
    };
    int rc = SQLITE_OK;
    for (size_t i = 0; rc == SQLITE_OK && i < sizeof rows / sizeof *rows; i++)
        rc = number_of(connection, rows[i].sql, rows[i].number);
    return rc;
}

/* A connection that has begun to write to an empty file sees the first page that it will have. */
static enum state state_of(const struct facts *facts, int own_pages)
{
    if (facts->application == DB_FILE_APPLICATION)
        return READY;
    if (facts->application != 0)
        return FOREIGN;
    if (facts->version == VERSION && facts->objects == 1 && facts->ours == 1)
        return READY;
    return facts->version == 0 && facts->objects == 0 && facts->pages <= own_pages ? EMPTY
                                                                                   : FOREIGN;
}

/* In one transaction, because somebody may just be filling it; `begin` says how to begin it. */
static int look(sqlite3 *connection, const char *begin, int own_pages, enum state *state)
{
    struct facts facts = {0};
    int rc = sqlite3_exec(connection, begin, NULL, NULL, NULL);
    if (rc == SQLITE_OK)
        rc = gather(connection, &facts);
    *state = state_of(&facts, own_pages);
    return rc;
}

static int roll_back(sqlite3 *connection)
{
    return sqlite3_exec(connection, "ROLLBACK", NULL, NULL, NULL);
}

/* ------------------------------------------------------------------ making it */

static int fill(sqlite3 *connection)
{
    char script[1024];
    snprintf(script, sizeof script,
             TABLE
             ";"
             "WITH RECURSIVE ids(id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM ids WHERE id < %d)"
             "  INSERT INTO users SELECT id, printf('User %%d', id) FROM ids;"
             "PRAGMA application_id = %d;"
             "PRAGMA user_version = %d;",
             QUERY_USERS, DB_FILE_APPLICATION, VERSION);
    return sqlite3_exec(connection, script, NULL, NULL, NULL);
}

/* The one that has waited for another to fill it has nothing to write and rolls back: a COMMIT may
 * wait for all readers, and a query here may read for a minute. */
static int fill_if_empty(sqlite3 *connection, enum state *state)
{
    int rc = look(connection, "BEGIN IMMEDIATE", 1, state);
    if (rc == SQLITE_OK && *state != EMPTY)
        return roll_back(connection);
    if (rc == SQLITE_OK)
        rc = fill(connection);
    *state = READY;
    return rc == SQLITE_OK ? sqlite3_exec(connection, "COMMIT", NULL, NULL, NULL) : rc;
}

int users_table_make(sqlite3 *connection)
{
    enum state state;
    int rc = look(connection, "BEGIN", 0, &state);
    if (rc == SQLITE_OK)
        rc = roll_back(connection);
    if (rc == SQLITE_OK && state == EMPTY)
        rc = fill_if_empty(connection, &state);
    return rc == SQLITE_OK && state == FOREIGN ? USERS_TABLE_FOREIGN : rc;
}
