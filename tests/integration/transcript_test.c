/* transcript_test.c – every transcript under tests/transcripts, whole, byte by byte and split in
 * two at every boundary: the answers are the same. Each transcript is a test of its own.
 *
 * Run from the top of the repository; with arguments, it plays these files only. */
#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/support/replay.h"

/* Input that is longer is split only near its ends and near its line ends. */
enum { SHORT_BYTES = 2048, NEAR_END = 512, LINE_ENDS_MAX = 200 };

static struct bytes input_of(const struct transcript *transcript)
{
    struct bytes all = {0};
    for (size_t i = 0; i < transcript->turn_count; i++)
        bytes_add(&all, transcript->turns[i].input.at, transcript->turns[i].input.length);
    return all;
}

static bool near_line_end(const struct bytes *input, size_t at)
{
    for (size_t i = at < 2 ? 0 : at - 2; i < at + 2 && i < input->length; i++) {
        if (input->at[i] == '\n')
            return true;
    }
    return false;
}

static bool is_worth_a_split(const struct bytes *input, size_t at, unsigned *line_ends)
{
    if (input->length <= SHORT_BYTES || at < NEAR_END || input->length - at < NEAR_END)
        return true;
    return near_line_end(input, at) && ++*line_ends <= LINE_ENDS_MAX;
}

static int replay_splits(struct echo_server *server, const struct transcript *transcript,
                         struct bytes *reference)
{
    struct bytes input = input_of(transcript);
    unsigned line_ends = 0;
    int rc = 0;
    for (size_t at = 1; rc == 0 && at < input.length; at++) {
        if (is_worth_a_split(&input, at, &line_ends))
            rc = replay(server, transcript, (struct delivery){DELIVER_SPLIT, at}, reference);
    }
    bytes_free(&input);
    return rc;
}

static void test_transcript(void **state)
{
    const struct transcript *transcript = *state;
    struct http_limits limits = HTTP_LIMITS_DEFAULT;
    struct echo_server server;
    uv_loop_t loop;
    limits.max_header_bytes = transcript->max_header_bytes;
    limits.max_body_bytes = transcript->max_body_bytes;
    assert_int_equal(uv_loop_init(&loop), 0);
    echo_server_start(&server, &loop, &limits);
    struct bytes reference = {0};
    int rc = replay(&server, transcript, (struct delivery){DELIVER_WHOLE, 0}, &reference);
    if (rc == 0)
        rc = replay(&server, transcript, (struct delivery){DELIVER_BYTES, 0}, &reference);
    if (rc == 0)
        rc = replay_splits(&server, transcript, &reference);
    bytes_free(&reference);
    echo_server_stop(&server);
    assert_int_equal(uv_loop_close(&loop), 0);
    assert_int_equal(rc, 0);
}

static void read_all(int argc, char **argv, struct transcript **transcripts, size_t *count)
{
    glob_t files = {0};
    if (argc <= 1)
        glob("tests/transcripts/*.txt", 0, NULL, &files);
    for (size_t i = 0; i < files.gl_pathc; i++)
        transcripts_read(files.gl_pathv[i], transcripts, count);
    for (int i = 1; i < argc; i++)
        transcripts_read(argv[i], transcripts, count);
    globfree(&files);
}

int main(int argc, char **argv)
{
    struct transcript *transcripts = NULL;
    size_t count = 0;
    read_all(argc, argv, &transcripts, &count);
    if (count == 0) {
        print_error("no transcripts: run this from the top of the repository\n");
        return 2;
    }
    struct CMUnitTest *tests = calloc(count, sizeof *tests);
    assert_non_null(tests);
    for (size_t i = 0; i < count; i++)
        tests[i] = (struct CMUnitTest){.name = transcripts[i].name,
                                       .test_func = test_transcript,
                                       .initial_state = &transcripts[i]};
    int failures = _cmocka_run_group_tests("transcripts", tests, count, NULL, NULL);
    free(tests);
    transcripts_free(transcripts, count);
    return failures;
}
