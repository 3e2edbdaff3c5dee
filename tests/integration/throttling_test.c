/* throttling_test.c – a server in a control group that may use a tenth of a core: 100 ms in each
 * second, so that it stands still for most of that second on a busy machine, too.
 *
 * That needs the right to make such a group: root, or a subtree that was delegated. Elsewhere the
 * test is skipped, and tests/unit/cgroup_test.c must do. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "server/machine/cgroup.h"
#include "tests/support/harness.h"
#include "tests/support/program.h"

enum { ANSWER_BYTES = 1 << 20, TRIES = 200, PAUSE_MS = 50 };

/* ------------------------------------------------------------------ a group */

struct group {
    char home[PATH_MAX]; /* where this process was */
    char path[PATH_MAX + 64];
};

static bool write_text(const char *folder, const char *name, const char *text)
{
    char path[PATH_MAX + 128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    bool written = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    close(fd);
    return written;
}

static void group_leave(const struct group *group)
{
    (void)write_text(group->home, "cgroup.procs", "0");
}

/* All that was in it has ended, but perhaps not for the kernel. */
static void group_remove(const struct group *group)
{
    int rc;
    do
        rc = rmdir(group->path);
    while (rc != 0 && errno == EBUSY && poll(NULL, 0, PAUSE_MS) == 0);
    assert_int_equal(rc, 0);
}

static bool set_quota(const struct group *group, bool v2)
{
    return v2 ? write_text(group->path, "cpu.max", "100000 1000000")
              : write_text(group->path, "cpu.cfs_period_us", "1000000") &&
                    write_text(group->path, "cpu.cfs_quota_us", "100000");
}

/* Makes one below that of this process, which it enters. */
static bool group_enter(struct group *group)
{
    struct cgroup own;
    cgroup_find(&own, "/proc/self", "");
    if (own.path[0] == '\0')
        return false;
    snprintf(group->home, sizeof group->home, "%s", own.path);
    snprintf(group->path, sizeof group->path, "%s/offloop-test-%d", own.path, (int)getpid());
    if (mkdir(group->path, 0755) != 0)
        return false;
    if (set_quota(group, own.v2) && write_text(group->path, "cgroup.procs", "0"))
        return true;
    group_remove(group);
    return false;
}

/* ------------------------------------------------------------------ what the observer says */

static void fetch(unsigned port, const char *target, char *text)
{
    char request[200];
    size_t length = 0;
    ssize_t got;
    int peer = peer_connect(port);
    snprintf(request, sizeof request,
             "GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", target);
    assert_int_equal(send(peer, request, strlen(request), 0), (ssize_t)strlen(request));
    while ((got = recv(peer, text + length, ANSWER_BYTES - 1 - length, 0)) > 0)
        length += (size_t)got;
    text[length] = '\0';
    close(peer);
}

static void await_words(unsigned port, const char *target, const char *words, char *text)
{
    for (int i = 0; i < TRIES; i++) {
        fetch(port, target, text);
        if (strstr(text, words) != NULL)
            return;
        poll(NULL, 0, PAUSE_MS);
    }
    fail_msg("%s never says \"%s\", but %s", target, words, text);
}

static double metric(const char *text, const char *name)
{
    const char *at = text;
    size_t length = strlen(name);
    while ((at = strstr(at, name)) != NULL && (at[-1] != '\n' || at[length] != '{'))
        at += length;
    assert_non_null(at);
    return strtod(strchr(at, '}') + 1, NULL);
}

static void check_observer(unsigned port, char *text)
{
    await_words(port, "/report", "the cgroup had used up its CPU time", text);
    assert_non_null(strstr(text, "  cgroup  out of CPU time in "));
    fetch(port, "/metrics", text);
    double periods = metric(text, "offloop_cpu_periods_total");
    double throttled = metric(text, "offloop_cpu_throttled_periods_total");
    assert_true(throttled > 0 && throttled <= periods);
    assert_true(metric(text, "offloop_cpu_throttled_seconds_total") > 0);
    fetch(port, "/config", text);
    assert_int_equal(number_in(text, "cores"), 1);
    assert_non_null(strstr(text, "{\"name\":\"workers\",\"value\":\"1\",\"origin\":\"default\""));
    assert_non_null(strstr(text, "{\"name\":\"processes\",\"value\":\"1\",\"origin\":\"default\""));
}

/* What the scripts say of cores, from the folder of the repository. */
static void check_scripts(void)
{
    char line[40] = "";
    FILE *script = popen("bash -c 'set -euo pipefail; source loadtest/lib/cores.sh; cores'", "r");
    assert_non_null(script);
    assert_non_null(fgets(line, sizeof line, script));
    assert_int_equal(pclose(script), 0);
    assert_string_equal(line, "1\n");
}

/* A job that takes 300 ms of a core holds the loop for two seconds and more. */
static void test_the_verdict_names_the_machine(void **state)
{
    struct group group;
    static char text[ANSWER_BYTES];
    (void)state;
    if (!group_enter(&group))
        skip();
    struct program program = program_start(-1, "--observer=0", "--offload=none", NULL);
    check_scripts();
    group_leave(&group);
    assert_true(program_await(&program, "listening"));
    assert_true(program_await(&program, "observing"));
    const char *url = strstr(program.line, "\"url\":\"http://127.0.0.1:");
    assert_non_null(url);
    unsigned observer = (unsigned)strtoul(strrchr(url, ':') + 1, NULL, 10);
    for (int i = 0; i < 2; i++)
        peer_ask_once(program.port, "/heavy?ms=300");
    check_observer(observer, text);
    program_stop(&program);
    group_remove(&group);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_verdict_names_the_machine),
    };
    harness_prepare_process();
    return cmocka_run_group_tests_name("throttling", tests, NULL, NULL);
}
