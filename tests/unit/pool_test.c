/* pool_test.c – a machine without threads to spare: libuv would end the program.
 *
 * Each case has a process of its own, because the pool belongs to the process and is made once. */
#include "server/machine/pool.h"

#include <errno.h>
#include <grp.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>

#include <cmocka.h>

#include "tests/support/harness.h"

enum { HOLDS, FAILS, CANNOT_TELL, NOBODY_ELSE = 64999, FEW = 4, WANTED = 8 };

static int in_child(int (*outcome)(void))
{
    int status;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        _exit(outcome());
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status)); /* and not: aborted */
    return WEXITSTATUS(status);
}

/* From now on no thread and no process can be made, as with pids.max. */
static bool forbid_threads(void)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 1, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone3, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EAGAIN),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof filter / sizeof *filter, filter};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

static void set_one(uv_work_t *work)
{
    *(int *)work->data = 1;
}

static bool pool_works(void)
{
    int done = 0;
    uv_loop_t loop;
    uv_work_t work = {.data = &done};
    bool queued = uv_loop_init(&loop) == 0 && uv_queue_work(&loop, &work, set_one, NULL) == 0;
    uv_run(&loop, UV_RUN_DEFAULT);
    uv_loop_close(&loop);
    return queued && done == 1;
}

/* ------------------------------------------------------------------ all, none, some */

static int has_all(void)
{
    setenv("UV_THREADPOOL_SIZE", "3", 1);
    return pool_ready() == 3 && pool_ready() == 3 && pool_works() ? HOLDS : FAILS;
}

static int has_none(void)
{
    if (!forbid_threads())
        return CANNOT_TELL;
    for (int i = 0; i < 100; i++) {
        if (pool_ready() != UV_EAGAIN)
            return FAILS;
    }
    return HOLDS;
}

/* Another user, who has nothing else, and may have a few threads. */
static int has_some(void)
{
    const struct rlimit few = {FEW, FEW};
    char size[16];
    snprintf(size, sizeof size, "%d", WANTED);
    setenv("UV_THREADPOOL_SIZE", size, 1);
    if (setrlimit(RLIMIT_NPROC, &few) != 0 || setgroups(0, NULL) != 0 ||
        setresuid(NOBODY_ELSE, NOBODY_ELSE, NOBODY_ELSE) != 0)
        return CANNOT_TELL;
    int threads = pool_ready();
    bool said = threads == atoi(getenv("UV_THREADPOOL_SIZE"));
    return threads > 0 && threads < FEW && said && pool_works() ? HOLDS : FAILS;
}

static void check(int (*outcome)(void))
{
    int found = in_child(outcome);
    if (found == CANNOT_TELL)
        skip();
    assert_int_equal(found, HOLDS);
}

static void test_all_of_it(void **state)
{
    (void)state;
    check(has_all);
}

static void test_no_thread_is_an_error(void **state)
{
    (void)state;
    check(has_none);
}

static void test_some_are_better_than_none(void **state)
{
    (void)state;
    check(has_some);
}

/* ------------------------------------------------------------------ a whole server */

/* 503 for what needs a thread or a process, 200 for the rest. */
static int serves_without_threads(void)
{
    static const struct {
        const char *target;
        int status;
    } requests[] = {
        {"/fast", 200},
        {"/slow?ms=1", 503},
        {"/heavy?ms=1&offload=threadpool", 503},
        {"/heavy?ms=1&offload=worker", 503},
        {"/heavy?ms=1&offload=process", 503},
        {"/heavy?ms=1&offload=none", 200},
        {"/heavy?ms=1&offload=sliced", 200},
        {"/slow?ms=1&via=timer", 200},
    };
    struct harness harness;
    bool holds = true;
    const struct app *app = harness_with(&harness, NULL);
    if (!forbid_threads()) /* for this one, which is the loop's, and all that it makes */
        return CANNOT_TELL;
    for (size_t i = 0; i < 2 * sizeof requests / sizeof *requests; i++) {
        size_t row = i / 2; /* each twice: it stays so */
        holds &= harness_get(&harness, app, requests[row].target)->status == requests[row].status;
    }
    harness_close(&harness);
    return holds ? HOLDS : FAILS;
}

static void test_a_server_without_threads_answers(void **state)
{
    (void)state;
    check(serves_without_threads);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_of_it),
        cmocka_unit_test(test_no_thread_is_an_error),
        cmocka_unit_test(test_some_are_better_than_none),
        cmocka_unit_test(test_a_server_without_threads_answers),
    };
    harness_prepare_process();
    return cmocka_run_group_tests_name("pool", tests, NULL, NULL);
}
