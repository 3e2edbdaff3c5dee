/* kernel_child_test.c – children that do not tell the truth, or do not listen.
 *
 * This program is its own child: started as a server starts offloop-kernel, with --pipe, it reads
 * one job and gives the answer that the environment asks for. The server must believe none but the
 * honest one, and say what was wrong. */
#include "server/offload/offload.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include <cmocka.h>

#include "kernel/wire.h"
#include "server/observe/recording.h"
#include "server/offload/kernel_child.h"
#include "tests/support/harness.h"

#define LIE "OFFLOOP_TEST_LIE"

/* ------------------------------------------------------------------ the child */

struct answer_message {
    struct wire_head head;
    struct wire_result result;
    char image[8];
};

/* Each bends the honest answer. */
static void honest(struct answer_message *message)
{
    (void)message;
}

static void began_before_it_was_sent(struct answer_message *message)
{
    message->result.started_ns = 1;
}

static void ends_in_the_future(struct answer_message *message)
{
    message->result.finished_ns = UINT64_MAX;
}

static void ends_before_it_began(struct answer_message *message)
{
    message->result.finished_ns = message->result.started_ns - 1;
}

static void has_an_error_above_zero(struct answer_message *message)
{
    message->result.error = EIO;
}

static void has_an_error_beyond_an_int(struct answer_message *message)
{
    message->result.error = INT64_MIN;
}

static void was_cancelled_by_nobody(struct answer_message *message)
{
    message->result.error = -ECANCELED;
}

static void says_that_it_is_lost(struct answer_message *message)
{
    message->result.error = -EPIPE;
}

static void has_too_many_numbers(struct answer_message *message)
{
    message->result.number_count = KERNEL_NUMBERS_MAX + 1;
}

static void has_a_number_of_no_type(struct answer_message *message)
{
    message->result.numbers[0].type = 2;
}

static void has_a_name_without_end(struct answer_message *message)
{
    memset(message->result.numbers[0].name, 'n', WIRE_NAME_BYTES);
}

static void has_a_name_that_is_not_text(struct answer_message *message)
{
    strcpy(message->result.numbers[0].name, "\xff\"\n");
}

static void has_no_name(struct answer_message *message)
{
    message->result.numbers[0].name[0] = '\0';
}

static void has_an_image(struct answer_message *message)
{
    message->head.body_bytes += sizeof message->image;
    message->result.image_bytes = sizeof message->image;
}

static void has_an_image_that_is_not_there(struct answer_message *message)
{
    message->result.image_bytes = sizeof message->image;
}

static void is_larger_than_can_be(struct answer_message *message)
{
    message->head.body_bytes = sizeof message->result + WIRE_IMAGE_BYTES_MAX + 1;
}

static void is_smaller_than_can_be(struct answer_message *message)
{
    message->head.body_bytes = sizeof message->result - 1;
}

static void is_no_answer(struct answer_message *message)
{
    message->head.type = WIRE_RUN;
}

static void speaks_another_language(struct answer_message *message)
{
    message->head.magic++;
}

typedef void bend(struct answer_message *message);

static bend *const lies[] = {
    honest,
    began_before_it_was_sent,
    ends_in_the_future,
    ends_before_it_began,
    has_an_error_above_zero,
    has_an_error_beyond_an_int,
    was_cancelled_by_nobody,
    says_that_it_is_lost,
    has_too_many_numbers,
    has_a_number_of_no_type,
    has_a_name_without_end,
    has_a_name_that_is_not_text,
    has_no_name,
    has_an_image,
    has_an_image_that_is_not_there,
    is_larger_than_can_be,
    is_smaller_than_can_be,
    is_no_answer,
    speaks_another_language,
};

/* Other ways to go wrong, numbered from here. */
enum { LIES = sizeof lies / sizeof *lies, DIES_UNREAD = LIES, ENDS_ITS_OUTPUT, ENDS, OBEYS };

static struct answer_message honest_answer(void)
{
    struct kernel_result result = {
        .numbers = {{.name = "primes", .type = KERNEL_INTEGER, .value.integer = 168}},
        .number_count = 1};
    struct answer_message message = {.head = wire_head(WIRE_RESULT, sizeof message.result),
                                     .result = wire_result_from(&result)};
    message.result.started_ns = message.result.finished_ns = trip_clock_ns();
    return message;
}

/* Begins to answer, is told to stop, says so, and answers all that comes after. */
static int obey(void)
{
    struct wire_head word;
    char job[sizeof(struct wire_head) + sizeof(struct wire_job)];
    struct answer_message message = honest_answer();
    message.result = (struct wire_result){.error = -ECANCELED};
    (void)!read(STDIN_FILENO, job, sizeof job);
    message.result.started_ns = message.result.finished_ns = trip_clock_ns();
    (void)!write(STDOUT_FILENO, &message.head, sizeof message.head);
    (void)!read(STDIN_FILENO, &word, sizeof word);
    (void)!write(STDOUT_FILENO, &message.result, sizeof message.result);
    while (read(STDIN_FILENO, job, sizeof job) == sizeof job) {
        message = honest_answer();
        (void)!write(STDOUT_FILENO, &message, offsetof(struct answer_message, image));
    }
    return EXIT_SUCCESS;
}

/* Answers one job, and waits for its end. */
static int run_as_child(unsigned lie)
{
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    char job[sizeof(struct wire_head) + sizeof(struct wire_job)];
    if (lie == OBEYS)
        return obey();
    poll(&input, 1, -1);
    if (lie == DIES_UNREAD)
        raise(SIGKILL);
    if (read(STDIN_FILENO, job, sizeof job) != sizeof job)
        return EXIT_FAILURE;
    if (lie == ENDS_ITS_OUTPUT || lie == ENDS) {
        close(STDOUT_FILENO);
    } else {
        struct answer_message message = honest_answer();
        lies[lie](&message);
        bool images = message.head.body_bytes > sizeof message.result;
        (void)!write(STDOUT_FILENO, &message,
                     images ? sizeof message : offsetof(struct answer_message, image));
    }
    if (lie == ENDS) { /* slowly, as one that writes a core file */
        poll(NULL, 0, 50);
        return 3;
    }
    while (read(STDIN_FILENO, job, sizeof job) > 0)
        continue;
    return EXIT_SUCCESS;
}

/* ------------------------------------------------------------------ the server's side */

struct bench {
    uv_loop_t loop;
    struct offload *offload;
    struct recordings recordings;
    char program[4096];
};

/* A job, and how often it came home. */
struct tracked {
    struct job job;
    unsigned times_done;
};

static void on_done(struct job *job)
{
    ((struct tracked *)job)->times_done++;
}

static void bench_open(struct bench *bench, unsigned lie)
{
    char text[16];
    snprintf(text, sizeof text, "%u", lie);
    setenv(LIE, text, 1);
    ssize_t length = readlink("/proc/self/exe", bench->program, sizeof bench->program - 1);
    assert_true(length > 0);
    bench->program[length] = '\0';
    assert_int_equal(uv_loop_init(&bench->loop), 0);
    assert_int_equal(recordings_init(&bench->recordings, 1), 0);
    recording_begin(bench->recordings.table, trip_clock_ns(), 1);
    const struct offload_options options = {.threadpool_size = 1,
                                            .workers = 1,
                                            .max_queue = 10,
                                            .processes = 1,
                                            .slice_ms = 1,
                                            .kernel_program = bench->program,
                                            .recording = bench->recordings.table};
    assert_int_equal(offload_new(&bench->offload, &bench->loop, &options), 0);
}

/* No handle stays, and what was recorded has begun as often as it ended. */
static void bench_close(struct bench *bench)
{
    offload_stop(bench->offload);
    assert_int_equal(uv_run(&bench->loop, UV_RUN_DEFAULT), 0);
    offload_free(bench->offload);
    assert_int_equal(uv_loop_close(&bench->loop), 0);
    for (size_t i = 0; strategy_at(i) != NULL; i++) {
        const struct work_record *work = &bench->recordings.table->works[i];
        assert_int_equal(counter_get(&work->submitted), counter_get(&work->delivered));
        assert_int_equal(counter_get(&work->started), counter_get(&work->finished));
    }
    recordings_close(&bench->recordings);
}

static void submit(struct bench *bench, struct tracked *tracked, const char *kernel, bool image)
{
    *tracked = (struct tracked){.job.kernel = kernel_find(kernel), .job.done = on_done};
    kernel_arguments_init(&tracked->job.arguments, tracked->job.kernel);
    tracked->job.arguments.image = image;
    offload_submit(bench->offload, strategy_find("process"), &tracked->job);
}

static void run_until_done(struct bench *bench, const struct tracked *tracked)
{
    while (tracked->times_done == 0)
        uv_run(&bench->loop, UV_RUN_ONCE);
}

/* What became of a job that such a child had. */
static struct tracked run_on(unsigned lie, const char *kernel, bool image)
{
    struct bench bench;
    struct tracked tracked;
    bench_open(&bench, lie);
    submit(&bench, &tracked, kernel, image);
    run_until_done(&bench, &tracked);
    bench_close(&bench);
    assert_int_equal(tracked.times_done, 1);
    return tracked;
}

static void assert_lost(const struct tracked *tracked, const char *how)
{
    const struct trip *trip = &tracked->job.trip;
    assert_int_equal(tracked->job.outcome, TRIP_LOST);
    assert_string_equal(tracked->job.problem, how);
    assert_true(trip->submitted_ns <= trip->started_ns && trip->started_ns <= trip->finished_ns &&
                trip->finished_ns <= trip->delivered_ns);
}

static void test_an_honest_child_is_believed(void **state)
{
    (void)state;
    struct tracked tracked = run_on(0, "primes", false);
    assert_int_equal(tracked.job.outcome, TRIP_SUCCEEDED);
    assert_string_equal(tracked.job.result.numbers[0].name, "primes");
    assert_int_equal(tracked.job.result.numbers[0].value.integer, 168);
    job_close(&tracked.job);
}

static void test_no_lie_is_believed(void **state)
{
    (void)state;
    for (unsigned lie = 1; lie < LIES; lie++) {
        struct tracked tracked = run_on(lie, "primes", false);
        if (tracked.job.outcome != TRIP_LOST)
            fail_msg("lie %u is believed", lie);
        assert_lost(&tracked, "the child process wrote nonsense, and was killed");
    }
}

static void test_an_image_that_was_asked_for_must_be_there(void **state)
{
    (void)state;
    struct tracked tracked = run_on(0, "mandelbrot", true);
    assert_lost(&tracked, "the child process wrote nonsense, and was killed");
}

static void test_a_death_before_the_job_was_read_is_told_as_such(void **state)
{
    (void)state;
    struct tracked tracked = run_on(DIES_UNREAD, "primes", false);
    assert_lost(&tracked, "the child process died of signal 9 (Killed)");
}

static void test_a_child_that_cannot_answer_any_more_is_killed(void **state)
{
    (void)state;
    struct tracked tracked = run_on(ENDS_ITS_OUTPUT, "primes", false);
    assert_lost(&tracked, "the child process closed its pipe, and was killed");
}

static void test_a_child_that_ends_slowly_is_let_do_so(void **state)
{
    (void)state;
    struct tracked tracked = run_on(ENDS, "primes", false);
    assert_lost(&tracked, "the child process ended with status 3");
}

/* ------------------------------------------------------------------ the states */

static void test_nobody_who_was_killed_becomes_idle(void **state)
{
    (void)state;
    const enum kernel_child_state last = KERNEL_CHILD_GONE;
    for (enum kernel_child_state to = KERNEL_CHILD_RESTING; to <= last; to++) {
        assert_int_equal(kernel_child_may(KERNEL_CHILD_KILLED, to), to == KERNEL_CHILD_CLOSING);
        assert_int_equal(kernel_child_may(KERNEL_CHILD_CLOSING, to), to == KERNEL_CHILD_RESTING);
        assert_false(kernel_child_may(KERNEL_CHILD_GONE, to));
        assert_false(kernel_child_may(to, to));
    }
    for (enum kernel_child_state from = KERNEL_CHILD_RESTING; from <= last; from++) {
        bool alive = from == KERNEL_CHILD_RESTING || from == KERNEL_CHILD_BUSY;
        assert_int_equal(kernel_child_may(from, KERNEL_CHILD_IDLE), alive);
        assert_int_equal(kernel_child_may(from, KERNEL_CHILD_BUSY), from == KERNEL_CHILD_IDLE);
    }
}

static void on_timer(uv_timer_t *timer)
{
    *(bool *)timer->data = true;
}

static void turn_for(struct bench *bench, unsigned ms)
{
    uv_timer_t timer;
    bool over = false;
    uv_timer_init(&bench->loop, &timer);
    timer.data = &over;
    uv_timer_start(&timer, on_timer, ms, 0);
    while (!over)
        uv_run(&bench->loop, UV_RUN_ONCE);
    uv_close((uv_handle_t *)&timer, NULL);
    uv_run(&bench->loop, UV_RUN_NOWAIT);
}

/* A child stops when it is told to, while the loop is held for longer than the child's grace. The
 * loop finds the grace over before it finds the answer. */
static void test_an_answer_that_lies_unread_is_in_time(void **state)
{
    enum { A_MOMENT_MS = 300, LONGER_THAN_ITS_GRACE_MS = 1300 };
    struct bench bench;
    struct tracked unwanted, innocent;
    (void)state;
    bench_open(&bench, OBEYS);
    submit(&bench, &unwanted, "primes", false);
    turn_for(&bench, A_MOMENT_MS); /* the head of the answer comes */
    submit(&bench, &innocent, "primes", false);
    offload_cancel(&unwanted.job);
    uv_sleep(LONGER_THAN_ITS_GRACE_MS);
    run_until_done(&bench, &unwanted);
    run_until_done(&bench, &innocent);
    assert_int_equal(unwanted.job.outcome, TRIP_CANCELLED);
    assert_int_equal(innocent.job.outcome, TRIP_SUCCEEDED);
    assert_string_equal(unwanted.job.problem, ""); /* nobody was killed */
    job_close(&innocent.job);
    bench_close(&bench);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_honest_child_is_believed),
        cmocka_unit_test(test_no_lie_is_believed),
        cmocka_unit_test(test_an_image_that_was_asked_for_must_be_there),
        cmocka_unit_test(test_a_death_before_the_job_was_read_is_told_as_such),
        cmocka_unit_test(test_a_child_that_cannot_answer_any_more_is_killed),
        cmocka_unit_test(test_a_child_that_ends_slowly_is_let_do_so),
        cmocka_unit_test(test_nobody_who_was_killed_becomes_idle),
        cmocka_unit_test(test_an_answer_that_lies_unread_is_in_time),
    };
    if (argc > 1 && strcmp(argv[1], "--pipe") == 0)
        return run_as_child((unsigned)strtoul(getenv(LIE), NULL, 10));
    harness_prepare_process();
    return cmocka_run_group_tests_name("kernel_child", tests, NULL, NULL);
}
