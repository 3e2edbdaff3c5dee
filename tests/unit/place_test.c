/* place_test.c – the first place for the database that works, or the one that was asked for. */
#include "server/slow_io/place.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/harness.h"
#include "tests/support/temporary.h"

#define NOWHERE "/dev/null/nowhere"

static const char *const VARIABLES[] = {"XDG_CACHE_HOME", "HOME", "XDG_RUNTIME_DIR", "TMPDIR"};

enum { CACHE, HOME, RUNTIME, TEMPORARY, COUNT };

struct world {
    char folder[128];
    char *before[COUNT];
    struct place place;
};

/* Every variable leads nowhere. */
static int make_world(void **state)
{
    static struct world world;
    temporary_folder(world.folder, sizeof world.folder);
    for (int i = 0; i < COUNT; i++) {
        const char *value = getenv(VARIABLES[i]);
        world.before[i] = value != NULL ? strdup(value) : NULL;
        setenv(VARIABLES[i], NOWHERE, 1);
    }
    *state = &world;
    return 0;
}

static int end_world(void **state)
{
    struct world *world = *state;
    for (int i = 0; i < COUNT; i++) {
        if (world->before[i] != NULL)
            setenv(VARIABLES[i], world->before[i], 1);
        else
            unsetenv(VARIABLES[i]);
        free(world->before[i]);
    }
    temporary_folder_remove(world->folder);
    return 0;
}

static void lead(const struct world *world, int variable, const char *name)
{
    char path[300];
    snprintf(path, sizeof path, "%s/%s", world->folder, name);
    setenv(VARIABLES[variable], path, 1);
}

static void assert_found(struct world *world, const char *name, const char *origin)
{
    char path[300];
    assert_int_equal(place_find(&world->place, NULL), 0);
    snprintf(path, sizeof path, "%s/%s", world->folder, name);
    assert_string_equal(world->place.path, path);
    assert_string_equal(world->place.origin, origin);
    assert_int_equal(access(path, R_OK | W_OK), 0);
}

static void assert_in_memory(struct world *world)
{
    assert_int_equal(place_find(&world->place, NULL), 0);
    assert_string_equal(world->place.path, ":memory:");
    assert_string_equal(world->place.origin, "memory");
}

/* ------------------------------------------------------------------ in their order */

static void test_the_cache_folder(void **state)
{
    struct world *world = *state;
    lead(world, CACHE, "cache");
    lead(world, HOME, "");
    assert_found(world, "cache/offloop.db", "XDG_CACHE_HOME");
    assert_string_equal(world->place.problem, "");
}

/* A path that is not absolute must be ignored, says the variable's definition. */
static void test_the_home_folder(void **state)
{
    struct world *world = *state;
    lead(world, HOME, "");
    setenv("XDG_CACHE_HOME", "not/absolute", 1);
    assert_found(world, "/.cache/offloop.db", "HOME");
    assert_string_equal(world->place.problem, "");
    setenv("XDG_CACHE_HOME", NOWHERE, 1); /* and one that does not work is said */
    assert_found(world, "/.cache/offloop.db", "HOME");
    assert_non_null(strstr(world->place.problem, NOWHERE "/offloop.db: Not a directory"));
}

static void test_the_runtime_folder(void **state)
{
    struct world *world = *state;
    lead(world, RUNTIME, "run");
    lead(world, TEMPORARY, "");
    unsetenv("XDG_CACHE_HOME");
    assert_found(world, "run/offloop.db", "XDG_RUNTIME_DIR");
    assert_non_null(strstr(world->place.problem, NOWHERE "/.cache/offloop.db: Not a directory"));
    unsetenv("HOME");
    assert_found(world, "run/offloop.db", "XDG_RUNTIME_DIR");
    assert_non_null(strstr(world->place.problem, "HOME"));
}

static void test_a_folder_for_ourselves_in_the_temporary_one(void **state)
{
    struct world *world = *state;
    struct stat status;
    char name[64], path[300];
    setenv("TMPDIR", world->folder, 1);
    snprintf(name, sizeof name, "offloop-%u/offloop.db", (unsigned)geteuid());
    for (int i = 0; i < 2; i++) /* it is made, and it is there */
        assert_found(world, name, "TMPDIR");
    snprintf(path, sizeof path, "%s/offloop-%u", world->folder, (unsigned)geteuid());
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0700);
}

static void test_memory_when_there_is_no_place(void **state)
{
    struct world *world = *state;
    assert_in_memory(world);
    assert_non_null(strstr(world->place.problem, NOWHERE));
}

static void test_a_foreign_file_in_the_first_place(void **state)
{
    struct world *world = *state;
    char path[300];
    lead(world, CACHE, "");
    lead(world, HOME, "");
    snprintf(path, sizeof path, "%s/offloop.db", world->folder);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs("This is a letter.\n", file);
    fclose(file);
    assert_found(world, "/.cache/offloop.db", "HOME");
    assert_non_null(strstr(world->place.problem, "file is not a database"));
}

/* ------------------------------------------------------------------ a folder that others share */

static void own_folder(const struct world *world, char path[300])
{
    snprintf(path, 300, "%s/offloop-%u", world->folder, (unsigned)geteuid());
    setenv("TMPDIR", world->folder, 1);
}

static void test_a_folder_that_others_can_enter_is_not_used(void **state)
{
    struct world *world = *state;
    char path[300], file[320];
    own_folder(world, path);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(chmod(path, 0777), 0);
    assert_in_memory(world);
    snprintf(file, sizeof file, "%s/offloop.db", path);
    assert_int_equal(access(file, F_OK), -1);
}

static void test_a_link_in_its_place_is_not_followed(void **state)
{
    struct world *world = *state;
    char path[300], target[300], file[320];
    own_folder(world, path);
    snprintf(target, sizeof target, "%s/target", world->folder);
    assert_int_equal(mkdir(target, 0700), 0);
    assert_int_equal(symlink(target, path), 0);
    assert_in_memory(world);
    snprintf(file, sizeof file, "%s/offloop.db", target);
    assert_int_equal(access(file, F_OK), -1);
}

/* ------------------------------------------------------------------ the one that was asked for */

static void test_what_was_asked_for(void **state)
{
    struct world *world = *state;
    char path[300];
    snprintf(path, sizeof path, "%s/my.db", world->folder);
    assert_int_equal(place_find(&world->place, path), 0);
    assert_string_equal(world->place.path, path);
    assert_string_equal(world->place.origin, "--database");
    assert_string_equal(world->place.problem, "");
    assert_int_equal(place_find(&world->place, ":memory:"), 0);
    assert_string_equal(world->place.path, ":memory:");
}

static void test_what_was_asked_for_and_cannot_be(void **state)
{
    struct world *world = *state;
    static char endless[2 * PATH_MAX];
    memset(endless, 'x', sizeof endless - 1);
    lead(world, HOME, "");
    assert_int_equal(place_find(&world->place, NOWHERE "/my.db"), -EIO);
    assert_non_null(strstr(world->place.problem, NOWHERE "/my.db: Not a directory"));
    assert_int_equal(place_find(&world->place, ""), -EIO);
    assert_int_equal(place_find(&world->place, endless), -EIO);
}

/* A typing error must not become a folder. */
static void test_what_was_asked_for_in_a_folder_that_is_not_there(void **state)
{
    struct world *world = *state;
    char folder[300], path[310];
    snprintf(folder, sizeof folder, "%s/tpyo", world->folder);
    snprintf(path, sizeof path, "%s/my.db", folder);
    assert_int_equal(place_find(&world->place, path), -EIO);
    assert_non_null(strstr(world->place.problem, path));
    assert_non_null(strstr(world->place.problem, "No such file or directory"));
    assert_int_equal(access(folder, F_OK), -1);
}

#define IN_A_WORLD(test) cmocka_unit_test_setup_teardown(test, make_world, end_world)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_A_WORLD(test_the_cache_folder),
        IN_A_WORLD(test_the_home_folder),
        IN_A_WORLD(test_the_runtime_folder),
        IN_A_WORLD(test_a_folder_for_ourselves_in_the_temporary_one),
        IN_A_WORLD(test_memory_when_there_is_no_place),
        IN_A_WORLD(test_a_foreign_file_in_the_first_place),
        IN_A_WORLD(test_a_folder_that_others_can_enter_is_not_used),
        IN_A_WORLD(test_a_link_in_its_place_is_not_followed),
        IN_A_WORLD(test_what_was_asked_for),
        IN_A_WORLD(test_what_was_asked_for_and_cannot_be),
        IN_A_WORLD(test_what_was_asked_for_in_a_folder_that_is_not_there),
    };
    harness_prepare_process();
    return cmocka_run_group_tests_name("place", tests, NULL, NULL);
}
