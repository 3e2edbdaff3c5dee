/* orphans_test.c – the first process of a container, and any other that the kernel hands orphans
 * to: the children of a member that was killed must not stay behind as zombies. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/harness.h"
#include "tests/support/program.h"

enum { PIDS_MAX = 64 };

/* A zombie would be there for ever. */
static void await_gone(pid_t pid)
{
    while (kill(pid, 0) == 0)
        usleep(1000);
    assert_int_equal(errno, ESRCH);
}

static void kill_members(struct program *program, int deaths)
{
    for (int i = 0; i < deaths; i++) {
        pid_t members[1], children[PIDS_MAX];
        assert_int_equal(program_descendants(program->pid, members, 1), 1);
        unsigned count = program_descendants(members[0], children, PIDS_MAX);
        assert_int_equal(count, 2);
        signal_one(members[0], SIGKILL);
        for (unsigned child = 0; child < count; child++)
            await_gone(children[child]);
        assert_true(program_await(program, "member_ready"));
    }
}

/* Its own children's exits are not lost meanwhile: members come anew, jobs get answers. */
static void check_cluster(void (*prepare)(void *data))
{
    struct program program =
        program_start_prepared(prepare, NULL, -1, "--cluster=1", "--offload=process",
                               "--processes=2", "--observer=off", NULL);
    assert_true(program_await(&program, "listening"));
    kill_members(&program, 3);
    (void)peer_ask_once(program.port, "/heavy?kernel=sleep&n=1");
    program_stop(&program);
}

static void become_subreaper(void *data)
{
    (void)data;
    if (prctl(PR_SET_CHILD_SUBREAPER, 1) != 0)
        _exit(127);
}

static void test_a_subreaper(void **state)
{
    (void)state;
    check_cluster(become_subreaper);
}

/* The next child of this process becomes the first of a container. Returns what takes that back. */
static int enter_container(void)
{
    int before = open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC);
    if (before < 0 || unshare(CLONE_NEWPID) != 0) {
        print_message("SKIPPED: no PID namespace can be made here: %s\n", strerror(errno));
        skip();
    }
    return before;
}

static void leave_container(int before)
{
    assert_int_equal(setns(before, CLONE_NEWPID), 0);
    close(before);
}

static void test_the_first_process_of_a_container(void **state)
{
    (void)state;
    int before = enter_container();
    check_cluster(NULL);
    leave_container(before);
}

/* Somebody's whom the server never knew: two generations, of which the first ends at once. */
static void leave_an_orphan(void *data)
{
    int *told = data;
    become_subreaper(NULL);
    pid_t parent = fork();
    if (parent == 0) {
        pid_t orphan = fork();
        if (orphan == 0) {
            char nothing;
            close(told[1]);
            close(told[2]);
            _exit((int)read(told[3], &nothing, 1)); /* until the test says so */
        }
        _exit(write(told[1], &orphan, sizeof orphan) != sizeof orphan);
    }
    waitpid(parent, NULL, 0);
    for (int i = 0; i < 4; i++)
        close(told[i]);
}

/* told[0..1]: from the starter; told[3] ← told[2]: from the test. */
static void test_a_server_alone_with_a_stranger(void **state)
{
    int from[2], to[2];
    pid_t orphan;
    (void)state;
    assert_int_equal(pipe(from), 0);
    assert_int_equal(pipe(to), 0);
    int told[4] = {from[0], from[1], to[1], to[0]};
    struct program program = program_start_prepared(leave_an_orphan, told, -1, "--offload=process",
                                                    "--processes=1", "--observer=off", NULL);
    assert_int_equal(read(from[0], &orphan, sizeof orphan), sizeof orphan);
    assert_true(program_await(&program, "listening"));
    for (int i = 0; i < 4; i++)
        close(told[i]); /* now it ends */
    await_gone(orphan);
    (void)peer_ask_once(program.port, "/heavy?kernel=sleep&n=1");
    program_stop(&program);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_subreaper),
        cmocka_unit_test(test_the_first_process_of_a_container),
        cmocka_unit_test(test_a_server_alone_with_a_stranger),
    };
    harness_prepare_process();
    return cmocka_run_group_tests_name("orphans", tests, NULL, NULL);
}
