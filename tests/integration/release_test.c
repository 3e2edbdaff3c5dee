/* release_test.c – a cluster that is restarted into another release: behind a link, of another
 * version, without what it was started from. */
#include <dirent.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/harness.h"
#include "tests/support/program.h"
#include "tests/support/temporary.h"

/* folder/v1, folder/v2 and folder/current, a link to the first. */
struct releases {
    char folder[128], current[160];
};

static void copy_into(const char *folder)
{
    char program[4096], command[9000];
    program_path(program, sizeof program);
    assert_int_equal(mkdir(folder, 0700), 0);
    snprintf(command, sizeof command, "cp '%s' '%s-kernel' '%s'", program, program, folder);
    assert_int_equal(system(command), 0);
}

static struct releases make_releases(void)
{
    struct releases releases;
    char path[200];
    temporary_folder(releases.folder, sizeof releases.folder);
    for (int i = 1; i <= 2; i++) {
        snprintf(path, sizeof path, "%s/v%d", releases.folder, i);
        copy_into(path);
    }
    snprintf(releases.current, sizeof releases.current, "%s/current", releases.folder);
    assert_int_equal(symlink("v1", releases.current), 0);
    return releases;
}

static void switch_to(const struct releases *releases, const char *version)
{
    char next[200];
    snprintf(next, sizeof next, "%s/next", releases->folder);
    assert_int_equal(symlink(version, next), 0);
    assert_int_equal(rename(next, releases->current), 0);
}

/* Whether the process runs folder/version/name. */
static bool runs(const struct releases *releases, pid_t pid, const char *version, const char *name)
{
    char link[40], expected[400], path[4096];
    snprintf(link, sizeof link, "/proc/%d/exe", (int)pid);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0)
        return false;
    path[length] = '\0';
    char *folder = realpath(releases->folder, NULL);
    assert_non_null(folder);
    snprintf(expected, sizeof expected, "%s/%s/%s", folder, version, name);
    free(folder);
    return strcmp(path, expected) == 0;
}

static pid_t parent_of(pid_t pid)
{
    char path[40], text[512] = "";
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *file = fopen(path, "r");
    if (file == NULL)
        return 0;
    bool read = fgets(text, sizeof text, file) != NULL;
    fclose(file);
    return read ? (pid_t)atoi(strrchr(text, ')') + 4) : 0;
}

/* How many children of `parent` run that. */
static int children_that_run(const struct releases *releases, pid_t parent, const char *version,
                             const char *name)
{
    int count = 0;
    struct dirent *entry;
    DIR *all = opendir("/proc");
    assert_non_null(all);
    while ((entry = readdir(all)) != NULL) {
        pid_t pid = (pid_t)atoi(entry->d_name);
        count += pid > 0 && parent_of(pid) == parent && runs(releases, pid, version, name);
    }
    closedir(all);
    return count;
}

static pid_t member_of(const struct program *program)
{
    return pid_in(peer_ask_once(program->port, "/healthz"));
}

static void restart(struct program *program)
{
    signal_one(program->pid, SIGHUP);
    assert_true(program_await(program, "restarted"));
}

/* ------------------------------------------------------------------ behind a link */

static void check_link(const struct releases *releases, const char *path)
{
    struct program program =
        program_start_at(path, "--cluster=1", "--offload=process", "--processes=2", NULL);
    assert_true(program_await(&program, "listening"));
    pid_t before = member_of(&program);
    assert_true(runs(releases, before, "v1", "offloop"));
    assert_int_equal(children_that_run(releases, before, "v1", "offloop-kernel"), 2);
    switch_to(releases, "v2");
    restart(&program);
    pid_t after = member_of(&program);
    assert_int_not_equal(after, before);
    assert_true(runs(releases, after, "v2", "offloop"));
    assert_int_equal(children_that_run(releases, after, "v2", "offloop-kernel"), 2);
    program_stop(&program);
    switch_to(releases, "v1");
}

static void test_a_release_behind_a_link(void **state)
{
    struct releases releases = make_releases();
    char path[200];
    (void)state;
    snprintf(path, sizeof path, "%s/offloop", releases.current);
    check_link(&releases, path);
    temporary_folder_remove(releases.folder);
}

/* From within the link, as `cd current && ./offloop` does: PWD keeps it. */
static void test_a_relative_path(void **state)
{
    struct releases releases = make_releases();
    char before[4096], *pwd = getenv("PWD") != NULL ? strdup(getenv("PWD")) : NULL;
    (void)state;
    assert_non_null(getcwd(before, sizeof before));
    assert_int_equal(chdir(releases.folder), 0);
    setenv("PWD", releases.folder, 1);
    check_link(&releases, "current/offloop");
    assert_int_equal(chdir(releases.current), 0);
    setenv("PWD", releases.current, 1);
    check_link(&releases, "./offloop");
    assert_int_equal(chdir(before), 0);
    if (pwd != NULL)
        setenv("PWD", pwd, 1);
    free(pwd);
    temporary_folder_remove(releases.folder);
}

/* A link to the program alone, as in ~/bin: offloop-kernel lies beside where it leads to. */
static void test_a_link_to_the_program(void **state)
{
    struct releases releases = make_releases();
    char path[200];
    (void)state;
    snprintf(path, sizeof path, "%s/offloop", releases.folder);
    assert_int_equal(symlink("current/offloop", path), 0);
    check_link(&releases, path);
    temporary_folder_remove(releases.folder);
}

/* ------------------------------------------------------------------ another layout of recordings
 */

/* Makes a version of it whose counters have other names: one letter, in the text that the layout's
 * fingerprint is made of, and which occurs once. */
static void make_other_layout(const struct releases *releases, const char *version)
{
    static const char text[] = "connections_refused accept_errors requests ";
    char path[200];
    struct stat status;
    snprintf(path, sizeof path, "%s/%s/offloop", releases->folder, version);
    FILE *file = fopen(path, "r+b");
    assert_non_null(file);
    assert_int_equal(fstat(fileno(file), &status), 0);
    size_t size = (size_t)status.st_size;
    char *bytes = malloc(size);
    assert_non_null(bytes);
    assert_int_equal(fread(bytes, 1, size, file), size);
    char *found = memmem(bytes, size, text, sizeof text - 1);
    assert_non_null(found);
    assert_null(memmem(found + 1, size - (size_t)(found + 1 - bytes), text, sizeof text - 1));
    assert_int_equal(fseek(file, found - bytes, SEEK_SET), 0);
    fputc('k', file);
    assert_int_equal(fclose(file), 0);
    free(bytes);
}

static unsigned observer_of(struct program *program)
{
    unsigned port = program->port;
    assert_true(program_await(program, "observing"));
    const char *colon = strrchr(strstr(program->line, "\"url\":"), ':');
    unsigned observer = (unsigned)atoi(colon + 1);
    program->port = port;
    return observer;
}

static void assert_page_has(unsigned observer, const char *path, const char *words)
{
    static char text[1 << 20];
    int peer = peer_connect(observer);
    size_t length = 0;
    ssize_t got;
    assert_true(
        dprintf(peer, "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n", path) > 0);
    while ((got = read(peer, text + length, sizeof text - 1 - length)) > 0)
        length += (size_t)got;
    text[length] = '\0';
    close(peer);
    assert_memory_equal(text, "HTTP/1.1 200", 12);
    if (strstr(text, words) == NULL)
        fail_msg("there is no \"%s\" in %s:\n%s", words, path, text);
}

/* Every member says so, the parent does once, and the observer shows who lives. */
static void test_another_layout_goes_on_unrecorded(void **state)
{
    struct releases releases = make_releases();
    char path[200];
    (void)state;
    make_other_layout(&releases, "v2");
    snprintf(path, sizeof path, "%s/offloop", releases.current);
    struct program program =
        program_start_at(path, "--cluster=2", "--workers=1", "--observer=0", NULL);
    assert_true(program_await(&program, "listening"));
    unsigned observer = observer_of(&program);
    assert_page_has(observer, "/healthz", "\"recorded\":true");
    switch_to(&releases, "v2");
    signal_one(program.pid, SIGHUP);
    assert_true(program_await(&program, "unrecorded"));
    assert_int_equal(number_in(program.line, "member"), 1);
    assert_true(program_await(&program, "members_unrecorded"));
    assert_true(program_await(&program, "unrecorded"));
    assert_int_equal(number_in(program.line, "member"), 2);
    assert_true(program_await(&program, "restarted"));
    assert_true(runs(&releases, member_of(&program), "v2", "offloop"));
    for (int i = 0; i < 20; i++)
        assert_non_null(strstr(peer_ask_once(program.port, "/fast"), "200"));
    assert_page_has(observer, "/healthz", "\"recorded\":false");
    assert_page_has(observer, "/healthz", "\"status\":\"ok\"");
    assert_page_has(observer, "/metrics", "\nprocess_open_fds{");
    assert_page_has(observer, "/report", "NOT RECORDED");
    assert_page_has(observer, "/trace.json", "traceEvents");
    switch_to(&releases, "v1");
    signal_one(program.pid, SIGHUP);
    assert_true(program_await(&program, "restarted")); /* and back: nothing to be said */
    assert_null(strstr(program.line, "unrecorded"));
    assert_page_has(observer, "/healthz", "\"recorded\":true");
    signal_one(program.pid, SIGTERM);
    assert_false(program_await(&program, "unrecorded"));
    assert_int_equal(program_end(&program), 0);
    temporary_folder_remove(releases.folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_release_behind_a_link),
        cmocka_unit_test(test_a_relative_path),
        cmocka_unit_test(test_a_link_to_the_program),
        cmocka_unit_test(test_another_layout_goes_on_unrecorded),
    };
    harness_prepare_process();
    return cmocka_run_group_tests_name("release", tests, NULL, NULL);
}
