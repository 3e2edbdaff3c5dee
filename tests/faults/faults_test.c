/* faults_test.c – every call that can fail, failing once, one after the other.
 *
 * For each kind of fault the scenario is run again and again: in the n-th run the n-th call of that
 * kind fails, until a run is over before its turn. Whatever n was: nothing crashes, hangs or leaks,
 * at most one client has suffered, the same servers then serve the whole scenario without a flaw,
 * and drain with no handle left. Faults in a start must make it fail cleanly, or not matter.
 *
 * Two things are not tried, because libuv ends the program there: its table of watched descriptors
 * cannot grow, and the threads of its pool cannot be made. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <sqlite3.h>

#include "tests/faults/fault.h"
#include "tests/faults/tour.h"
#include "tests/support/temporary.h"

enum { HANG_SECONDS = 30 }; /* for one fault, also beside others and under a sanitizer */

static char shared_folder[128], shared_database[160];

/* Where we are, for the one who has to look into it. */
static struct {
    enum fault_kind kind;
    unsigned n;
} now;

static void on_alarm(int signal)
{
    static char text[200];
    (void)signal;
    int length =
        snprintf(text, sizeof text, "hangs: fault %u of \"%s\"\n", now.n, fault_name(now.kind));
    (void)!write(STDERR_FILENO, text, (size_t)length);
    abort();
}

/* ------------------------------------------------------------------ scenarios */

/* What libraries allocate once, and keep. */
static long kept_allocations;

static void end(struct tour *tour)
{
    tour_close(tour);
    if (fault_allocations() != kept_allocations)
        fail_msg("fault %u of \"%s\" leaves %ld allocations behind", now.n, fault_name(now.kind),
                 fault_allocations() - kept_allocations);
}

/* Returns whether the fault was reached. */
typedef bool scenario(enum tour_part part);

static void check_failures(const struct tour *tour)
{
    if (tour->failures > 1)
        fail_msg("fault %u of \"%s\" hit %u clients, the last at: %s", now.n, fault_name(now.kind),
                 tour->failures, tour->failed);
}

static void check_aftermath(struct tour *tour, enum tour_part part)
{
    check_failures(tour);
    tour_check_bystanders(tour);
    tour_run(tour, part);
    if (tour->failures > 0)
        fail_msg("after fault %u of \"%s\": %s", now.n, fault_name(now.kind), tour->failed);
    tour_check_jobs(tour);
}

/* The servers are new: their start, and the first job of each lane, may be hit. */
static bool serve(enum tour_part part, const char *database)
{
    struct tour tour;
    tour_open(&tour, database);
    fault_arm(now.kind, now.n);
    tour_start(&tour, part);
    if (tour.error == 0)
        tour_run(&tour, part);
    bool struck = fault_disarm();
    if (tour.error == 0)
        check_aftermath(&tour, part);
    else
        assert_true(struck);
    end(&tour);
    return struck;
}

static bool serving(enum tour_part part)
{
    return serve(part, shared_database);
}

/* With a file that has to be made and filled first. */
static bool filling_a_database(enum tour_part part)
{
    return serve(part, NULL);
}

/* The servers go on from one fault to the next, so the next tour shows what this fault has left
 * behind; a flawless one comes behind every fourth fault, and the last. */
static struct tour steady;

static bool going_on(enum tour_part part)
{
    fault_arm(now.kind, now.n);
    tour_run(&steady, part);
    bool struck = fault_disarm();
    check_failures(&steady);
    if (!struck || now.n % 4 == 0)
        check_aftermath(&steady, part);
    return struck;
}

static bool draining(enum tour_part part)
{
    struct tour tour;
    (void)part;
    tour_open(&tour, shared_database);
    tour_start(&tour, TOUR_HTTP);
    tour_leave_unfinished(&tour);
    fault_arm(now.kind, now.n);
    app_drain(tour.app);
    clients_leave(&tour.harness.clients);
    harness_run(&tour.harness);
    bool struck = fault_disarm();
    end(&tour);
    return struck;
}

/* The observer of a server that serves already. Its first looks may be hit, too; it goes on. */
static bool showing(enum tour_part part)
{
    struct tour tour;
    (void)part;
    tour_open(&tour, shared_database);
    tour_start(&tour, TOUR_HTTP);
    fault_arm(now.kind, now.n);
    int rc = app_show(tour.app);
    bool struck = fault_disarm();
    assert_true(rc == 0 || struck);
    assert_int_equal(app_observer_port(tour.app) > 0, rc == 0);
    tour_run(&tour, TOUR_HTTP);
    assert_int_equal(tour.failures, 0);
    end(&tour);
    return struck;
}

/* ------------------------------------------------------------------ for every n */

/* Returns how many faults there were. With a stride the steps grow: n, then n + n / stride + 1. */
static unsigned run_all(enum fault_kind kind, scenario *run, enum tour_part part, unsigned stride)
{
    unsigned faults = 0;
    now.kind = kind;
    now.n = 1;
    alarm(HANG_SECONDS);
    for (; run(part); now.n += 1 + (stride > 0 ? now.n / stride : 0)) {
        alarm(HANG_SECONDS);
        faults++;
    }
    alarm(0);
    return faults;
}

static void report(enum fault_kind kind, unsigned faults, unsigned in_drain, uint64_t begin_ns)
{
    print_message("# %-50s %4u faults serving, %2u draining, %4.1f s\n", fault_name(kind), faults,
                  in_drain, (double)(uv_hrtime() - begin_ns) / 1e9);
}

static void check(enum fault_kind kind)
{
    uint64_t begin_ns = uv_hrtime();
    unsigned faults = 0, in_drain = run_all(kind, draining, TOUR_PARTS, 0);
    for (int part = 0; part < TOUR_PARTS; part++)
        faults += run_all(kind, serving, (enum tour_part)part, 0);
    report(kind, faults, in_drain, begin_ns);
}

/* For calls that a start does not make: no need to start anew for each fault. */
static void check_steady(enum fault_kind kind)
{
    uint64_t begin_ns = uv_hrtime();
    unsigned faults = 0, in_drain = run_all(kind, draining, TOUR_PARTS, 0);
    tour_open(&steady, shared_database);
    tour_start(&steady, TOUR_PARTS);
    for (int part = 0; part < TOUR_PARTS; part++) {
        tour_run(&steady, (enum tour_part)part);
        faults += run_all(kind, going_on, (enum tour_part)part, 0);
    }
    end(&steady);
    report(kind, faults, in_drain, begin_ns);
}

/* Filling a database is the same few calls for each of its users: not all of them are tried. */
static void check_database(enum fault_kind kind)
{
    enum { STRIDE = 16 };
    uint64_t begin_ns = uv_hrtime();
    sqlite3_int64 used = sqlite3_memory_used();
    unsigned faults = run_all(kind, serving, TOUR_QUERIES, 0);
    faults += run_all(kind, filling_a_database, TOUR_QUERIES, STRIDE);
    assert_true(sqlite3_memory_used() <= used);
    report(kind, faults, run_all(kind, draining, TOUR_PARTS, 0), begin_ns);
}

/* ------------------------------------------------------------------ the tests */

static void test_memory_of_the_server(void **state)
{
    (void)state;
    check(FAULT_SERVER_MEMORY);
}

static void test_memory_of_libuv(void **state)
{
    (void)state;
    check(FAULT_UV_MEMORY);
}

static void test_memory_of_cjson(void **state)
{
    (void)state;
    check_steady(FAULT_JSON_MEMORY);
}

static void test_memory_of_sqlite(void **state)
{
    (void)state;
    check_database(FAULT_SQLITE_MEMORY);
}

static void test_calls_of_sqlite(void **state)
{
    (void)state;
    check_database(FAULT_SQLITE_CALL);
}

static void test_work_for_the_pool(void **state)
{
    (void)state;
    check(FAULT_QUEUE_WORK);
}

static void test_threads(void **state)
{
    (void)state;
    check(FAULT_THREAD);
}

static void test_mapped_memory(void **state)
{
    (void)state;
    check(FAULT_MAPPING);
}

static void test_the_observer(void **state)
{
    static const enum fault_kind kinds[] = {FAULT_SERVER_MEMORY, FAULT_UV_MEMORY, FAULT_THREAD,
                                            FAULT_SOCKET, FAULT_LISTEN};
    (void)state;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        unsigned faults = run_all(kinds[i], showing, TOUR_PARTS, 0);
        print_message("# %-50s %4u faults showing\n", fault_name(kinds[i]), faults);
        assert_true(faults > 0);
    }
}

static void test_processes(void **state)
{
    (void)state;
    check(FAULT_FORK);
}

static void test_sockets(void **state)
{
    (void)state;
    check(FAULT_SOCKET);
    check(FAULT_LISTEN);
}

static void test_accepting(void **state)
{
    (void)state;
    check_steady(FAULT_ACCEPT_FULL);
    check_steady(FAULT_ACCEPT_GONE);
}

static void test_reading(void **state)
{
    (void)state;
    check_steady(FAULT_READ);
    check_steady(FAULT_READ_SHORT);
}

static void test_writing(void **state)
{
    (void)state;
    check_steady(FAULT_WRITE);
    check_steady(FAULT_WRITE_SHORT);
    check_steady(FAULT_WRITE_FULL);
}

/* Makes the database that most runs share, and what libraries allocate once and keep. */
static int open_shared_database(void **state)
{
    struct tour tour;
    (void)state;
    temporary_folder(shared_folder, sizeof shared_folder);
    snprintf(shared_database, sizeof shared_database, "%s/shared.db", shared_folder);
    tour_open(&tour, shared_database);
    tour_start(&tour, TOUR_PARTS);
    for (int part = 0; part < TOUR_PARTS; part++) {
        tour_run(&tour, (enum tour_part)part);
        if (tour.failures > 0)
            fail_msg("without a fault: %s", tour.failed);
    }
    tour_close(&tour);
    kept_allocations = fault_allocations();
    return 0;
}

static int remove_shared_database(void **state)
{
    (void)state;
    temporary_folder_remove(shared_folder);
    return 0;
}

/* An argument picks tests by their names: "*sqlite*". */
int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_memory_of_the_server),
        cmocka_unit_test(test_memory_of_libuv),
        cmocka_unit_test(test_memory_of_cjson),
        cmocka_unit_test(test_memory_of_sqlite),
        cmocka_unit_test(test_calls_of_sqlite),
        cmocka_unit_test(test_work_for_the_pool),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_mapped_memory),
        cmocka_unit_test(test_the_observer),
        cmocka_unit_test(test_processes),
        cmocka_unit_test(test_sockets),
        cmocka_unit_test(test_accepting),
        cmocka_unit_test(test_reading),
        cmocka_unit_test(test_writing),
    };
    fault_prepare();
    harness_prepare_process();
    signal(SIGALRM, on_alarm);
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests_name("faults", tests, open_shared_database,
                                       remove_shared_database);
}
