/* cluster_test.c – a cluster in its usual life: who answers, whom a frozen member holds up, what
 * becomes of a member that dies, and what the members have open. Each test for both scheds.
 * How a cluster begins and ends is in cluster_life_test.c. */
#include <dirent.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/harness.h"
#include "tests/support/program.h"

enum { MEMBERS = 3, PEERS = 24 };

static char rr[] = "--cluster-sched=rr", none[] = "--cluster-sched=none";

static bool deals(void **state)
{
    return *state == rr;
}

/* ------------------------------------------------------------------ who answers */

static void test_every_member_answers(void **state)
{
    struct program program = program_cluster(*state);
    pid_t pids[MEMBERS];
    bool seen[MEMBERS] = {false};
    unsigned count = 0, asked = 0;
    program_members(&program, pids, MEMBERS);
    for (; count < MEMBERS; asked++) {
        assert_true(asked < 1000);
        const char *answer = peer_ask_once(program.port, "/healthz");
        long member = number_in(answer, "member");
        assert_true(member >= 1 && member <= MEMBERS);
        assert_int_equal(number_in(answer, "pid"), pids[member - 1]);
        count += !seen[member - 1];
        seen[member - 1] = true;
    }
    if (deals(state))
        assert_int_equal(asked, MEMBERS);
    program_stop(&program);
}

static void test_answers_name_the_member(void **state)
{
    struct program program = program_cluster(*state);
    int peer = peer_connect(program.port);
    char field[40];
    long member = number_in(peer_ask(peer, "/healthz"), "member");
    assert_int_equal(number_in(peer_ask(peer, "/slow?ms=1"), "member"), member);
    assert_int_equal(number_in(peer_ask(peer, "/heavy?kernel=primes&n=10"), "member"), member);
    snprintf(field, sizeof field, "\r\nOffloop-Member: %ld\r\n", member);
    assert_non_null(strstr(peer_ask(peer, "/fast"), field));
    close(peer);
    program_stop(&program);
}

static void test_a_connection_stays_with_its_member(void **state)
{
    struct program program = program_cluster(*state);
    int peer = peer_connect(program.port);
    pid_t pid = pid_in(peer_ask(peer, "/healthz"));
    for (int i = 0; i < 20; i++) {
        peer_ask_once(program.port, "/fast");
        assert_int_equal(number_in(peer_ask(peer, "/healthz"), "pid"), pid);
    }
    close(peer);
    program_stop(&program);
}

/* ------------------------------------------------------------------ one member is frozen */

/* New connections that ask for /healthz. */
static void ask_with_many(const struct program *program, struct pollfd *peers)
{
    for (int i = 0; i < PEERS; i++) {
        peers[i] = (struct pollfd){.fd = peer_connect(program->port), .events = POLLIN};
        peer_get(peers[i].fd, "/healthz");
    }
}

/* Reads answers until `count` of the peers have theirs; none may come from the process `pid`. */
static void await_answers(struct pollfd *peers, int count, pid_t pid)
{
    while (count > 0) {
        assert_true(poll(peers, PEERS, -1) > 0);
        for (int i = 0; i < PEERS; i++) {
            if (peers[i].fd < 0 || peers[i].revents == 0)
                continue;
            const char *answer = peer_answer(peers[i].fd);
            assert_non_null(answer);
            assert_int_not_equal(number_in(answer, "pid"), pid);
            close(peers[i].fd);
            peers[i].fd = -1; /* poll does not look at it any more */
            count--;
        }
    }
}

static int unanswered(const struct pollfd *peers)
{
    int count = 0;
    for (int i = 0; i < PEERS; i++)
        count += peers[i].fd >= 0;
    return count;
}

static void close_all(struct pollfd *peers)
{
    for (int i = 0; i < PEERS; i++) {
        if (peers[i].fd >= 0)
            close(peers[i].fd);
    }
}

/* A connection to the member that this process is. */
static int connect_to(const struct program *program, pid_t pid)
{
    for (;;) {
        int peer = peer_connect(program->port);
        if (number_in(peer_ask(peer, "/healthz"), "pid") == pid)
            return peer;
        close(peer);
    }
}

/* The kernel may pick the frozen one for all but some; the parent deals it two at most: one that it
 * has let in before it froze, and one that it does not answer for. */
static void others_answer(const struct program *program, bool dealt)
{
    struct pollfd peers[PEERS];
    ask_with_many(program, peers);
    await_answers(peers, dealt ? PEERS - 2 : 1, 0);
    close_all(peers);
}

static void test_a_heavy_request_blocks_its_member_only(void **state)
{
    struct program program = program_cluster(*state);
    int heavy = peer_connect(program.port);
    pid_t pid = pid_in(peer_ask(heavy, "/healthz"));
    int neighbour = connect_to(&program, pid);
    peer_get(heavy, "/heavy?kernel=sleep&n=60000&offload=none");
    peer_get(neighbour, "/fast");
    others_answer(&program, deals(state));
    if (peer_has_answer(neighbour)) { /* in the turn of the loop in which the heavy one came */
        assert_non_null(peer_answer(neighbour));
        peer_get(neighbour, "/fast");
        others_answer(&program, deals(state));
    }
    assert_false(peer_has_answer(heavy));
    assert_false(peer_has_answer(neighbour));
    signal_one(pid, SIGKILL);
    assert_null(peer_answer(heavy));
    close(heavy);
    close(neighbour);
    program_stop(&program);
}

/* As many heavy requests as members: nobody is left to answer. */
static void test_heavy_requests_in_all_members_block_all(void **state)
{
    struct program program = program_cluster(*state);
    int heavy[MEMBERS], peer;
    pid_t pids[MEMBERS];
    program_members(&program, pids, MEMBERS);
    for (int i = 0; i < MEMBERS; i++)
        heavy[i] = connect_to(&program, pids[i]);
    for (int i = 0; i < MEMBERS; i++)
        peer_get(heavy[i], "/heavy?kernel=sleep&n=300&offload=none");
    peer = peer_connect(program.port);
    peer_get(peer, "/fast");
    assert_non_null(peer_answer(peer));
    bool answered = false;
    for (int i = 0; i < MEMBERS; i++)
        answered = peer_has_answer(heavy[i]) || answered;
    assert_true(answered);
    for (int i = 0; i < MEMBERS; i++)
        close(heavy[i]);
    close(peer);
    program_stop(&program);
}

/* ------------------------------------------------------------------ a member dies */

/* Those that wait at a frozen member's door are let in by the next one. */
static void test_a_death_loses_no_waiting_connection(void **state)
{
    struct program program = program_cluster(*state);
    struct pollfd peers[PEERS];
    pid_t pid = pid_in(peer_ask_once(program.port, "/healthz"));
    freeze_one(pid);
    ask_with_many(&program, peers);
    await_answers(peers, deals(state) ? PEERS - 1 : 1, pid);
    signal_one(pid, SIGKILL);
    await_answers(peers, unanswered(peers), pid);
    program_stop(&program);
}

static void test_a_dead_member_is_replaced(void **state)
{
    static const long rests[] = {0, 100, 200}; /* for one that does not live long */
    struct program program = program_cluster(*state);
    pid_t pids[MEMBERS];
    program_members(&program, pids, MEMBERS);
    for (size_t i = 0; i < sizeof rests / sizeof *rests; i++) {
        signal_one(pids[1], SIGKILL);
        assert_true(program_await(&program, "member_died"));
        assert_int_equal(number_in(program.line, "member"), 2);
        assert_int_equal(number_in(program.line, "pid"), pids[1]);
        assert_int_equal(number_in(program.line, "rest_ms"), rests[i]);
        assert_true(program_await(&program, "member_ready"));
        pids[1] = pid_in(program.line);
    }
    int peer = connect_to(&program, pids[1]);
    assert_int_equal(number_in(peer_ask(peer, "/healthz"), "member"), 2);
    close(peer);
    program_stop(&program);
}

/* SIGTERM for one member: it drains, and another one comes. */
static void test_a_member_that_was_told_to_end_is_replaced(void **state)
{
    struct program program = program_cluster(*state);
    pid_t pids[MEMBERS];
    program_members(&program, pids, MEMBERS);
    int peer = connect_to(&program, pids[0]);
    peer_get(peer, "/slow?ms=50");
    signal_one(pids[0], SIGTERM);
    assert_non_null(strstr(peer_answer(peer), "\"route\":\"/slow\""));
    close(peer);
    assert_true(program_await(&program, "member_died"));
    assert_non_null(strstr(program.line, "ended with status 0"));
    assert_true(program_await(&program, "member_ready"));
    program_stop(&program);
}

/* ------------------------------------------------------------------ descriptors */

/* What process `pid` has open from descriptor 3 on that has an identity: sockets, pipes. */
static unsigned list_open(pid_t pid, char names[][64], unsigned most)
{
    char path[64];
    unsigned count = 0;
    snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
    DIR *folder = opendir(path);
    assert_non_null(folder);
    for (struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        if (atoi(entry->d_name) < 3)
            continue;
        ssize_t length = readlinkat(dirfd(folder), entry->d_name, names[count], 63);
        assert_true(length > 0 && count < most - 1);
        names[count][length] = '\0';
        count += strchr(names[count], '[') != NULL && strstr(names[count], "anon_inode") == NULL;
    }
    closedir(folder);
    return count;
}

static bool is_listed(const char *name, char names[][64], unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        if (strcmp(name, names[i]) == 0)
            return true;
    }
    return false;
}

/* What this process gave to the program is everybody's; anything else belongs to one member. */
static void test_members_have_nothing_of_each_other(void **state)
{
    enum { MOST = 64 };
    char own[MOST][64], open[MEMBERS][MOST][64];
    unsigned counts[MEMBERS], own_count = list_open(getpid(), own, MOST);
    struct program program = program_cluster(*state);
    pid_t pids[MEMBERS];
    program_members(&program, pids, MEMBERS);
    for (int i = 0; i < MEMBERS; i++) {
        counts[i] = list_open(pids[i], open[i], MOST);
        assert_true(counts[i] > 0);
        for (int j = 0; j < i; j++) {
            for (unsigned a = 0; a < counts[i]; a++)
                assert_true(is_listed(open[i][a], own, own_count) ||
                            !is_listed(open[i][a], open[j], counts[j]));
        }
    }
    program_stop(&program);
}

static pid_t only_child_of(pid_t pid)
{
    char path[64];
    long child = 0;
    int count = 0;
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)pid, (int)pid);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    while (fscanf(file, "%ld", &child) == 1)
        count++;
    fclose(file);
    assert_int_equal(count, 1);
    return (pid_t)child;
}

/* Beside its pipes a child process has only what this process gave to everybody. A listener that it
 * held would stay open when its member dies. */
static void test_child_processes_have_nothing_of_their_member(void **state)
{
    enum { MOST = 64 };
    char own[MOST][64], open[MOST][64];
    unsigned own_count = list_open(getpid(), own, MOST);
    struct program program =
        program_start(-1, "--cluster=1", *state, "--processes=1", "--offload=process", NULL);
    assert_true(program_await(&program, "listening"));
    pid_t member = pid_in(peer_ask_once(program.port, "/healthz"));
    peer_ask_once(program.port, "/heavy?kernel=primes&n=10");
    unsigned count = list_open(only_child_of(member), open, MOST);
    for (unsigned i = 0; i < count; i++)
        assert_true(is_listed(open[i], own, own_count));
    program_stop(&program);
}

#define WITH(test, kind) ((struct CMUnitTest){#test "_" #kind, test, NULL, NULL, kind})
#define BOTH(test)       WITH(test, rr), WITH(test, none)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(test_every_member_answers),
        BOTH(test_answers_name_the_member),
        BOTH(test_a_connection_stays_with_its_member),
        BOTH(test_a_heavy_request_blocks_its_member_only),
        BOTH(test_heavy_requests_in_all_members_block_all),
        BOTH(test_a_death_loses_no_waiting_connection),
        BOTH(test_a_dead_member_is_replaced),
        BOTH(test_a_member_that_was_told_to_end_is_replaced),
        BOTH(test_members_have_nothing_of_each_other),
        BOTH(test_child_processes_have_nothing_of_their_member),
    };
    harness_prepare_process();
    return cmocka_run_group_tests_name("cluster", tests, NULL, NULL);
}
