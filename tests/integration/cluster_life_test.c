/* cluster_life_test.c – how a cluster begins, is restarted and ends: by signals, by its parent's
 * death, by what makes it impossible; and what a service manager hears. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/harness.h"
#include "tests/support/program.h"
#include "tests/support/temporary.h"

static char rr[] = "--cluster-sched=rr", none[] = "--cluster-sched=none";

/* ------------------------------------------------------------------ the end */

static void check_drains_on(void **state, int number)
{
    struct program program = program_cluster(*state);
    int peer = peer_connect(program.port);
    peer_ask(peer, "/fast");
    peer_get(peer, "/heavy?kernel=sleep&n=100&offload=worker");
    signal_one(program.pid, number);
    assert_true(program_await(&program, "draining"));
    const char *answer = peer_answer(peer);
    assert_non_null(answer);
    assert_non_null(strstr(answer, "\"slept_ms\":100"));
    assert_non_null(strstr(answer, "\r\nConnection: close\r\n"));
    close(peer);
    assert_true(program_await(&program, "stopped"));
    assert_int_equal(program_await_silence(&program), 0);
    assert_int_equal(program_end(&program), 0);
}

static void test_a_signal_drains(void **state)
{
    check_drains_on(state, SIGTERM);
    check_drains_on(state, SIGINT);
}

static void test_the_second_signal_ends_all_at_once(void **state)
{
    struct program program = program_cluster(*state);
    int peer = peer_connect(program.port);
    peer_ask(peer, "/fast");
    peer_get(peer, "/heavy?kernel=sleep&n=60000&offload=none");
    signal_one(program.pid, SIGTERM);
    assert_true(program_await(&program, "draining"));
    signal_one(program.pid, SIGINT);
    program_await_silence(&program); /* the members had the log open, too */
    assert_int_equal(program_end(&program), 128 + SIGINT);
    assert_null(peer_answer(peer));
    close(peer);
}

/* Nobody is left to tell them; and what they owe, they answer. */
static void test_members_end_with_a_parent_that_was_killed(void **state)
{
    struct program program = program_cluster(*state);
    int peer = peer_connect(program.port);
    peer_ask(peer, "/fast");
    peer_get(peer, "/heavy?kernel=sleep&n=100&offload=worker");
    signal_one(program.pid, SIGKILL);
    assert_true(program_await(&program, "parent_gone"));
    assert_non_null(strstr(peer_answer(peer), "\"slept_ms\":100"));
    close(peer);
    program_await_silence(&program);
    assert_int_equal(program_end(&program), 128 + SIGKILL);
}

/* All members stand still and more connections wait than their channels could hold; the kernel has
 * let them in, so they are owed an answer. */
static void test_all_that_wait_are_answered_in_the_end(void **state)
{
    enum { MEMBERS = 2, MANY = 900 };
    static int peers[MANY];
    pid_t pids[MEMBERS];
    struct program program = program_start(-1, "--cluster=2", *state, NULL);
    assert_true(program_await(&program, "listening"));
    program_members(&program, pids, MEMBERS);
    for (int i = 0; i < MEMBERS; i++)
        freeze_one(pids[i]);
    for (int i = 0; i < MANY; i++) {
        peers[i] = peer_connect(program.port);
        peer_get(peers[i], "/fast");
    }
    signal_one(program.pid, SIGTERM);
    assert_true(program_await(&program, "draining"));
    while (*state == rr && !port_is_closed(program.port)) /* the parent has taken all in */
        continue;
    for (int i = 0; i < MEMBERS; i++)
        signal_one(pids[i], SIGCONT);
    for (int i = 0; i < MANY; i++) {
        assert_non_null(peer_answer(peers[i]));
        close(peers[i]);
    }
    assert_true(program_await(&program, "stopped"));
    assert_int_equal(program_end(&program), 0);
}

/* One that hangs cannot hold the others up for ever. */
static void test_a_member_that_does_not_drain_is_killed(void **state)
{
    struct program program = program_start(-1, "--cluster=2", *state, "--drain-timeout=1", NULL);
    assert_true(program_await(&program, "listening"));
    signal_one(pid_in(peer_ask_once(program.port, "/healthz")), SIGSTOP);
    signal_one(program.pid, SIGTERM);
    assert_true(program_await(&program, "member_killed"));
    assert_true(program_await(&program, "stopped"));
    assert_int_equal(program_end(&program), 0);
}

/* ------------------------------------------------------------------ a beginning that fails */

/* The program in a folder of its own, where it can be removed and replaced. */
struct copy {
    char folder[128], path[160];
};

static void install(const struct copy *copy)
{
    char program[4096], command[4400];
    program_path(program, sizeof program);
    unlink(copy->path);
    snprintf(command, sizeof command, "cp '%s' '%s'", program, copy->path);
    assert_int_equal(system(command), 0);
}

static struct copy copy_program(void)
{
    struct copy copy;
    temporary_folder(copy.folder, sizeof copy.folder);
    snprintf(copy.path, sizeof copy.path, "%s/offloop", copy.folder);
    install(&copy);
    return copy;
}

/* Puts a script there. */
static void write_script(const char *path, const char *text)
{
    unlink(path);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fprintf(file, "#!/bin/sh\n%s\n", text) > 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(path, 0700), 0);
}

/* Another program for the members than for the parent. Linux calls the path of a program that was
 * removed "/path (deleted)": there the parent finds what the test has put there, or nothing. */
struct disguise {
    struct copy copy;
    char parent[40], members[180];
    int fd;
};

static struct disguise disguise(const char *script)
{
    struct disguise made = {.copy = copy_program()};
    made.fd = open(made.copy.path, O_RDONLY | O_CLOEXEC);
    assert_true(made.fd >= 0);
    unlink(made.copy.path);
    snprintf(made.members, sizeof made.members, "%s (deleted)", made.copy.path);
    snprintf(made.parent, sizeof made.parent, "/proc/self/fd/%d", made.fd);
    if (script != NULL)
        write_script(made.members, script);
    return made;
}

static void disguise_remove(const struct disguise *disguise)
{
    close(disguise->fd);
    temporary_folder_remove(disguise->copy.folder);
}

static void check_start_fails(void **state, const char *script, const char *option,
                              const char *words)
{
    struct disguise made = disguise(script);
    struct program program = program_start_at(made.parent, "--cluster=3", *state, option, NULL);
    assert_int_equal(program_await_silence(&program), 1);
    assert_non_null(strstr(program.line, words));
    assert_int_equal(program_end(&program), 1);
    disguise_remove(&made);
}

static void test_members_that_cannot_start(void **state)
{
    check_start_fails(state, NULL, NULL, "cannot start: member 1 cannot be spawned: no such file");
    check_start_fails(state, "exit 3", NULL, "cannot start: member 1 ended with status 3");
    check_start_fails(state, "kill -9 $$", NULL,
                      "cannot start: member 1 died of signal 9 (Killed)");
    check_start_fails(state, "echo it has said why >&2; exit 1", NULL, "it has said why");
    check_start_fails(state, "exec sleep 1000", "--start-timeout=50",
                      "cannot start: member 1 was not ready in time, and was killed");
}

/* The first one starts, the others do not: it does not stay behind. */
static void test_only_the_first_member_can_start(void **state)
{
    char script[4200], program[4096];
    program_path(program, sizeof program);
    snprintf(script, sizeof script, "[ $OFFLOOP_MEMBER = 1 ] || exit 3; exec '%s' \"$@\"", program);
    check_start_fails(state, script, NULL, "ended with status 3");
}

static void test_the_port_is_taken(void **state)
{
    struct program first = program_cluster(*state);
    char port[32];
    snprintf(port, sizeof port, "--port=%u", first.port);
    struct program second = program_start(-1, "--cluster=2", *state, port, NULL);
    assert_int_equal(program_await_silence(&second), 1);
    assert_non_null(strstr(second.line, "\"event\":\"listen_failed\""));
    assert_non_null(strstr(second.line, "address already in use"));
    assert_int_equal(program_end(&second), 1);
    peer_ask_once(first.port, "/fast");
    program_stop(&first);
}

/* Nobody hears that the cluster listens, and then that it does not. */
static void test_the_observers_port_is_taken(void **state)
{
    struct program first = program_cluster(*state);
    char port[32];
    snprintf(port, sizeof port, "--observer=%u", first.port);
    struct program second = program_start(-1, "--cluster=2", *state, port, NULL);
    assert_int_equal(program_await_silence(&second), 1);
    assert_non_null(strstr(second.line, "\"event\":\"observer_failed\""));
    assert_int_equal(program_end(&second), 1);
    program_stop(&first);
}

/* ------------------------------------------------------------------ the rolling restart */

static void test_a_hangup_replaces_every_member(void **state)
{
    struct program program = program_cluster(*state);
    int peer = peer_connect(program.port);
    pid_t before = pid_in(peer_ask(peer, "/healthz"));
    peer_get(peer, "/slow?ms=50");
    signal_one(program.pid, SIGHUP);
    const char *answer = peer_answer(peer);
    assert_non_null(answer);
    assert_int_equal(pid_in(answer), before);
    close(peer);
    assert_true(program_await(&program, "restarted"));
    assert_int_equal(kill(before, 0), -1);
    assert_int_equal(errno, ESRCH);
    assert_int_not_equal(pid_in(peer_ask_once(program.port, "/healthz")), before);
    program_stop(&program);
}

/* What is installed by then does not work: those that run go on. */
static void test_a_restart_that_fails_changes_nothing(void **state)
{
    struct copy copy = copy_program();
    struct program program = program_start_at(copy.path, "--cluster=2", *state, NULL);
    assert_true(program_await(&program, "listening"));
    int peer = peer_connect(program.port);
    pid_t before = pid_in(peer_ask(peer, "/healthz"));
    write_script(copy.path, "exit 3");
    signal_one(program.pid, SIGHUP);
    assert_true(program_await(&program, "restart_failed"));
    assert_non_null(strstr(program.line, "the new member 1 ended with status 3"));
    unlink(copy.path);
    signal_one(program.pid, SIGHUP);
    assert_true(program_await(&program, "restart_failed"));
    assert_non_null(strstr(program.line, "the new member 1 cannot be spawned"));
    assert_int_equal(pid_in(peer_ask(peer, "/healthz")), before);
    close(peer);
    program_stop(&program);
    temporary_folder_remove(copy.folder);
}

static void test_a_new_member_that_hangs_is_killed(void **state)
{
    struct copy copy = copy_program();
    struct program program =
        program_start_at(copy.path, "--cluster=2", *state, "--start-timeout=3000", NULL);
    assert_true(program_await(&program, "listening"));
    pid_t before = pid_in(peer_ask_once(program.port, "/healthz"));
    write_script(copy.path, "exec sleep 1000");
    signal_one(program.pid, SIGHUP);
    assert_true(program_await(&program, "restart_failed"));
    assert_non_null(strstr(program.line, "the new member 1 was not ready in time"));
    assert_int_equal(kill(before, 0), 0);
    install(&copy);
    signal_one(program.pid, SIGHUP);
    assert_true(program_await(&program, "restarted"));
    program_stop(&program);
    temporary_folder_remove(copy.folder);
}

/* The members that start may have been installed before whoever asks installed others. */
static void test_a_hangup_during_the_start(void **state)
{
    char gate[100], script[4600], program[4096], folder[80];
    temporary_folder(folder, sizeof folder);
    program_path(program, sizeof program);
    snprintf(gate, sizeof gate, "%s/gate", folder);
    assert_int_equal(mkfifo(gate, 0600), 0);
    snprintf(script, sizeof script, "[ -p '%s' ] && read line <'%s'; rm -f '%s'; exec '%s' \"$@\"",
             gate, gate, gate, program);
    struct disguise made = disguise(script);
    struct program cluster = program_start_at(made.parent, "--cluster=2", *state, NULL);
    FILE *opened = fopen(gate, "w"); /* when the script reads */
    assert_non_null(opened);
    signal_one(cluster.pid, SIGHUP);
    fclose(opened);
    assert_true(program_await(&cluster, "listening"));
    assert_true(program_await(&cluster, "restarted"));
    program_stop(&cluster);
    disguise_remove(&made);
    temporary_folder_remove(folder);
}

/* Another one is asked for, because what is installed works again, before the first has failed. */
static void test_a_hangup_during_a_restart_that_fails(void **state)
{
    struct copy copy = copy_program();
    char gate[180], script[400];
    struct program cluster = program_start_at(copy.path, "--cluster=2", *state, NULL);
    assert_true(program_await(&cluster, "listening"));
    snprintf(gate, sizeof gate, "%s/gate", copy.folder);
    assert_int_equal(mkfifo(gate, 0600), 0);
    snprintf(script, sizeof script, "read line <'%s'; exit 3", gate);
    write_script(copy.path, script);
    signal_one(cluster.pid, SIGHUP);
    FILE *opened = fopen(gate, "w"); /* when the script reads */
    assert_non_null(opened);
    install(&copy);
    signal_one(cluster.pid, SIGHUP);
    fclose(opened);
    assert_true(program_await(&cluster, "restart_failed"));
    assert_true(program_await(&cluster, "restarted"));
    program_stop(&cluster);
    temporary_folder_remove(copy.folder);
}

/* ------------------------------------------------------------------ the service manager */

/* A socket of our own, as a manager makes it; all members share it. */
static void test_a_socket_that_was_passed(void **state)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t length = sizeof address;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(listener, 100), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &length), 0);
    struct program program = program_start(listener, "--cluster=2", *state, NULL);
    assert_true(program_await(&program, "listening"));
    assert_int_equal(program.port, ntohs(address.sin_port));
    for (int i = 0; i < 10; i++)
        assert_true(number_in(peer_ask_once(program.port, "/healthz"), "member") >= 1);
    program_stop(&program);
    close(listener);
}

static void expect_notification(int manager, const char *expected)
{
    char text[64] = "";
    ssize_t length = recv(manager, text, sizeof text - 1, 0);
    assert_true(length > 0);
    assert_string_equal(text, expected);
}

/* The manager hears of the cluster, and not of its members. */
static void test_the_parent_notifies_and_no_member_does(void **state)
{
    char folder[128];
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    temporary_folder(folder, sizeof folder);
    assert_true(strlen(folder) < sizeof address.sun_path - 8);
    snprintf(address.sun_path, sizeof address.sun_path, "%.90s/notify", folder);
    int manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(manager, (struct sockaddr *)&address, sizeof address), 0);
    setenv("NOTIFY_SOCKET", address.sun_path, 1);
    struct program program = program_cluster(*state);
    unsetenv("NOTIFY_SOCKET");
    expect_notification(manager, "READY=1");
    program_stop(&program);
    expect_notification(manager, "STOPPING=1");
    assert_int_equal(recv(manager, address.sun_path, 1, MSG_DONTWAIT), -1);
    close(manager);
    temporary_folder_remove(folder);
}

#define WITH(test, kind) ((struct CMUnitTest){#test "_" #kind, test, NULL, NULL, kind})
#define BOTH(test)       WITH(test, rr), WITH(test, none)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(test_a_signal_drains),
        BOTH(test_the_second_signal_ends_all_at_once),
        BOTH(test_members_end_with_a_parent_that_was_killed),
        BOTH(test_all_that_wait_are_answered_in_the_end),
        BOTH(test_a_member_that_does_not_drain_is_killed),
        BOTH(test_members_that_cannot_start),
        BOTH(test_only_the_first_member_can_start),
        BOTH(test_the_port_is_taken),
        BOTH(test_the_observers_port_is_taken),
        BOTH(test_a_hangup_replaces_every_member),
        BOTH(test_a_restart_that_fails_changes_nothing),
        BOTH(test_a_hangup_during_a_restart_that_fails),
        BOTH(test_a_hangup_during_the_start),
        cmocka_unit_test_prestate(test_a_new_member_that_hangs_is_killed, rr),
        BOTH(test_a_socket_that_was_passed),
        BOTH(test_the_parent_notifies_and_no_member_does),
    };
    harness_prepare_process();
    return cmocka_run_group_tests_name("cluster_life", tests, NULL, NULL);
}
