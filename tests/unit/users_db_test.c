/* users_db_test.c – the database of /slow: made on first use, waits, can be interrupted, says what
 * is wrong. */
#include "server/slow_io/users_db.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

static void test_lies_in_the_cache_folder(void **state)
{
    const struct place *place = *state;
    char path[300];
    snprintf(path, sizeof path, "%s/cache", place->folder);
    setenv("XDG_CACHE_HOME", path, 1);
    struct users_db *db = users_db_new(NULL);
    assert_finds(db, 1, "User 1");
    users_db_free(db);
    unsetenv("XDG_CACHE_HOME");
    snprintf(path, sizeof path, "%s/cache/offloop.db", place->folder);
    assert_int_equal(access(path, F_OK), 0);
}

static void test_lies_in_the_home_folder(void **state)
{
    const struct place *place = *state;
    char path[300], *home = strdup(getenv("HOME") != NULL ? getenv("HOME") : "/");
    setenv("XDG_CACHE_HOME", "not/absolute", 1); /* which must be ignored, says its definition */
    setenv("HOME", place->folder, 1);
    struct users_db *db = users_db_new(NULL);
    assert_finds(db, 1, "User 1");
    users_db_free(db);
    snprintf(path, sizeof path, "%s/.cache/offloop.db", place->folder);
    assert_int_equal(access(path, F_OK), 0);
    unsetenv("XDG_CACHE_HOME");
    setenv("HOME", home, 1);
    free(home);
}

static void test_says_that_there_is_no_place(void **state)
{
    char *home = strdup(getenv("HOME") != NULL ? getenv("HOME") : "/");
    (void)state;
    unsetenv("HOME");
    unsetenv("XDG_CACHE_HOME");
    struct users_db *db = users_db_new(NULL);
    assert_problem_is(db, 1, "set HOME, or use --database");
    users_db_free(db);
    setenv("HOME", home, 1);
    free(home);
}

/* ------------------------------------------------------------------ what may be wrong */

static void test_a_folder_is_no_database(void **state)
{
    const struct place *place = *state;
    struct users_db *db = users_db_new(place->folder);
    assert_problem_is(db, 1, "unable to open database file");
    users_db_free(db);
}

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
        IN_A_PLACE(test_lies_in_the_cache_folder),
        IN_A_PLACE(test_lies_in_the_home_folder),
        cmocka_unit_test(test_says_that_there_is_no_place),
        IN_A_PLACE(test_a_folder_is_no_database),
        cmocka_unit_test(test_freeing_nothing),
    };
    harness_prepare_process();
    return cmocka_run_group_tests_name("users_db", tests, NULL, NULL);
}
