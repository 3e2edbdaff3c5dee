/* spawn_test.c – how a process ends is told once, its descriptors are where they should be, and it
 * begins with the signals blocked that are for others. */
#include "server/spawn.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "process/signals.h"
#include "tests/support/harness.h"

struct ended {
    struct spawned process;
    unsigned times;
    int64_t status;
    int signal;
};

static void on_exit_told(struct spawned *process, int64_t status, int signal)
{
    struct ended *ended = process->exits.data;
    ended->times++;
    ended->status = status;
    ended->signal = signal;
    uv_close((uv_handle_t *)&process->exits, NULL);
}

static int start(struct ended *ended, uv_loop_t *loop, const struct spawn_plan *plan)
{
    *ended = (struct ended){.times = 0};
    assert_int_equal(uv_loop_init(loop), 0);
    spawned_init(&ended->process, loop);
    ended->process.exits.data = ended;
    return spawned_start(&ended->process, plan, on_exit_told);
}

static void finish(uv_loop_t *loop)
{
    uv_run(loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(loop), 0);
}

/* What became of this line of a shell. */
static struct ended run_shell(const char *line, const struct spawn_plan *like)
{
    char copy[400];
    char *arguments[] = {(char[]){"sh"}, (char[]){"-c"}, copy, NULL};
    struct spawn_plan plan = *like;
    struct ended ended;
    uv_loop_t loop;
    snprintf(copy, sizeof copy, "%s", line);
    plan.program = "sh";
    plan.arguments = arguments;
    assert_int_equal(start(&ended, &loop, &plan), 0);
    finish(&loop);
    assert_int_equal(ended.times, 1);
    return ended;
}

static const struct spawn_plan plain = {.descriptors = {0, 1, 2}, .descriptor_count = 3};

static void test_how_it_ends(void **state)
{
    (void)state;
    struct ended ended = run_shell("exit 7", &plain);
    assert_int_equal(ended.status, 7);
    assert_int_equal(ended.signal, 0);
    ended = run_shell("kill -9 $$", &plain);
    assert_int_equal(ended.signal, SIGKILL);
    spawned_kill(&ended.process, SIGKILL); /* nobody is there any more */
}

static void test_many_end_at_once(void **state)
{
    enum { MANY = 20 };
    struct ended ended[MANY] = {{.times = 0}};
    char *arguments[] = {(char[]){"sleep"}, (char[]){"60"}, NULL};
    struct spawn_plan plan = plain;
    uv_loop_t loop;
    (void)state;
    plan.program = "sleep";
    plan.arguments = arguments;
    assert_int_equal(uv_loop_init(&loop), 0);
    for (int i = 0; i < MANY; i++) {
        spawned_init(&ended[i].process, &loop);
        ended[i].process.exits.data = &ended[i];
        assert_int_equal(spawned_start(&ended[i].process, &plan, on_exit_told), 0);
    }
    for (int i = 0; i < MANY; i++)
        spawned_kill(&ended[i].process, SIGKILL);
    finish(&loop);
    for (int i = 0; i < MANY; i++) {
        assert_int_equal(ended[i].times, 1);
        assert_int_equal(ended[i].signal, SIGKILL);
    }
}

static void test_a_program_that_is_not_there(void **state)
{
    char *arguments[] = {(char[]){"nobody"}, NULL};
    struct spawn_plan plan = plain;
    struct ended ended;
    uv_loop_t loop;
    (void)state;
    plan.program = "/nowhere/nobody";
    plan.arguments = arguments;
    assert_int_equal(start(&ended, &loop, &plan), UV_ENOENT);
    spawned_kill(&ended.process, SIGKILL);
    uv_close((uv_handle_t *)&ended.process.exits, NULL);
    finish(&loop);
    assert_int_equal(ended.times, 0);
}

/* A number that nobody uses, libuv least of all, and that a plan has room for. */
static int next_free(int number)
{
    while (number < SPAWN_DESCRIPTORS_MAX && fcntl(number, F_GETFD) != -1)
        number++;
    assert_true(number < SPAWN_DESCRIPTORS_MAX);
    return number;
}

/* Whoever reads from this descriptor reads the word. */
static void put_word(int number, const char *word)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    assert_true(write(ends[1], word, strlen(word)) > 0);
    assert_int_equal(dup2(ends[0], number), number);
    for (int end = 0; end < 2; end++) {
        if (ends[end] != number)
            close(ends[end]);
    }
}

/* Each stands where the other one shall go. */
static void test_descriptors_that_change_places(void **state)
{
    struct spawn_plan plan = {.descriptors = {0, 1, 2, -1, -1, -1, -1, -1}, .descriptor_count = 8};
    int one = next_free(3), other = next_free(one + 1);
    char line[120];
    (void)state;
    put_word(one, "one\n");
    put_word(other, "other\n");
    plan.descriptors[one] = other;
    plan.descriptors[other] = one;
    snprintf(line, sizeof line, "read a <&%d; read b <&%d; [ \"$a $b\" = 'other one' ] || exit 1",
             one, other);
    struct ended ended = run_shell(line, &plan);
    assert_int_equal(ended.signal, 0);
    assert_int_equal(ended.status, 0);
    close(one);
    close(other);
}

/* They wait until the process knows what to do with them; what else was blocked is not handed on.
 */
static void test_signals_of_newborns(void **state)
{
    char pattern[60];
    char *arguments[] = {(char[]){"grep"}, (char[]){"-q"}, pattern, (char[]){"/proc/self/status"},
                         NULL};
    struct spawn_plan plan = plain;
    struct ended ended;
    uv_loop_t loop;
    unsigned long mask = 0;
    sigset_t newborn, usual, before;
    (void)state;
    signals_of_newborns(&newborn);
    for (int number = 1; number < 32; number++)
        mask |= sigismember(&newborn, number) == 1 ? 1ul << (number - 1) : 0;
    assert_int_equal(mask & (1ul << (SIGHUP - 1)), 1ul << (SIGHUP - 1));
    snprintf(pattern, sizeof pattern, "^SigBlk:.*%016lx$", mask);
    plan.program = "grep";
    plan.arguments = arguments;
    sigemptyset(&usual);
    sigaddset(&usual, SIGALRM);
    sigprocmask(SIG_BLOCK, &usual, &before);
    int rc = start(&ended, &loop, &plan);
    sigprocmask(SIG_SETMASK, &before, NULL);
    assert_int_equal(rc, 0);
    finish(&loop);
    assert_int_equal(ended.signal, 0);
    assert_int_equal(ended.status, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_how_it_ends),
        cmocka_unit_test(test_many_end_at_once),
        cmocka_unit_test(test_a_program_that_is_not_there),
        cmocka_unit_test(test_descriptors_that_change_places),
        cmocka_unit_test(test_signals_of_newborns),
    };
    harness_prepare_process();
    return cmocka_run_group_tests_name("spawn", tests, NULL, NULL);
}
