/* users_db_test.c – the database of /slow: made on first use, waits, can be interrupted, says what
 * is wrong, leaves alone what is not its own, and begins anew when its file was changed. */
#include "server/slow_io/users_db.h"

#include <errno.h>
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

#include <cmocka.h>

#include "server/slow_io/slow_io.h"
#include "tests/support/harness.h"
#include "tests/support/temporary.h"

enum { FOR_EVER_MS = 60000 };

struct place {
    char folder[128];
    char path[256];
};

static int make_place(void **state)
{
    static struct place place;
    temporary_folder(place.folder, sizeof place.folder);
    snprintf(place.path, sizeof place.path, "%s/offloop.db", place.folder);
    *state = &place;
    return 0;
}

static int remove_place(void **state)
{
    const struct place *place = *state;
    temporary_folder_remove(place->folder);
    return 0;
}

static void assert_finds(struct users_db *db, unsigned id, const char *expected)
{
    char name[QUERY_NAME_BYTES] = "", problem[QUERY_PROBLEM_BYTES] = "";
    int rc = users_db_find(db, id, 0, name, sizeof name, problem, sizeof problem);
    if (rc != 0)
        fail_msg("%d: %s", rc, problem);
    assert_string_equal(name, expected);
}

static void assert_problem_is(struct users_db *db, unsigned id, const char *words)
{
    char name[QUERY_NAME_BYTES] = "", problem[QUERY_PROBLEM_BYTES] = "";
    int rc = users_db_find(db, id, 0, name, sizeof name, problem, sizeof problem);
    assert_int_equal(rc, -EIO);
    if (strstr(problem, words) == NULL)
        fail_msg("there is no \"%s\" in \"%s\"", words, problem);
}

/* ------------------------------------------------------------------ finding */

static void test_is_made_on_first_use(void **state)
{
    const struct place *place = *state;
    struct users_db *db = users_db_new(place->path);
    assert_int_equal(access(place->path, F_OK), -1);
    assert_finds(db, 1, "User 1");
    assert_finds(db, QUERY_USERS, "User 1000");
    assert_int_equal(access(place->path, F_OK), 0);
    users_db_free(db);
    db = users_db_new(place->path); /* it is there */
    assert_finds(db, 2, "User 2");
    users_db_free(db);
}

static void test_says_that_there_is_no_such_user(void **state)
{
    const struct place *place = *state;
    struct users_db *db = users_db_new(place->path);
    assert_problem_is(db, QUERY_USERS + 1, "no such user");
    assert_finds(db, 3, "User 3");
    users_db_free(db);
}

static void test_cuts_a_name_that_does_not_fit(void **state)
{
    const struct place *place = *state;
    char name[6], problem[QUERY_PROBLEM_BYTES];
    struct users_db *db = users_db_new(place->path);
    assert_int_equal(users_db_find(db, 12, 0, name, sizeof name, problem, sizeof problem), 0);
    assert_string_equal(name, "User ");
    users_db_free(db);
}

static void test_takes_its_time(void **state)
{
    const struct place *place = *state;
    char name[QUERY_NAME_BYTES], problem[QUERY_PROBLEM_BYTES];
    struct users_db *db = users_db_new(place->path);
    uint64_t before_ns = uv_hrtime();
    assert_int_equal(users_db_find(db, 1, 30, name, sizeof name, problem, sizeof problem), 0);
    assert_true(uv_hrtime() - before_ns >= 30 * 1000000u);
    users_db_free(db);
}

/* ------------------------------------------------------------------ interrupting */

static void test_an_interruption_before_the_wait_counts(void **state)
{
    const struct place *place = *state;
    char name[QUERY_NAME_BYTES], problem[QUERY_PROBLEM_BYTES];
    struct users_db *db = users_db_new(place->path);
    users_db_arm(db);
    users_db_interrupt(db);
    assert_int_equal(users_db_find(db, 1, FOR_EVER_MS, name, sizeof name, problem, sizeof problem),
                     -ECANCELED);
    users_db_arm(db); /* and is forgotten */
    assert_finds(db, 1, "User 1");
    users_db_free(db);
}

struct search {
    struct users_db *db;
    unsigned ms;
    int rc;
    char name[QUERY_NAME_BYTES], problem[QUERY_PROBLEM_BYTES];
};

static void find(void *data)
{
    struct search *search = data;
    search->rc = users_db_find(search->db, 1, search->ms, search->name, sizeof search->name,
                               search->problem, sizeof search->problem);
}

static void test_an_interruption_from_another_thread(void **state)
{
    const struct place *place = *state;
    uv_thread_t thread;
    struct search search = {.db = users_db_new(place->path), .ms = FOR_EVER_MS};
    users_db_arm(search.db);
    assert_int_equal(uv_thread_create(&thread, find, &search), 0);
    users_db_interrupt(search.db);
    uv_thread_join(&thread);
    assert_int_equal(search.rc, -ECANCELED);
    users_db_free(search.db);
}

/* ------------------------------------------------------------------ several connections */

static void test_two_connections_find_it_new(void **state)
{
    const struct place *place = *state;
    uv_thread_t threads[2];
    struct search searches[2];
    for (int i = 0; i < 2; i++) {
        searches[i] = (struct search){.db = users_db_new(place->path)};
        assert_int_equal(uv_thread_create(&threads[i], find, &searches[i]), 0);
    }
    for (int i = 0; i < 2; i++)
        uv_thread_join(&threads[i]);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(searches[i].rc, 0);
        assert_string_equal(searches[i].name, "User 1");
        users_db_free(searches[i].db);
    }
}

/* ------------------------------------------------------------------ the place */

static void test_makes_the_folder(void **state)
{
    const struct place *place = *state;
    char path[300];
    snprintf(path, sizeof path, "%s/new/offloop.db", place->folder);
    struct users_db *db = users_db_new(path);
    assert_finds(db, 1, "User 1");
    assert_int_equal(access(path, F_OK), 0);
    users_db_free(db);
}

static void test_lies_in_memory(void **state)
{
    (void)state;
    struct users_db *one = users_db_new(NULL), *other = users_db_new(":memory:");
    assert_finds(one, 1, "User 1");
    assert_finds(other, 2, "User 2");
    users_db_free(one);
    users_db_free(other);
    assert_int_equal(access(":memory:", F_OK), -1);
}

/* ------------------------------------------------------------------ what may be wrong */

static void test_a_folder_is_no_database(void **state)
{
    const struct place *place = *state;
    struct users_db *db = users_db_new(place->folder);
    char problem[400];
    snprintf(problem, sizeof problem, "unable to open database file %s: it is not a regular file",
             place->folder);
    assert_problem_is(db, 1, problem);
    users_db_free(db);
}

static void assert_cannot_be_tried(const char *path, const char *words)
{
    char problem[800] = "";
    assert_int_equal(users_db_try(path, problem, sizeof problem), -EIO);
    if (strstr(problem, words) == NULL || strstr(problem, path) == NULL)
        fail_msg("there is no \"%s\" or no path in \"%s\"", words, problem);
}

static void test_what_cannot_be_opened_has_a_path_and_a_reason(void **state)
{
    const struct place *place = *state;
    char path[600], problem[800];
    snprintf(path, sizeof path, "%s/no/such/offloop.db", place->folder);
    struct users_db *db = users_db_new(path);
    snprintf(problem, sizeof problem, "%s: No such file or directory", path);
    assert_problem_is(db, 1, problem);
    users_db_free(db);
    assert_cannot_be_tried(path, "No such file or directory");
    assert_cannot_be_tried("/dev/null/offloop.db", "Not a directory");
    assert_cannot_be_tried("/dev/null", "not a regular file");
    assert_cannot_be_tried(place->folder, "not a regular file");
    memset(path, 'x', sizeof path - 1);
    path[sizeof path - 1] = '\0';
    assert_cannot_be_tried(path, "File name too long");
}

/* ------------------------------------------------------------------ what is not ours */

struct content {
    char bytes[65536];
    size_t length;
    struct timespec changed;
};

static struct content content_of(const char *path)
{
    struct content content = {.length = 0};
    struct stat status;
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    content.length = fread(content.bytes, 1, sizeof content.bytes, file);
    fclose(file);
    assert_int_equal(stat(path, &status), 0);
    content.changed = status.st_mtim;
    return content;
}

static void write_file(const char *path, const char *bytes, size_t length)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, length, file), length);
    assert_int_equal(fclose(file), 0);
}

static void execute(const char *path, const char *sql)
{
    sqlite3 *connection = NULL;
    assert_int_equal(sqlite3_open(path, &connection), SQLITE_OK);
    if (sqlite3_exec(connection, sql, NULL, NULL, NULL) != SQLITE_OK)
        fail_msg("%s", sqlite3_errmsg(connection));
    sqlite3_close(connection);
}

static void assert_is_left_alone(const struct place *place, const char *words)
{
    char journal[300], wal[300];
    struct content before = content_of(place->path);
    assert_cannot_be_tried(place->path, words);
    snprintf(wal, sizeof wal, "%s-wal", place->path);
    bool had_wal = access(wal, F_OK) == 0;
    if (!had_wal) { /* who asks for users looks through SQLite, which would take a log in */
        struct users_db *db = users_db_new(place->path);
        assert_problem_is(db, 1, place->path);
        users_db_free(db);
    }
    struct content after = content_of(place->path);
    assert_int_equal(after.length, before.length);
    assert_memory_equal(after.bytes, before.bytes, before.length);
    assert_memory_equal(&after.changed, &before.changed, sizeof before.changed);
    snprintf(journal, sizeof journal, "%s-journal", place->path);
    assert_int_equal(access(journal, F_OK), -1);
    assert_int_equal(access(wal, F_OK), had_wal ? 0 : -1);
}

static void test_a_database_of_another_program_is_left_alone(void **state)
{
    static const char *const others[] = {
        "CREATE TABLE notes (text)",
        "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT NOT NULL)",
        "PRAGMA user_version = 1; CREATE TABLE notes (text)",
        "PRAGMA user_version = 1;"
        "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT NOT NULL, mail TEXT)",
        "PRAGMA user_version = 1;"
        "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT NOT NULL); CREATE TABLE notes "
        "(text)",
        "PRAGMA user_version = 7",
        "PRAGMA user_version = 7; PRAGMA user_version = 0",
        "PRAGMA application_id = 7",
        "PRAGMA journal_mode = WAL; CREATE TABLE notes (text)",
    };
    const struct place *place = *state;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        execute(place->path, others[i]);
        assert_is_left_alone(place, "database of another program, and stays as it is");
        assert_int_equal(unlink(place->path), 0);
    }
}

/* SQLite would bring it home when the last connection closes. */
static void test_the_log_of_another_program_is_left_alone(void **state)
{
    const struct place *place = *state;
    char from[300], to[300];
    sqlite3 *owner = NULL;
    snprintf(from, sizeof from, "%s/owner.db", place->folder);
    assert_int_equal(sqlite3_open(from, &owner), SQLITE_OK);
    assert_int_equal(sqlite3_exec(owner, "PRAGMA journal_mode = WAL; CREATE TABLE notes (text)",
                                  NULL, NULL, NULL),
                     SQLITE_OK);
    struct content content = content_of(from);
    write_file(place->path, content.bytes, content.length);
    snprintf(from, sizeof from, "%s/owner.db-wal", place->folder);
    snprintf(to, sizeof to, "%s-wal", place->path);
    content = content_of(from);
    assert_true(content.length > 0);
    write_file(to, content.bytes, content.length);
    assert_is_left_alone(place, "database of another program, and stays as it is");
    sqlite3_close(owner);
}

static void test_what_is_no_database_is_left_alone(void **state)
{
    static const char zeros[4096];
    const struct place *place = *state;
    const struct {
        const char *bytes;
        size_t length;
    } others[] = {{"x", 1}, {"A letter.\n", 10}, {"SQLite format 3", 16}, {zeros, sizeof zeros}};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        write_file(place->path, others[i].bytes, others[i].length);
        assert_is_left_alone(place, "file is not a database");
    }
}

/* The first version of this program gave its database no application_id. */
static void test_what_an_earlier_version_made_is_used(void **state)
{
    const struct place *place = *state;
    char problem[800];
    execute(place->path,
            "CREATE TABLE IF NOT EXISTS users (id INTEGER PRIMARY KEY, name TEXT NOT NULL);"
            "INSERT INTO users VALUES (1, 'User 1'), (2, 'Ada'); PRAGMA user_version = 1");
    assert_int_equal(users_db_try(place->path, problem, sizeof problem), 0);
    struct users_db *db = users_db_new(place->path);
    assert_finds(db, 2, "Ada");
    users_db_free(db);
}

static void test_an_empty_file_is_filled(void **state)
{
    const struct place *place = *state;
    char problem[800];
    write_file(place->path, "", 0);
    assert_int_equal(users_db_try(place->path, problem, sizeof problem), 0);
    struct content content = content_of(place->path);
    assert_memory_equal(content.bytes + 68, "oflp", 4); /* the application_id */
    struct users_db *db = users_db_new(place->path);
    assert_finds(db, QUERY_USERS, "User 1000");
    users_db_free(db);
}

/* ------------------------------------------------------------------ what changes while it is open
 */

static struct users_db *open_db(const struct place *place)
{
    struct users_db *db = users_db_new(place->path);
    assert_finds(db, 1, "User 1");
    return db;
}

static void test_one_that_was_removed_is_made_anew(void **state)
{
    const struct place *place = *state;
    struct users_db *db = open_db(place);
    assert_int_equal(unlink(place->path), 0);
    assert_finds(db, 2, "User 2");
    assert_int_equal(access(place->path, F_OK), 0);
    users_db_free(db);
}

static void test_one_that_was_replaced_is_opened(void **state)
{
    const struct place *place = *state;
    char other[300];
    struct users_db *db = open_db(place);
    snprintf(other, sizeof other, "%s/other.db", place->folder);
    execute(other, "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT NOT NULL);"
                   "INSERT INTO users VALUES (1, 'Grace'); PRAGMA application_id = 0x6f666c70;");
    assert_int_equal(rename(other, place->path), 0);
    assert_finds(db, 1, "Grace");
    users_db_free(db);
}

static void test_one_that_was_emptied_is_filled(void **state)
{
    const struct place *place = *state;
    struct users_db *db = open_db(place);
    assert_int_equal(truncate(place->path, 0), 0);
    assert_finds(db, 2, "User 2");
    users_db_free(db);
}

static void damage(const char *path, size_t from)
{
    struct content content = content_of(path);
    assert_true(content.length > from);
    memset(content.bytes + from, '!', content.length - from);
    if (from > 28) /* the change counter: else SQLite would go on with the pages that it has */
        content.bytes[27]++, content.bytes[95] = content.bytes[27];
    write_file(path, content.bytes, content.length);
}

static void test_one_that_was_damaged_is_named_and_made_anew(void **state)
{
    const struct place *place = *state;
    const size_t from[] = {0, 100, 4096};
    const char *const words[] = {"file is not a database, or damaged: remove it", "is damaged (",
                                 "is damaged ("};
    for (size_t i = 0; i < sizeof from / sizeof *from; i++) {
        struct users_db *db = open_db(place);
        damage(place->path, from[i]);
        assert_problem_is(db, 2, words[i]);
        assert_problem_is(db, 2, place->path);
        assert_int_equal(unlink(place->path), 0);
        assert_finds(db, 2, "User 2");
        users_db_free(db);
    }
}

/* ------------------------------------------------------------------ locked by somebody else */

static sqlite3 *lock_up(const struct place *place)
{
    sqlite3 *other = NULL;
    users_db_free(open_db(place));
    assert_int_equal(sqlite3_open(place->path, &other), SQLITE_OK);
    assert_int_equal(sqlite3_exec(other, "BEGIN EXCLUSIVE", NULL, NULL, NULL), SQLITE_OK);
    return other;
}

/* An error would come by itself in the end, but not this one. */
static void test_an_interruption_ends_the_wait_for_a_lock(void **state)
{
    const struct place *place = *state;
    uv_thread_t thread;
    sqlite3 *other = lock_up(place);
    struct search search = {.db = users_db_new(place->path)};
    users_db_arm(search.db);
    assert_int_equal(uv_thread_create(&thread, find, &search), 0);
    users_db_interrupt(search.db);
    uv_thread_join(&thread);
    assert_int_equal(search.rc, -ECANCELED);
    sqlite3_close(other);
    users_db_arm(search.db);
    assert_finds(search.db, 1, "User 1");
    users_db_free(search.db);
}

static void test_a_lock_that_stays_is_named(void **state)
{
    const struct place *place = *state;
    struct search search = {.db = open_db(place)};
    sqlite3 *other = lock_up(place);
    uint64_t before_ns = uv_hrtime();
    find(&search);
    assert_true(uv_hrtime() - before_ns >= (USERS_DB_PATIENCE_MS - 100) * 1000000ull);
    assert_int_equal(search.rc, -EBUSY);
    assert_non_null(strstr(search.problem, "is locked by another program"));
    assert_non_null(strstr(search.problem, place->path));
    sqlite3_close(other);
    assert_finds(search.db, 1, "User 1");
    users_db_free(search.db);
}

static void test_one_that_is_locked_can_be_tried(void **state)
{
    const struct place *place = *state;
    char problem[800];
    sqlite3 *other = lock_up(place);
    assert_int_equal(users_db_try(place->path, problem, sizeof problem), 0);
    sqlite3_close(other);
}

/* ------------------------------------------------------------------ nothing */

static void test_freeing_nothing(void **state)
{
    (void)state;
    users_db_free(NULL);
}

#define IN_A_PLACE(test) cmocka_unit_test_setup_teardown(test, make_place, remove_place)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_A_PLACE(test_is_made_on_first_use),
        IN_A_PLACE(test_says_that_there_is_no_such_user),
        IN_A_PLACE(test_cuts_a_name_that_does_not_fit),
        IN_A_PLACE(test_takes_its_time),
        IN_A_PLACE(test_an_interruption_before_the_wait_counts),
        IN_A_PLACE(test_an_interruption_from_another_thread),
        IN_A_PLACE(test_two_connections_find_it_new),
        IN_A_PLACE(test_makes_the_folder),
        cmocka_unit_test(test_lies_in_memory),
        IN_A_PLACE(test_a_folder_is_no_database),
        IN_A_PLACE(test_what_cannot_be_opened_has_a_path_and_a_reason),
        IN_A_PLACE(test_a_database_of_another_program_is_left_alone),
        IN_A_PLACE(test_the_log_of_another_program_is_left_alone),
        IN_A_PLACE(test_what_is_no_database_is_left_alone),
        IN_A_PLACE(test_what_an_earlier_version_made_is_used),
        IN_A_PLACE(test_an_empty_file_is_filled),
        IN_A_PLACE(test_one_that_was_removed_is_made_anew),
        IN_A_PLACE(test_one_that_was_replaced_is_opened),
        IN_A_PLACE(test_one_that_was_emptied_is_filled),
        IN_A_PLACE(test_one_that_was_damaged_is_named_and_made_anew),
        IN_A_PLACE(test_an_interruption_ends_the_wait_for_a_lock),
        IN_A_PLACE(test_a_lock_that_stays_is_named),
        IN_A_PLACE(test_one_that_is_locked_can_be_tried),
        cmocka_unit_test(test_freeing_nothing),
    };
    harness_prepare_process();
    return cmocka_run_group_tests_name("users_db", tests, NULL, NULL);
}
