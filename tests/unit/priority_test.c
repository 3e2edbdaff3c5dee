/* priority_test.c – lanes yield to the loop, and bear it where that is not permitted. */
#include "server/offload/priority.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { NICE = 18 };

static int nice_value_of(int id)
{
    return getpriority(PRIO_PROCESS, (id_t)id);
}

/* Each case has a process of its own, because a nice value cannot be taken back. */
static void in_child(bool (*holds)(void))
{
    int status;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        _exit(holds() ? 0 : 1);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* Makes the call fail with EPERM, as in a container that allows little. */
static bool forbid(int number)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)number, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof filter / sizeof *filter, filter};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

/* ------------------------------------------------------------------ threads */

static bool lowers_once(void)
{
    priority_lower(NICE);
    priority_lower(NICE + 1);
    return nice_value_of(gettid()) == NICE;
}

static bool leaves_it(void)
{
    int before = nice_value_of(gettid());
    priority_lower(0);
    return nice_value_of(gettid()) == before;
}

static bool bears_a_refusal(void)
{
    int before = nice_value_of(gettid());
    if (!forbid(SYS_setpriority))
        return false;
    priority_lower(NICE);
    return nice_value_of(gettid()) == before;
}

static void test_a_thread_is_lowered_once(void **state)
{
    (void)state;
    in_child(lowers_once);
}

static void test_zero_changes_nothing(void **state)
{
    (void)state;
    in_child(leaves_it);
}

static void test_what_is_not_permitted_changes_nothing(void **state)
{
    (void)state;
    in_child(bears_a_refusal);
}

/* ------------------------------------------------------------------ processes */

/* A child that waits until this end of its pipe is closed. */
static pid_t waiting_child(int *end)
{
    int ends[2];
    char byte;
    assert_int_equal(pipe(ends), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        close(ends[1]);
        _exit(read(ends[0], &byte, 1) == 0 ? 0 : 1);
    }
    close(ends[0]);
    *end = ends[1];
    return pid;
}

static void test_a_child_is_lowered(void **state)
{
    int end, status;
    pid_t pid = waiting_child(&end);
    (void)state;
    priority_lower_process(pid, NICE);
    int nice_value = nice_value_of(pid);
    close(end);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_int_equal(nice_value, NICE);
}

static void test_a_child_that_is_gone(void **state)
{
    int end, status;
    pid_t pid = waiting_child(&end);
    (void)state;
    close(end);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    int before = nice_value_of(getpid());
    priority_lower_process(pid, NICE);
    assert_int_equal(nice_value_of(getpid()), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_thread_is_lowered_once),
        cmocka_unit_test(test_zero_changes_nothing),
        cmocka_unit_test(test_what_is_not_permitted_changes_nothing),
        cmocka_unit_test(test_a_child_is_lowered),
        cmocka_unit_test(test_a_child_that_is_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
