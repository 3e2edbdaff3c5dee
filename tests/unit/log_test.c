/* log_test.c – one JSON object a line for programs, a sentence for people on a terminal. */
#include "server/log.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

struct capture {
    int saved, to, from;
};

static void capture_begin(struct capture *capture)
{
    fflush(stderr);
    capture->saved = dup(STDERR_FILENO);
    assert_true(capture->saved >= 0);
    assert_true(dup2(capture->to, STDERR_FILENO) >= 0);
}

/* Restores stderr and returns what came out of it, up to the line's end. */
static const char *capture_end(struct capture *capture)
{
    static char text[4096];
    size_t length = 0;
    log_flush();
    dup2(capture->saved, STDERR_FILENO);
    close(capture->saved);
    while (length == 0 || text[length - 1] != '\n') {
        ssize_t got = read(capture->from, text + length, sizeof text - 1 - length);
        assert_true(got > 0);
        length += (size_t)got;
    }
    text[length] = '\0';
    close(capture->to);
    close(capture->from);
    return text;
}

static struct capture to_a_pipe(void)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    return (struct capture){.to = ends[1], .from = ends[0]};
}

/* Without /dev/pts, as in a bare chroot, there is no terminal to be had. */
static struct capture to_a_terminal(void)
{
    struct capture capture = {.from = posix_openpt(O_RDWR | O_NOCTTY), .to = -1};
    if (capture.from >= 0 && grantpt(capture.from) == 0 && unlockpt(capture.from) == 0)
        capture.to = open(ptsname(capture.from), O_RDWR | O_NOCTTY);
    if (capture.to < 0) {
        print_message("SKIPPED: no pseudo-terminal can be opened here\n");
        skip();
    }
    return capture;
}

static void assert_text(const cJSON *line, const char *name, const char *expected)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(line, name);
    assert_true(cJSON_IsString(item));
    assert_string_equal(item->valuestring, expected);
}

/* "2026-01-02T03:04:05.678Z" */
static void assert_is_time(const cJSON *line)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(line, "time");
    int year, month, day, hour, minute, second, millisecond, end = 0;
    assert_true(cJSON_IsString(item));
    sscanf(item->valuestring, "%4d-%2d-%2dT%2d:%2d:%2d.%3dZ%n", &year, &month, &day, &hour, &minute,
           &second, &millisecond, &end);
    assert_int_equal(end, 24);
    assert_int_equal(strlen(item->valuestring), 24);
}

static void test_a_json_line(void **state)
{
    struct capture capture = to_a_pipe();
    cJSON *fields = cJSON_CreateObject();
    (void)state;
    cJSON_AddStringToObject(fields, "url", "http://127.0.0.1:1");
    cJSON_AddNumberToObject(fields, "port", 1);
    capture_begin(&capture);
    log_event(LOG_INFO, "listening", fields, "on \"%s\"\n", "it");
    const char *text = capture_end(&capture);
    assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1); /* one line */
    cJSON *line = cJSON_Parse(text);
    assert_is_time(line);
    assert_text(line, "level", "info");
    assert_text(line, "event", "listening");
    assert_text(line, "message", "on \"it\"\n");
    assert_text(line, "url", "http://127.0.0.1:1");
    assert_int_equal(cJSON_GetObjectItemCaseSensitive(line, "port")->valueint, 1);
    assert_int_equal(cJSON_GetArraySize(line), 6);
    cJSON_Delete(line);
}

static void test_levels_and_no_fields(void **state)
{
    static const char *const levels[] = {"info", "warning", "error"};
    (void)state;
    for (int i = 0; i < 3; i++) {
        struct capture capture = to_a_pipe();
        capture_begin(&capture);
        log_event((enum log_level)i, "event", NULL, "message");
        cJSON *line = cJSON_Parse(capture_end(&capture));
        assert_text(line, "level", levels[i]);
        assert_int_equal(cJSON_GetArraySize(line), 4);
        cJSON_Delete(line);
    }
}

static void test_a_long_message_is_cut(void **state)
{
    char message[2000];
    struct capture capture = to_a_pipe();
    (void)state;
    memset(message, 'm', sizeof message - 1);
    message[sizeof message - 1] = '\0';
    capture_begin(&capture);
    log_event(LOG_ERROR, "long", NULL, "%s", message);
    cJSON *line = cJSON_Parse(capture_end(&capture));
    assert_int_equal(strlen(cJSON_GetObjectItem(line, "message")->valuestring), 511);
    cJSON_Delete(line);
}

static void test_a_sentence_on_a_terminal(void **state)
{
    struct capture capture = to_a_terminal();
    cJSON *fields = cJSON_CreateObject();
    (void)state;
    cJSON_AddNumberToObject(fields, "port", 1);
    capture_begin(&capture);
    log_event(LOG_WARNING, "cut", fields, "%d connections are cut", 3);
    assert_string_equal(capture_end(&capture), "offloop: 3 connections are cut\r\n");
}

static void fill(int pipe_end)
{
    char dots[4096];
    memset(dots, '.', sizeof dots);
    fcntl(pipe_end, F_SETFL, O_NONBLOCK);
    while (write(pipe_end, dots, sizeof dots) > 0)
        continue;
    fcntl(pipe_end, F_SETFL, 0);
}

/* Reads on until there is a line of this event. */
static cJSON *read_event(FILE *reader, const char *event)
{
    static char text[80000]; /* what the pipe was filled with has no end of a line */
    for (;;) {
        assert_non_null(fgets(text, sizeof text, reader));
        cJSON *line = cJSON_Parse(text + strspn(text, "."));
        assert_non_null(line);
        if (strcmp(cJSON_GetObjectItem(line, "event")->valuestring, event) == 0)
            return line;
        cJSON_Delete(line);
    }
}

/* Nobody reads: nobody waits, also not at the end; and then somebody does. */
static void test_a_reader_that_does_not_read(void **state)
{
    enum { LINES = 400 };
    struct capture capture = to_a_pipe();
    (void)state;
    fill(capture.to);
    FILE *reader = fdopen(dup(capture.from), "r");
    int saved = dup(STDERR_FILENO);
    dup2(capture.to, STDERR_FILENO);
    for (int i = 0; i < LINES; i++)
        log_event(LOG_INFO, "unread", NULL, "line %d", i);
    log_flush();
    cJSON *line = read_event(reader, "lines_lost");
    int lost = cJSON_GetObjectItem(line, "lost")->valueint;
    assert_in_range(lost, 1, LINES - 1);
    assert_text(line, "level", "warning");
    cJSON_Delete(line);
    log_event(LOG_INFO, "read", NULL, "and on it goes");
    cJSON_Delete(read_event(reader, "read"));
    dup2(saved, STDERR_FILENO);
    close(saved);
    fclose(reader);
    close(capture.from);
    close(capture.to);
}

/* A line goes into a pipe in one piece, or it goes without its fields. */
static void test_fields_that_are_too_long(void **state)
{
    static char word[5000];
    struct capture capture = to_a_pipe();
    cJSON *fields = cJSON_CreateObject();
    (void)state;
    memset(word, 'w', sizeof word - 1);
    cJSON_AddStringToObject(fields, "word", word);
    capture_begin(&capture);
    log_event(LOG_ERROR, "long", fields, "%s", "it is long");
    cJSON *line = cJSON_Parse(capture_end(&capture));
    assert_text(line, "message", "it is long");
    assert_int_equal(cJSON_GetArraySize(line), 4);
    cJSON_Delete(line);
}

/* cJSON's memory, of which one piece cannot be had. */
static unsigned pieces_asked, piece_missing;
static int pieces_out;

static void *scarce_malloc(size_t size)
{
    void *memory = ++pieces_asked == piece_missing ? NULL : malloc(size);
    pieces_out += memory != NULL;
    return memory;
}

static void scarce_free(void *memory)
{
    pieces_out -= memory != NULL;
    free(memory);
}

static void log_with_fields(void)
{
    struct capture capture = to_a_pipe();
    cJSON *fields = cJSON_CreateObject();
    cJSON_AddStringToObject(fields, "by", "GET /heavy");
    cJSON_AddNumberToObject(fields, "waited", 3);
    capture_begin(&capture);
    log_event(LOG_INFO, "loop_free", fields, "it is");
    log_flush();
    fprintf(stderr, "\n"); /* the line may be lost, and the end must come */
    (void)capture_end(&capture);
}

/* Whichever piece is missing: the line may lack something, or be lost, but nothing stays behind. */
static void test_memory_that_is_short(void **state)
{
    (void)state;
    cJSON_InitHooks(&(cJSON_Hooks){scarce_malloc, scarce_free});
    for (piece_missing = 1; pieces_asked + 1 >= piece_missing; piece_missing++) {
        pieces_asked = 0;
        pieces_out = 0;
        log_with_fields();
        assert_int_equal(pieces_out, 0);
    }
    cJSON_InitHooks(NULL);
    assert_true(piece_missing > 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_json_line),
        cmocka_unit_test(test_levels_and_no_fields),
        cmocka_unit_test(test_a_long_message_is_cut),
        cmocka_unit_test(test_a_sentence_on_a_terminal),
        cmocka_unit_test(test_a_reader_that_does_not_read),
        cmocka_unit_test(test_fields_that_are_too_long),
        cmocka_unit_test(test_memory_that_is_short),
    };
    return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
