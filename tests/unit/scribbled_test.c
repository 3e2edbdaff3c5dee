/* scribbled_test.c – recordings that somebody else has written into: another version, or a fault.
 *
 * Every page is made of memory full of nonsense. There is no right answer but that the pages are
 * complete and well formed; the sanitizers see to the rest. */
#include <cjson/cJSON.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "server/observe/batch.h"
#include "server/observe/diagnosis.h"
#include "server/observe/metrics_page.h"
#include "server/observe/report.h"
#include "server/observe/trace_page.h"
#include "tests/support/random.h"

enum { RECORDINGS = 2, ROUNDS = 4, LOOKS = 12 };

static const struct names NAMES = {
    .works = {"none", "worker", "sqlite"},
    .strategy_count = 2,
    .lanes = {0, 2, 4},
    .in_pool = {false, false, true},
    .kernels = {"primes", "sleep"},
    .routes = {"/fast", "/slow", "/heavy"},
};

struct world {
    struct recordings recordings;
    struct survey survey;
    struct diagnosis diagnosis;
    struct verdict verdict;
    uint64_t random;
};

/* ------------------------------------------------------------------ nonsense */

static uint64_t next(uint64_t *random)
{
    *random ^= *random << 13;
    *random ^= *random >> 7;
    *random ^= *random << 17;
    return *random;
}

/* Of any magnitude, and often the greatest there is. */
static uint64_t any_number(uint64_t *random)
{
    unsigned bits = (unsigned)(next(random) % 66);
    if (bits == 0)
        return 0;
    return bits < 65 ? next(random) >> (64 - bits) : UINT64_MAX;
}

static void scribble(struct world *world, struct recording *recording)
{
    uint64_t *words = (uint64_t *)(void *)recording;
    for (size_t i = 0; i < sizeof *recording / sizeof *words; i++)
        words[i] = any_number(&world->random);
}

/* A ring whose numbers are in order: so its records are read, not skipped. */
static void order_ring(struct world *world, struct trace *trace)
{
    uint64_t written = TRACE_SLOTS + next(&world->random) % 1000000;
    for (uint64_t number = written - TRACE_SLOTS + 1; number <= written; number++) {
        struct trace_slot *slot = &trace->slots[number % TRACE_SLOTS];
        uint64_t kind = 1 + next(&world->random) % 3;
        slot->number = number;
        if (number % 2 == 0) /* the fields behind `delivered_ns` are bytes: any, but for the kind */
            slot->words[6] = (next(&world->random) & ~UINT64_C(0xff)) | kind;
        if (number % 4 == 0) /* and those that can be shown, with stamps that cannot be */
            slot->words[6] = kind | next(&world->random) % RECORDING_WORKS << 8 |
                             next(&world->random) % TRIP_OUTCOMES << 24 |
                             next(&world->random) % (LANE_TIMER + 1) << 32 |
                             (next(&world->random) & 0xffff) << 40;
    }
    counter_set(&trace->written, written);
}

/* Lanes that are busy with anything, a loop that was just seen, a cell strip that is current. */
static void make_plausible(struct world *world, struct recording *recording)
{
    uint64_t now_ns = trip_clock_ns();
    order_ring(world, &recording->trace);
    counter_set(&recording->pid, 1 + next(&world->random) % 100000);
    counter_set(&recording->foreign, 0);
    counter_set(&recording->epoch_ns, now_ns - 10000000000u);
    counter_set(&recording->watch.sampled_ns, now_ns);
    for (uint64_t i = 0; i < RECORDING_CELLS; i++)
        counter_set(&recording->watch.cells[i], (i + 1) << 16 | (next(&world->random) & 0xffff));
}

/* ------------------------------------------------------------------ the pages */

static void assert_json(const char *text)
{
    cJSON *document = cJSON_Parse(text);
    assert_non_null(document);
    cJSON_Delete(document);
}

static void make_batch(struct world *world)
{
    survey_look(&world->survey);
    diagnosis_make(&world->diagnosis, &world->survey, &world->verdict);
    assert_true(strlen(world->verdict.title) > 0);
    char *text = batch_json(&world->survey, &world->verdict);
    assert_non_null(text);
    assert_json(text);
    cJSON_free(text);
}

static int write_prometheus(FILE *out, struct world *world)
{
    return metrics_page_write(out, EXPOSITION_PROMETHEUS, &world->survey);
}

static int write_open_metrics(FILE *out, struct world *world)
{
    return metrics_page_write(out, EXPOSITION_OPENMETRICS, &world->survey);
}

static int write_trace(FILE *out, struct world *world)
{
    struct trace_page *page = trace_page_open(&world->survey);
    int more = 1;
    assert_non_null(page);
    while (more == 1)
        more = trace_page_write(page, out);
    trace_page_close(page);
    return more;
}

static int write_report(FILE *out, struct world *world)
{
    return report_write(out, &world->survey, &world->verdict);
}

static char *written(struct world *world, int (*write)(FILE *out, struct world *world))
{
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);
    assert_non_null(out);
    assert_int_equal(write(out, world), 0);
    assert_int_equal(fclose(out), 0);
    assert_true(length > 0 && strlen(text) == length);
    return text;
}

static void make_pages(struct world *world)
{
    free(written(world, write_prometheus));
    free(written(world, write_open_metrics));
    free(written(world, write_report));
    char *trace = written(world, write_trace);
    assert_json(trace);
    free(trace);
}

/* ------------------------------------------------------------------ tests */

static void open_world(struct world *world)
{
    memset(world, 0, sizeof *world);
    world->random = random_seed() | 1;
    assert_int_equal(recordings_init(&world->recordings, RECORDINGS), 0);
    assert_int_equal(survey_init(&world->survey, &world->recordings, &NAMES, trip_clock_ns()), 0);
    diagnosis_init(&world->diagnosis);
}

static void close_world(struct world *world)
{
    survey_close(&world->survey);
    recordings_close(&world->recordings);
}

static void check(bool plausible)
{
    static struct world world;
    open_world(&world);
    for (int round = 0; round < ROUNDS; round++) {
        for (unsigned i = 0; i < RECORDINGS; i++) {
            scribble(&world, &world.recordings.table[i]);
            if (plausible)
                make_plausible(&world, &world.recordings.table[i]);
        }
        for (int look = 0; look < LOOKS; look++)
            make_batch(&world);
        make_pages(&world);
        recording_end(&world.recordings.table[0]); /* as its parent does when it has died */
        make_batch(&world);
    }
    close_world(&world);
}

static void test_nonsense(void **state)
{
    (void)state;
    check(false);
}

static void test_nonsense_in_a_plausible_frame(void **state)
{
    (void)state;
    check(true);
}

/* What was scribbled does not stay for ever: a server that begins there is shown. */
static void test_a_new_server_is_shown(void **state)
{
    static struct world world;
    uint64_t now_ns = trip_clock_ns(), epoch_ns = now_ns - 10000000000u;
    (void)state;
    open_world(&world);
    scribble(&world, world.recordings.table);
    counter_set(&world.recordings.table->epoch_ns, 1);
    make_batch(&world);
    memset(world.recordings.table, 0, sizeof *world.recordings.table);
    recording_begin(world.recordings.table, epoch_ns, 0);
    make_batch(&world);
    uint64_t cell = (now_ns - epoch_ns) / (RECORDING_CELL_MS * 1000000u);
    assert_true(world.survey.members[0].next_cell <= cell + 200);
    assert_true(world.survey.members[0].alive);
    close_world(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nonsense),
        cmocka_unit_test(test_nonsense_in_a_plausible_frame),
        cmocka_unit_test(test_a_new_server_is_shown),
    };
    return cmocka_run_group_tests_name("scribbled", tests, NULL, NULL);
}
