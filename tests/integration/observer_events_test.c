/* observer_events_test.c – the stream of batches: what is in them, and what a page gets that comes
 * back. */
#include <cjson/cJSON.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "server/observe/events.h"
#include "tests/support/patient.h"

/* ------------------------------------------------------------------ listening */

static void listen_from(struct visitor *visitor, unsigned port, const char *fields)
{
    struct visitor_event event;
    visitor_open(visitor, port);
    visitor_get(visitor, "/events", fields);
    const struct answer *answer = visitor_await(visitor);
    assert_non_null(answer);
    assert_int_equal(answer->status, 200);
    assert_string_equal(answer_field(answer, "Content-Type"), "text/event-stream");
    assert_string_equal(answer_field(answer, "Cache-Control"), "no-store");
    assert_string_equal(answer_field(answer, "X-Content-Type-Options"), "nosniff");
    assert_true(visitor_next_event(visitor, &event)); /* how long to wait before coming back */
    assert_int_equal(event.id, -1);
}

/* Returns its id. */
static long next_id(struct visitor *visitor)
{
    struct visitor_event event;
    assert_true(visitor_next_event(visitor, &event));
    visitor_free_event(&event);
    return event.id;
}

static void era_of(const struct patient *patient, char *era, size_t size)
{
    struct visitor visitor;
    struct visitor_event event;
    listen_from(&visitor, patient->observer_port, "");
    assert_true(visitor_next_event(&visitor, &event));
    snprintf(era, size, "%s", event.era);
    visitor_free_event(&event);
    visitor_close(&visitor);
}

/* Returns the last id. */
static long read_batches(struct visitor *visitor, unsigned count)
{
    long id = next_id(visitor);
    for (unsigned i = 1; i < count; i++)
        assert_int_equal(next_id(visitor), ++id);
    return id;
}

static void test_ids_are_consecutive(void **state)
{
    struct patient patient;
    struct visitor visitor;
    (void)state;
    patient_start(&patient, NULL);
    listen_from(&visitor, patient.observer_port, "");
    assert_true(next_id(&visitor) >= 1);
    read_batches(&visitor, 8);
    visitor_close(&visitor);
    patient_end(&patient);
}

/* The first batch that comes after an id, which begins with the server's era or with another. */
static long first_id_after(const struct patient *patient, const char *era, const char *last_id)
{
    char field[128];
    struct visitor visitor;
    snprintf(field, sizeof field, "Last-Event-ID: %s%s\r\n", era, last_id);
    listen_from(&visitor, patient->observer_port, field);
    long id = read_batches(&visitor, 3) - 2;
    visitor_close(&visitor);
    return id;
}

static void test_who_comes_back_gets_what_was_missed(void **state)
{
    struct patient patient;
    struct visitor visitor;
    char era[24];
    (void)state;
    patient_start(&patient, NULL);
    listen_from(&visitor, patient.observer_port, "");
    read_batches(&visitor, 6);
    visitor_close(&visitor);
    era_of(&patient, era, sizeof era);
    assert_int_equal(first_id_after(&patient, era, "1"), 2);
    assert_int_equal(first_id_after(&patient, era, "4"), 5);
    assert_int_equal(first_id_after(&patient, era, "0"), 1);
    patient_end(&patient);
}

/* Numbers begin anew with each server: who comes from an earlier one has missed all of this one. */
static void test_ids_of_an_earlier_server(void **state)
{
    struct patient earlier, patient;
    struct visitor visitor;
    char era[24], earlier_era[24];
    (void)state;
    patient_start(&earlier, NULL);
    era_of(&earlier, earlier_era, sizeof earlier_era);
    patient_end(&earlier);
    patient_start(&patient, NULL);
    listen_from(&visitor, patient.observer_port, "");
    read_batches(&visitor, 6);
    visitor_close(&visitor);
    era_of(&patient, era, sizeof era);
    assert_string_not_equal(era, earlier_era);
    assert_int_equal(first_id_after(&patient, earlier_era, "4"), 1);
    assert_int_equal(first_id_after(&patient, "", "4"), 1);
    patient_end(&patient);
}

/* There have been less than EVENTS_FIRST, so who is new gets all from the first on. */
static void test_ids_that_are_none(void **state)
{
    static const char *const ids[] = {
        "",    "4x",   "-1",  "-18446744073709551612",   "+4",     "0x4",
        "4 4", "four", "4.5", "99999999999999999999999", "1000000"};
    struct patient patient;
    struct visitor visitor;
    char era[24];
    (void)state;
    patient_start(&patient, NULL);
    listen_from(&visitor, patient.observer_port, "");
    read_batches(&visitor, 6);
    visitor_close(&visitor);
    era_of(&patient, era, sizeof era);
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        long first = first_id_after(&patient, era, ids[i]);
        if (first != 1)
            fail_msg("\"%s\" was taken for an id: %ld", ids[i], first);
    }
    patient_end(&patient);
}

/* ------------------------------------------------------------------ what is in a batch */

enum kind { NUMBER, TEXT, BOOL, ARRAY, OBJECT, NUMBER_OR_NULL, TEXT_OR_NULL, OBJECT_OR_NULL };

struct member_row {
    const char *name;
    enum kind kind;
};

static bool is_of(const cJSON *item, enum kind kind)
{
    switch (kind) {
    case NUMBER:
        return cJSON_IsNumber(item);
    case TEXT:
        return cJSON_IsString(item);
    case BOOL:
        return cJSON_IsBool(item);
    case ARRAY:
        return cJSON_IsArray(item);
    case OBJECT:
        return cJSON_IsObject(item);
    case NUMBER_OR_NULL:
        return cJSON_IsNumber(item) || cJSON_IsNull(item);
    case TEXT_OR_NULL:
        return cJSON_IsString(item) || cJSON_IsNull(item);
    case OBJECT_OR_NULL:
        return cJSON_IsObject(item) || cJSON_IsNull(item);
    }
    return false;
}

static void assert_members(const cJSON *object, const struct member_row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, rows[i].name);
        if (item == NULL || !is_of(item, rows[i].kind))
            fail_msg("\"%s\" is not as it should be in %s", rows[i].name,
                     cJSON_PrintUnformatted(object));
    }
}

#define ASSERT_MEMBERS(object, ...)                                  \
    assert_members(object, (const struct member_row[]){__VA_ARGS__}, \
                   sizeof(const struct member_row[]){__VA_ARGS__} / sizeof(struct member_row))

static const cJSON *in(const cJSON *object, const char *name)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);
    assert_non_null(item);
    return item;
}

static double number_in(const cJSON *object, const char *name)
{
    assert_true(cJSON_IsNumber(in(object, name)));
    return in(object, name)->valuedouble;
}

static void assert_quantiles(const cJSON *object, const char *name)
{
    const cJSON *quantiles = in(object, name);
    ASSERT_MEMBERS(quantiles, {"p50", NUMBER}, {"p99", NUMBER}, {"max", NUMBER});
    assert_true(number_in(quantiles, "p50") >= 0);
    assert_true(number_in(quantiles, "p50") <= number_in(quantiles, "p99"));
    assert_true(number_in(quantiles, "p99") <= number_in(quantiles, "max"));
}

static void check_loop(const cJSON *loop)
{
    const cJSON *cell;
    double last = -1;
    ASSERT_MEMBERS(loop, {"lag_ms", NUMBER}, {"utilization", NUMBER}, {"blocked", OBJECT_OR_NULL},
                   {"lag", OBJECT}, {"cells", ARRAY});
    assert_quantiles(loop, "lag");
    assert_true(number_in(loop, "lag_ms") >= 0 && number_in(loop, "lag_ms") < 60000);
    assert_true(number_in(loop, "utilization") >= 0 && number_in(loop, "utilization") <= 1);
    cJSON_ArrayForEach(cell, in(loop, "cells"))
    {
        assert_int_equal(cJSON_GetArraySize(cell), 2);
        assert_true(cell->child->valuedouble > last);
        last = cell->child->valuedouble;
        double share = cell->child->next->valuedouble;
        assert_true(share >= 0 && share <= 1);
    }
}

/* How many there are in a wait_histogram. */
static int count_of_waits(const cJSON *work)
{
    const cJSON *bucket;
    double count = 0;
    cJSON_ArrayForEach(bucket, in(work, "wait_histogram"))
    {
        assert_int_equal(cJSON_GetArraySize(bucket), 2);
        count += bucket->child->next->valuedouble;
    }
    return (int)count;
}

static void check_work(const cJSON *work)
{
    ASSERT_MEMBERS(work, {"name", TEXT}, {"kind", TEXT}, {"waiting", NUMBER}, {"running", NUMBER},
                   {"returning", NUMBER}, {"submitted", NUMBER}, {"succeeded", NUMBER},
                   {"cancelled", NUMBER}, {"refused", NUMBER}, {"failed", NUMBER}, {"lost", NUMBER},
                   {"expired", NUMBER}, {"wait", OBJECT}, {"run", OBJECT}, {"return", OBJECT},
                   {"oldest_wait", NUMBER}, {"wait_histogram", ARRAY});
    assert_quantiles(work, "wait");
    assert_quantiles(work, "run");
    assert_quantiles(work, "return");
    (void)count_of_waits(work); /* each bucket is a pair */
}

static void check_member(const cJSON *member)
{
    const cJSON *row;
    ASSERT_MEMBERS(member, {"member", NUMBER}, {"pid", NUMBER}, {"alive", BOOL}, {"loop", OBJECT},
                   {"requests", OBJECT}, {"routes", ARRAY}, {"works", ARRAY}, {"lanes", ARRAY},
                   {"process", OBJECT});
    assert_int_equal((int)number_in(member, "pid"), getpid());
    assert_true(cJSON_IsTrue(in(member, "alive")));
    check_loop(in(member, "loop"));
    ASSERT_MEMBERS(in(member, "requests"), {"total", NUMBER}, {"in_flight", NUMBER},
                   {"per_second", NUMBER}, {"answers_2xx", NUMBER}, {"answers_4xx", NUMBER},
                   {"answers_5xx", NUMBER}, {"connections", NUMBER});
    cJSON_ArrayForEach(row, in(member, "routes")) ASSERT_MEMBERS(
        row, {"route", TEXT}, {"count", NUMBER}, {"p50", NUMBER}, {"p99", NUMBER}, {"max", NUMBER});
    cJSON_ArrayForEach(row, in(member, "works")) check_work(row);
    cJSON_ArrayForEach(row, in(member, "lanes"))
        ASSERT_MEMBERS(row, {"name", TEXT}, {"kind", TEXT}, {"number", NUMBER},
                       {"trip", NUMBER_OR_NULL}, {"since", NUMBER_OR_NULL});
    ASSERT_MEMBERS(in(member, "process"), {"rss_bytes", NUMBER}, {"threads", NUMBER},
                   {"cpu_ms", NUMBER}, {"descriptors", NUMBER});
    assert_true(number_in(in(member, "process"), "rss_bytes") > 100000);
    assert_true(number_in(in(member, "process"), "threads") >= 3);
    assert_true(number_in(in(member, "process"), "descriptors") > 3);
}

static void check_trip(const cJSON *trip)
{
    ASSERT_MEMBERS(trip, {"id", NUMBER}, {"member", NUMBER}, {"work", TEXT},
                   {"kernel", TEXT_OR_NULL}, {"size", NUMBER}, {"lane", TEXT}, {"outcome", TEXT},
                   {"submitted", NUMBER}, {"started", NUMBER_OR_NULL}, {"finished", NUMBER_OR_NULL},
                   {"delivered", NUMBER});
    assert_true(number_in(trip, "submitted") >= 0);
    assert_true(number_in(trip, "submitted") <= number_in(trip, "delivered"));
    if (cJSON_IsNull(in(trip, "started")))
        return;
    assert_true(number_in(trip, "submitted") <= number_in(trip, "started"));
    assert_true(number_in(trip, "started") <= number_in(trip, "finished"));
    assert_true(number_in(trip, "finished") <= number_in(trip, "delivered"));
}

static void check_batch(const cJSON *batch)
{
    const cJSON *row;
    ASSERT_MEMBERS(batch, {"t", NUMBER}, {"missed", NUMBER}, {"members", ARRAY},
                   {"submitted", ARRAY}, {"trips", ARRAY}, {"stalls", ARRAY}, {"verdict", OBJECT});
    assert_int_equal(cJSON_GetArraySize(in(batch, "members")), 1);
    check_member(in(batch, "members")->child);
    cJSON_ArrayForEach(row, in(batch, "submitted"))
        ASSERT_MEMBERS(row, {"id", NUMBER}, {"member", NUMBER}, {"work", TEXT},
                       {"kernel", TEXT_OR_NULL}, {"size", NUMBER}, {"at", NUMBER});
    cJSON_ArrayForEach(row, in(batch, "trips")) check_trip(row);
    cJSON_ArrayForEach(row, in(batch, "stalls"))
        ASSERT_MEMBERS(row, {"member", NUMBER}, {"began", NUMBER}, {"ended", NUMBER}, {"by", TEXT},
                       {"strategy", TEXT_OR_NULL}, {"waited", NUMBER}, {"longest_wait", NUMBER});
    ASSERT_MEMBERS(in(batch, "verdict"), {"level", TEXT}, {"title", TEXT}, {"text", TEXT},
                   {"advice", TEXT});
}

/* Reads and checks batches until so many trips have come, and counts them by the name of their
 * work. Returns the last batch. */
static cJSON *await_trips(struct visitor *visitor, unsigned wanted, unsigned *submitted)
{
    unsigned trips = 0;
    cJSON *batch = NULL;
    *submitted = 0;
    while (trips < wanted) {
        struct visitor_event event;
        cJSON_Delete(batch);
        assert_true(visitor_next_event(visitor, &event));
        batch = cJSON_Parse(event.data);
        assert_non_null(batch);
        visitor_free_event(&event);
        check_batch(batch);
        assert_int_equal((int)number_in(batch, "missed"), 0);
        trips += (unsigned)cJSON_GetArraySize(in(batch, "trips"));
        *submitted += (unsigned)cJSON_GetArraySize(in(batch, "submitted"));
    }
    assert_int_equal(trips, wanted);
    return batch;
}

static void test_batches_while_everything_works(void **state)
{
    static const char *const targets[] = {
        "/heavy?kernel=primes&n=1000&offload=none",
        "/heavy?kernel=primes&n=1000&offload=deferred",
        "/heavy?kernel=primes&n=100000&offload=sliced",
        "/heavy?kernel=primes&n=1000&offload=threadpool",
        "/heavy?kernel=primes&n=1000&offload=worker",
        "/heavy?kernel=primes&n=1000&offload=process",
        "/slow?ms=1&via=sqlite",
        "/slow?ms=1&via=timer",
        "/fast",
        "/nowhere",
    };
    enum { ROUNDS = 10, WORKS = 8 };
    char program[512];
    struct patient patient;
    struct visitor visitor;
    unsigned submitted;
    (void)state;
    harness_kernel_program(program, sizeof program);
    patient_start(&patient, "--kernel-program", program, "--workers=2", "--processes=1", NULL);
    listen_from(&visitor, patient.observer_port, "");
    for (int round = 0; round < ROUNDS; round++) {
        for (size_t i = 0; i < sizeof targets / sizeof *targets; i++)
            assert_true(patient_ask(&patient, targets[i])->status < 500);
    }
    cJSON *batch = await_trips(&visitor, ROUNDS * WORKS, &submitted);
    assert_int_equal(submitted, ROUNDS * WORKS);
    const cJSON *work, *member = in(batch, "members")->child;
    assert_int_equal((int)number_in(in(member, "requests"), "total"), 100);
    assert_int_equal((int)number_in(in(member, "requests"), "in_flight"), 0);
    assert_int_equal((int)number_in(in(member, "requests"), "answers_4xx"), ROUNDS);
    cJSON_ArrayForEach(work, in(member, "works"))
    {
        assert_int_equal((int)number_in(work, "succeeded"), ROUNDS);
        assert_true(count_of_waits(work) <= ROUNDS); /* those of the last ten seconds */
    }
    cJSON_Delete(batch);
    visitor_close(&visitor);
    patient_end(&patient);
}

/* What runs and what waits: the lane says which trip, and since when. */
static void test_what_is_under_way(void **state)
{
    struct patient patient;
    struct visitor visitor, others[2];
    (void)state;
    patient_start(&patient, "--workers=1", NULL);
    listen_from(&visitor, patient.observer_port, "");
    for (int i = 0; i < 2; i++) {
        visitor_open(&others[i], patient.port);
        visitor_get(&others[i], "/heavy?kernel=sleep&n=60000&offload=worker", "");
    }
    const cJSON *work = NULL, *lane = NULL;
    cJSON *batch = NULL;
    do {
        struct visitor_event event;
        cJSON_Delete(batch);
        assert_true(visitor_next_event(&visitor, &event));
        batch = cJSON_Parse(event.data);
        visitor_free_event(&event);
        check_batch(batch);
        cJSON_ArrayForEach(work, in(in(batch, "members")->child, "works"))
        {
            if (strcmp(in(work, "name")->valuestring, "worker") == 0)
                break;
        }
    } while (number_in(work, "waiting") != 1 || number_in(work, "running") != 1 ||
             number_in(work, "oldest_wait") < 150);
    assert_int_equal((int)number_in(work, "submitted"), 2);
    cJSON_ArrayForEach(lane, in(in(batch, "members")->child, "lanes"))
    {
        if (strcmp(in(lane, "name")->valuestring, "worker 1") == 0)
            break;
    }
    assert_non_null(lane);
    assert_true(number_in(lane, "trip") == 1 || number_in(lane, "trip") == 2);
    assert_true(number_in(batch, "t") - number_in(lane, "since") >= 100);
    cJSON_Delete(batch);
    visitor_close(&others[0]);
    visitor_close(&others[1]);
    visitor_close(&visitor);
    patient_end(&patient);
}

/* ------------------------------------------------------------------ too many, and too slow */

static void test_one_listener_too_many(void **state)
{
    struct patient patient;
    struct visitor visitors[EVENTS_LISTENERS], late;
    (void)state;
    patient_start(&patient, NULL);
    for (int i = 0; i < EVENTS_LISTENERS; i++)
        listen_from(&visitors[i], patient.observer_port, "");
    visitor_open(&late, patient.observer_port);
    visitor_get(&late, "/events", "");
    const struct answer *answer = visitor_await(&late);
    assert_problem(answer, 503, "64", NULL);
    assert_non_null(answer_field(answer, "Retry-After"));
    visitor_close(&visitors[17]); /* its place is free when that has been noticed */
    while (visitor_get(&late, "/events", ""), visitor_await(&late)->status != 200)
        continue;
    for (int i = 0; i < EVENTS_LISTENERS; i++) {
        if (i == 17)
            continue;
        assert_true(next_id(&visitors[i]) > 0);
        visitor_close(&visitors[i]);
    }
    visitor_close(&late);
    patient_end(&patient);
}

/* Streams end when the observer does; they do not hold it up. */
static void test_the_end(void **state)
{
    struct patient patient;
    struct visitor visitor;
    struct visitor_event event;
    (void)state;
    patient_start(&patient, NULL);
    listen_from(&visitor, patient.observer_port, "");
    patient_end(&patient);
    while (visitor_next_event(&visitor, &event))
        visitor_free_event(&event);
    visitor_close(&visitor);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ids_are_consecutive),
        cmocka_unit_test(test_who_comes_back_gets_what_was_missed),
        cmocka_unit_test(test_ids_of_an_earlier_server),
        cmocka_unit_test(test_ids_that_are_none),
        cmocka_unit_test(test_batches_while_everything_works),
        cmocka_unit_test(test_what_is_under_way),
        cmocka_unit_test(test_one_listener_too_many),
        cmocka_unit_test(test_the_end),
    };
    harness_prepare_process();
    return cmocka_run_group_tests_name("observer_events", tests, NULL, NULL);
}
