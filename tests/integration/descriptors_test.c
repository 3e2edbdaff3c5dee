/* descriptors_test.c – the program under a limit of descriptors, with more clients than that.
 *
 * Nobody silences anybody else, nothing spins, and when the clients have left everything is as
 * before. Clients are counted, not timed. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/harness.h"
#include "tests/support/program.h"
#include "tests/support/temporary.h"

enum { LIMIT = 256, CROWD = 300, TIMES = 20 };

/* ------------------------------------------------------------------ the program */

static void limit_descriptors(void *data)
{
    const struct rlimit files = {*(rlim_t *)data, *(rlim_t *)data};
    if (setrlimit(RLIMIT_NOFILE, &files) != 0)
        _exit(126);
}

#define START(limit, ...) \
    program_start_prepared(limit_descriptors, &(rlim_t){limit}, -1, __VA_ARGS__, NULL)

/* The number behind the last colon of "url":"http://127.0.0.1:8081". */
static unsigned await_observer(struct program *program)
{
    assert_true(program_await(program, "observing"));
    const char *url = strstr(program->line, "\"url\":\"http://");
    assert_non_null(url);
    return (unsigned)strtoul(strchr(url + 14, ':') + 1, NULL, 10);
}

/* The highest number of its descriptors; not that of its log, which is kept apart from them. */
static rlim_t highest_descriptor(const struct program *program)
{
    char path[60];
    struct stat status;
    rlim_t number = LIMIT / 2;
    do
        snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)program->pid, (int)--number);
    while (lstat(path, &status) != 0 && number > 0);
    return number;
}

/* ------------------------------------------------------------------ its clients */

struct crowd {
    int peers[CROWD];
};

static void crowd_come(struct crowd *crowd, unsigned port, const char *target)
{
    for (int i = 0; i < CROWD; i++) {
        crowd->peers[i] = peer_connect(port);
        if (target != NULL)
            peer_get(crowd->peers[i], target);
    }
}

static void crowd_leave(const struct crowd *crowd)
{
    for (int i = 0; i < CROWD; i++)
        close(crowd->peers[i]);
}

static unsigned crowd_answers(const struct crowd *crowd)
{
    unsigned count = 0;
    for (int i = 0; i < CROWD; i++)
        count += peer_has_answer(crowd->peers[i]);
    return count;
}

/* By an address, because the observer does not answer for a name that it does not know. */
static bool is_served(unsigned port, const char *target)
{
    int peer = peer_connect(port);
    (void)!dprintf(peer, "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", target);
    const char *answer = peer_answer(peer);
    bool served = answer != NULL && strncmp(answer, "HTTP/1.1 200", 12) == 0;
    close(peer);
    return served;
}

/* Until those that have left are gone, from whichever member: it is asked so often in a row that
 * all of them have had their turn. */
static void await_service(unsigned port, const char *target)
{
    for (int in_a_row = 0; in_a_row < TIMES; in_a_row++) {
        if (!is_served(port, target))
            in_a_row = -1;
    }
}

/* ------------------------------------------------------------------ shares */

static void test_clients_of_the_server_do_not_silence_the_observer(void **state)
{
    struct crowd crowd;
    (void)state;
    struct program program = START(LIMIT, "--processes=1", "--workers=1");
    assert_true(program_await(&program, "descriptors"));
    long most = number_in(program.line, "max-connections");
    assert_in_range(most, LIMIT / 2, LIMIT);
    assert_true(program_await(&program, "listening"));
    unsigned observer = await_observer(&program);
    crowd_come(&crowd, program.port, "/slow?ms=60000");
    for (int i = 0; i < TIMES; i++)
        assert_true(is_served(observer, "/healthz"));
    assert_false(is_served(program.port, "/fast"));
    /* those who were too many know it by now, and the others wait for their answers */
    assert_int_equal(crowd_answers(&crowd), CROWD - most);
    crowd_leave(&crowd);
    await_service(program.port, "/fast");
    assert_true(is_served(observer, "/healthz"));
    program_stop(&program);
}

struct patient {
    char folder[128], database[160];
    struct program program;
    unsigned observer;
};

static struct patient patient_start(void)
{
    struct patient patient;
    temporary_folder(patient.folder, sizeof patient.folder);
    snprintf(patient.database, sizeof patient.database, "--database=%s/test.db", patient.folder);
    patient.program =
        START(LIMIT, patient.database, "--slow-io=sqlite", "--processes=2", "--workers=2");
    assert_true(program_await(&patient.program, "listening"));
    patient.observer = await_observer(&patient.program);
    return patient;
}

static void patient_end(struct patient *patient)
{
    program_stop(&patient->program);
    temporary_folder_remove(patient->folder);
}

/* Whatever needs descriptors that are not open yet. */
static void ask_for_everything(int peer)
{
    (void)peer_ask(peer, "/fast");
    (void)peer_ask(peer, "/slow?ms=1");
    (void)peer_ask(peer, "/heavy?ms=1&offload=process");
    (void)peer_ask(peer, "/heavy?ms=1&offload=worker");
}

static void test_clients_of_the_observer_do_not_silence_the_server(void **state)
{
    struct crowd crowd;
    (void)state;
    struct patient patient = patient_start();
    crowd_come(&crowd, patient.observer, NULL);
    int peer = peer_connect(patient.program.port);
    ask_for_everything(peer);
    close(peer);
    crowd_leave(&crowd);
    await_service(patient.observer, "/healthz");
    patient_end(&patient);
}

static void test_clients_of_the_server_do_not_silence_its_lanes(void **state)
{
    struct crowd of_server, of_observer;
    (void)state;
    struct patient patient = patient_start();
    int peer = peer_connect(patient.program.port);
    (void)peer_ask(peer, "/fast"); /* it is in, and stays */
    crowd_come(&of_server, patient.program.port, NULL);
    crowd_come(&of_observer, patient.observer, NULL);
    ask_for_everything(peer);
    close(peer);
    crowd_leave(&of_server);
    crowd_leave(&of_observer);
    patient_end(&patient);
}

/* ------------------------------------------------------------------ a cluster */

static void check_cluster(const char *sched)
{
    struct crowd first, second, of_observer;
    struct program program = START(LIMIT, "--cluster=2", sched, "--processes=1", "--workers=1");
    assert_true(program_await(&program, "descriptors"));
    assert_non_null(strstr(program.line, "in each member"));
    assert_true(program_await(&program, "listening"));
    unsigned observer = await_observer(&program);
    crowd_come(&first, program.port, "/slow?ms=60000");
    crowd_come(&second, program.port, "/slow?ms=60000");
    for (int i = 0; i < TIMES; i++)
        assert_true(is_served(observer, "/healthz"));
    crowd_leave(&first);
    crowd_leave(&second);
    await_service(program.port, "/fast");
    crowd_come(&of_observer, observer, NULL);
    for (int i = 0; i < TIMES; i++)
        assert_true(is_served(program.port, "/fast"));
    crowd_leave(&of_observer);
    await_service(observer, "/healthz");
    program_stop(&program);
}

static void test_a_cluster_whose_kernel_spreads(void **state)
{
    (void)state;
    check_cluster("--cluster-sched=none");
}

static void test_a_cluster_whose_parent_deals(void **state)
{
    (void)state;
    check_cluster("--cluster-sched=rr");
}

/* ------------------------------------------------------------------ what is said */

static void check_said(struct program program, unsigned times, const char *level)
{
    unsigned said = 0;
    do {
        assert_non_null(fgets(program.line, sizeof program.line, program.log));
        if (strstr(program.line, "\"event\":\"descriptors\"") == NULL)
            continue;
        said++;
        assert_non_null(strstr(program.line, level));
    } while (strstr(program.line, "\"event\":\"listening\"") == NULL);
    assert_int_equal(said, times);
    program_stop(&program);
}

static void test_it_is_said_once(void **state)
{
    (void)state;
    check_said(START(LIMIT, "--observer=off"), 1, "\"level\":\"info\"");
    check_said(START(LIMIT, "--max-connections=5000"), 1, "\"level\":\"warning\"");
    check_said(START(LIMIT, "--cluster=2", "--max-connections=5000"), 1, "\"level\":\"warning\"");
    check_said(START(LIMIT, "--max-connections=50", "--workers=1", "--processes=1"), 0, "");
}

/* ------------------------------------------------------------------ no descriptors at all */

/* From outside, and without a reserve: but for gaps, none is left for anybody. */
static void take_descriptors_away(const struct program *program)
{
    const struct rlimit none = {highest_descriptor(program) + 1, LIMIT};
    assert_int_equal(prlimit(program->pid, RLIMIT_NOFILE, &none, NULL), 0);
}

static void give_descriptors_back(const struct program *program)
{
    const struct rlimit files = {LIMIT, LIMIT};
    assert_int_equal(prlimit(program->pid, RLIMIT_NOFILE, &files, NULL), 0);
}

static long accept_errors(int peer)
{
    return number_in(peer_ask(peer, "/healthz"), "accept_errors");
}

/* Until the clock has tried so often, or this peer has an answer. It does not spin: a client that
 * is in is served between any two tries. */
static void await_tries(int inside, long times, int peer)
{
    long first = accept_errors(inside), last = first;
    while (last < first + times && !peer_has_answer(peer)) {
        long now = accept_errors(inside);
        assert_in_range(now, last, last + 2);
        last = now;
        usleep(10000);
    }
}

/* Connections that have filled the gaps. */
struct fillers {
    int peers[LIMIT];
    int count;
};

/* Returns a client that has asked and is not let in, beside one that is. */
static int shut_out(const struct program *program, int inside, struct fillers *fillers)
{
    (void)peer_ask(inside, "/heavy?ms=1"); /* the calibration is over, and closes what it had */
    take_descriptors_away(program);
    for (fillers->count = 0; fillers->count < LIMIT; fillers->count++) {
        int peer = peer_connect(program->port);
        peer_get(peer, "/fast");
        await_tries(inside, 3, peer);
        if (!peer_has_answer(peer))
            return peer;
        fillers->peers[fillers->count] = peer;
    }
    fail_msg("everybody is let in");
    return -1;
}

static void leave_all(const struct fillers *fillers)
{
    for (int i = 0; i < fillers->count; i++)
        close(fillers->peers[i]);
}

static void test_without_descriptors_it_rests(void **state)
{
    (void)state;
    struct fillers fillers;
    struct program program = START(LIMIT, "--observer=off", "--keep-alive-timeout=60000");
    assert_true(program_await(&program, "listening"));
    int inside = peer_connect(program.port);
    assert_int_equal(accept_errors(inside), 0);
    int outside = shut_out(&program, inside, &fillers);
    assert_false(peer_has_answer(outside));
    give_descriptors_back(&program);
    const char *answer = peer_answer(outside);
    assert_non_null(answer);
    assert_memory_equal(answer, "HTTP/1.1 200", 12);
    close(inside);
    close(outside);
    leave_all(&fillers);
    program_stop(&program);
}

static void test_a_connection_that_closes_makes_room(void **state)
{
    (void)state;
    struct fillers fillers;
    struct program program = START(LIMIT, "--observer=off", "--keep-alive-timeout=60000");
    assert_true(program_await(&program, "listening"));
    int first = peer_connect(program.port), second = peer_connect(program.port);
    (void)peer_ask(first, "/fast");
    (void)peer_ask(second, "/fast");
    int third = shut_out(&program, first, &fillers);
    close(second);
    assert_non_null(peer_answer(third));
    close(first);
    close(third);
    leave_all(&fillers);
    program_stop(&program);
}

static void test_without_descriptors_it_can_be_ended(void **state)
{
    (void)state;
    struct fillers fillers;
    struct program program = START(LIMIT, "--observer=off", "--keep-alive-timeout=60000");
    assert_true(program_await(&program, "listening"));
    int inside = peer_connect(program.port);
    int outside = shut_out(&program, inside, &fillers);
    program_stop(&program);
    leave_all(&fillers);
    close(inside);
    close(outside);
}

/* The crowds are ours, too. */
static void raise_own_limit(void)
{
    struct rlimit files;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &files), 0);
    files.rlim_cur = files.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &files), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clients_of_the_server_do_not_silence_the_observer),
        cmocka_unit_test(test_clients_of_the_observer_do_not_silence_the_server),
        cmocka_unit_test(test_clients_of_the_server_do_not_silence_its_lanes),
        cmocka_unit_test(test_a_cluster_whose_kernel_spreads),
        cmocka_unit_test(test_a_cluster_whose_parent_deals),
        cmocka_unit_test(test_it_is_said_once),
        cmocka_unit_test(test_without_descriptors_it_rests),
        cmocka_unit_test(test_a_connection_that_closes_makes_room),
        cmocka_unit_test(test_without_descriptors_it_can_be_ended),
    };
    harness_prepare_process();
    raise_own_limit();
    return cmocka_run_group_tests_name("descriptors", tests, NULL, NULL);
}
