/* database_test.c – a whole server and a database that is locked, damaged, gone or not ours. */
#include <setjmp.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include <cmocka.h>

#include "tests/support/harness.h"
#include "tests/support/program.h"
#include "tests/support/temporary.h"

/* ------------------------------------------------------------------ in this process */

static sqlite3 *lock_up(struct harness *harness, const struct app *app)
{
    sqlite3 *other = NULL;
    assert_int_equal(harness_get(harness, app, "/slow?ms=0")->status, 200);
    assert_int_equal(sqlite3_open(harness->database, &other), SQLITE_OK);
    assert_int_equal(sqlite3_exec(other, "BEGIN EXCLUSIVE", NULL, NULL, NULL), SQLITE_OK);
    return other;
}

static void test_a_lock_that_stays_is_a_503(void **state)
{
    struct harness harness;
    (void)state;
    struct app *app = harness_with(&harness, NULL);
    sqlite3 *other = lock_up(&harness, app);
    const struct answer *answer = harness_get(&harness, app, "/slow?ms=0");
    assert_int_equal(answer->status, 503);
    assert_string_equal(answer_field(answer, "Retry-After"), "1");
    assert_non_null(strstr(answer->body, "is locked by another program"));
    assert_non_null(strstr(answer->body, harness.database));
    sqlite3_close(other);
    assert_int_equal(harness_get(&harness, app, "/slow?ms=0")->status, 200);
    harness_close(&harness);
}

/* 300 ms instead of twice SQLite's 5 s. */
static void test_a_drain_cuts_the_wait_for_a_lock(void **state)
{
    struct harness harness;
    (void)state;
    struct app *app = harness_with(&harness, "--drain-timeout=300", NULL);
    sqlite3 *other = lock_up(&harness, app);
    struct client *client = harness_client(&harness, app);
    client_get(client, "/slow?ms=0");
    client_await_connection(client);
    harness_pause(&harness);
    uint64_t before_ns = uv_hrtime();
    app_drain(app);
    harness_run(&harness);
    assert_true(uv_hrtime() - before_ns < 4000 * 1000000ull);
    assert_int_equal(client->answer_count, 0);
    sqlite3_close(other);
    harness_close(&harness);
}

static void test_a_damaged_database_is_named_and_removed(void **state)
{
    struct harness harness;
    (void)state;
    struct app *app = harness_with(&harness, NULL);
    assert_int_equal(harness_get(&harness, app, "/slow?ms=0")->status, 200);
    FILE *file = fopen(harness.database, "r+b");
    assert_non_null(file);
    for (int i = 0; i < 3000; i++)
        fputs("garbage!", file);
    fclose(file);
    const struct answer *answer = harness_get(&harness, app, "/slow?ms=0");
    assert_int_equal(answer->status, 500);
    assert_non_null(strstr(answer->body, harness.database));
    assert_non_null(strstr(answer->body, "damaged: remove it"));
    assert_int_equal(unlink(harness.database), 0);
    for (int i = 0; i < 6; i++)
        assert_int_equal(harness_get(&harness, app, "/slow?ms=0")->status, 200);
    harness_close(&harness);
}

/* ------------------------------------------------------------------ as a program */

struct home {
    char folder[128], option[300], path[256];
};

static struct home make_home(void)
{
    struct home home;
    temporary_folder(home.folder, sizeof home.folder);
    snprintf(home.path, sizeof home.path, "%s/my.db", home.folder);
    snprintf(home.option, sizeof home.option, "--database=%s", home.path);
    return home;
}

/* One line, which names the path, and status 1; also when a cluster was asked for. */
static void assert_does_not_start(const struct home *home, char *option)
{
    char *cluster[] = {(char[]){"--cluster=0"}, (char[]){"--cluster=3"}};
    for (int i = 0; i < 2; i++) {
        struct program program = program_start(-1, "--observer=off", option, cluster[i], NULL);
        assert_int_equal(program_await_silence(&program), 1);
        assert_non_null(strstr(program.line, "\"event\":\"start_failed\""));
        assert_non_null(strstr(program.line, home->path));
        assert_int_equal(program_end(&program), 1);
    }
}

static void test_what_is_not_ours_does_not_start(void **state)
{
    struct home home = make_home();
    (void)state;
    FILE *file = fopen(home.path, "w");
    assert_non_null(file);
    fputs("This is a letter, and no database.\n", file);
    fclose(file);
    assert_does_not_start(&home, home.option);
    temporary_folder_remove(home.folder);
}

static void test_what_cannot_be_made_does_not_start(void **state)
{
    struct home home = make_home();
    (void)state;
    snprintf(home.path, sizeof home.path, "%s/no/such/folder/my.db", home.folder);
    snprintf(home.option, sizeof home.option, "--database=%s", home.path);
    assert_does_not_start(&home, home.option);
    temporary_folder_remove(home.folder);
}

/* The parent has made it, and says where it is; the members use it and say nothing. */
static void test_members_share_one_database(void **state)
{
    struct home home = make_home();
    (void)state;
    struct program program = program_start(-1, "--observer=off", "--cluster=2", home.option, NULL);
    assert_true(program_await(&program, "listening"));
    for (int i = 0; i < 4; i++)
        assert_non_null(
            strstr(peer_ask_once(program.port, "/slow?ms=0&via=sqlite&id=7"), "User 7"));
    program_stop(&program);
    temporary_folder_remove(home.folder);
}

/* A service has no HOME. Where nothing can be written the database is in memory, said once. */
static void test_without_a_place_it_is_in_memory(void **state)
{
    static const char *const variables[] = {"XDG_CACHE_HOME", "HOME", "XDG_RUNTIME_DIR", "TMPDIR"};
    char *before[4];
    (void)state;
    for (int i = 0; i < 4; i++) {
        before[i] = getenv(variables[i]) != NULL ? strdup(getenv(variables[i])) : NULL;
        setenv(variables[i], "/dev/null/nowhere", 1);
    }
    struct program program = program_start(-1, "--observer=off", "--cluster=2", NULL);
    assert_true(program_await(&program, "database_elsewhere"));
    assert_non_null(strstr(program.line, "/dev/null/nowhere"));
    assert_non_null(strstr(program.line, "\"origin\":\"memory\""));
    assert_true(program_await(&program, "listening"));
    for (int i = 0; i < 4; i++)
        assert_non_null(
            strstr(peer_ask_once(program.port, "/slow?ms=0&via=sqlite&id=7"), "User 7"));
    signal_one(program.pid, SIGTERM);
    assert_false(program_await(&program, "database_elsewhere"));
    assert_int_equal(program_end(&program), 0);
    for (int i = 0; i < 4; i++) {
        if (before[i] != NULL)
            setenv(variables[i], before[i], 1);
        else
            unsetenv(variables[i]);
        free(before[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_lock_that_stays_is_a_503),
        cmocka_unit_test(test_a_drain_cuts_the_wait_for_a_lock),
        cmocka_unit_test(test_a_damaged_database_is_named_and_removed),
        cmocka_unit_test(test_what_is_not_ours_does_not_start),
        cmocka_unit_test(test_what_cannot_be_made_does_not_start),
        cmocka_unit_test(test_members_share_one_database),
        cmocka_unit_test(test_without_a_place_it_is_in_memory),
    };
    harness_prepare_process();
    return cmocka_run_group_tests_name("database", tests, NULL, NULL);
}
