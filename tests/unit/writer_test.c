/* writer_test.c – who puts a line never waits, whoever reads or does not; lines stay whole and in
 * order; and where some are missing, it says how many.
 *
 * A put that waited would hang its test, until the alarm of the harness. */
#include "process/writer.h"

#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/harness.h"

enum { NOT_LONG_MS = 100, LONG_MS = 60000, MANY = 3 * WRITER_LINES, THREADS = 4, EACH = 500 };

_Static_assert((int)WRITER_LINE_BYTES <= PIPE_BUF, "a line goes into a pipe in one piece");

static size_t describe_loss(unsigned count, char *line)
{
    return (size_t)snprintf(line, WRITER_LINE_BYTES, "lost %u\n", count);
}

static void put(struct writer *writer, const char *name, unsigned number)
{
    char line[100];
    int length = snprintf(line, sizeof line, "%s %u\n", name, number);
    writer_put(writer, line, (size_t)length);
}

/* Fills it as somebody does whom nobody has read for a while. Returns how much that was. */
static size_t fill(int fd)
{
    char dots[4096];
    size_t filled = 0;
    memset(dots, '.', sizeof dots);
    int flags = fcntl(fd, F_GETFL);
    fcntl(fd, F_SETFL, flags | O_NONBLOCK);
    for (size_t piece = sizeof dots; piece > 0; piece /= 2) {
        ssize_t count;
        while ((count = write(fd, dots, piece)) > 0)
            filled += (size_t)count;
    }
    fcntl(fd, F_SETFL, flags);
    return filled;
}

static void skip_bytes(FILE *stream, size_t count)
{
    while (count-- > 0)
        assert_int_not_equal(fgetc(stream), EOF);
}

/* The line of this number, or how many are lost instead. */
static unsigned read_line(FILE *stream, const char *name, unsigned expected)
{
    char line[WRITER_LINE_BYTES + 1], wanted[100];
    unsigned lost = 0;
    assert_non_null(fgets(line, sizeof line, stream));
    snprintf(wanted, sizeof wanted, "%s %u\n", name, expected);
    if (sscanf(line, "lost %u\n", &lost) != 1)
        assert_string_equal(line, wanted);
    return lost;
}

/* Reads all of `count` numbered lines, of which some may be lost. Returns how many. */
static unsigned read_lines(FILE *stream, const char *name, unsigned count)
{
    unsigned lost = 0;
    for (unsigned number = 0; number < count;) {
        unsigned gap = read_line(stream, name, number);
        lost += gap;
        number += gap > 0 ? gap : 1;
    }
    return lost;
}

static void check_nobody_reads(struct writer *writer, FILE *reader, const char *name)
{
    size_t filled = fill(writer->fd);
    assert_true(filled > 0);
    for (unsigned i = 0; i < MANY; i++)
        put(writer, name, i);
    assert_false(writer_flush(writer, NOT_LONG_MS));
    skip_bytes(reader, filled);
    assert_int_equal(read_lines(reader, name, MANY), MANY - WRITER_LINES);
    put(writer, "after", 0);
    assert_int_equal(read_line(reader, "after", 0), 0);
    assert_true(writer_flush(writer, LONG_MS));
}

static void test_a_pipe_that_nobody_reads(void **state)
{
    static struct writer writer = WRITER(-1, describe_loss);
    int ends[2];
    (void)state;
    assert_int_equal(pipe(ends), 0);
    writer.fd = ends[1];
    FILE *reader = fdopen(ends[0], "r");
    check_nobody_reads(&writer, reader, "pipe");
    check_nobody_reads(&writer, reader, "again");
    fclose(reader);
}

static void test_a_socket_that_nobody_reads(void **state)
{
    static struct writer writer = WRITER(-1, describe_loss);
    int ends[2];
    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    writer.fd = ends[1];
    FILE *reader = fdopen(ends[0], "r");
    check_nobody_reads(&writer, reader, "socket");
    fclose(reader);
}

/* Whoever shares the description may have made it so. */
static void test_a_description_that_does_not_block(void **state)
{
    static struct writer writer = WRITER(-1, describe_loss);
    int ends[2];
    (void)state;
    assert_int_equal(pipe(ends), 0);
    writer.fd = ends[1];
    size_t filled = fill(ends[1]);
    fcntl(ends[1], F_SETFL, O_NONBLOCK);
    put(&writer, "line", 0);
    assert_false(writer_flush(&writer, NOT_LONG_MS));
    FILE *reader = fdopen(ends[0], "r");
    skip_bytes(reader, filled);
    assert_int_equal(read_line(reader, "line", 0), 0);
    fclose(reader);
}

/* Ctrl-S, and later Ctrl-Q. */
static void test_a_terminal_that_is_stopped(void **state)
{
    static struct writer writer = WRITER(-1, describe_loss);
    char text[100];
    (void)state;
    int master = posix_openpt(O_RDWR | O_NOCTTY);
    if (master < 0 || grantpt(master) != 0 || unlockpt(master) != 0 ||
        (writer.fd = open(ptsname(master), O_RDWR | O_NOCTTY)) < 0) {
        print_message("SKIPPED: no pseudo-terminal can be opened here\n");
        skip();
    }
    assert_int_equal(tcflow(writer.fd, TCOOFF), 0);
    put(&writer, "line", 0);
    assert_false(writer_flush(&writer, NOT_LONG_MS));
    put(&writer, "line", 1);
    assert_int_equal(tcflow(writer.fd, TCOON), 0);
    assert_true(writer_flush(&writer, LONG_MS));
    size_t length = 0;
    while (length < strlen("line 0\r\nline 1\r\n"))
        length += (size_t)read(master, text + length, sizeof text - length);
    assert_memory_equal(text, "line 0\r\nline 1\r\n", length);
    close(master);
}

/* No reader at all is no reason to wait either. */
static void test_a_reader_that_has_gone(void **state)
{
    static struct writer writer = WRITER(-1, describe_loss);
    int ends[2];
    (void)state;
    assert_int_equal(pipe(ends), 0);
    close(ends[0]);
    writer.fd = ends[1];
    for (unsigned i = 0; i < MANY; i++)
        put(&writer, "line", i);
    assert_true(writer_flush(&writer, LONG_MS));
}

static void test_the_longest_line_and_a_longer_one(void **state)
{
    static struct writer writer = WRITER(-1, describe_loss);
    static char line[WRITER_LINE_BYTES + 1], read_back[WRITER_LINE_BYTES + 2];
    int ends[2];
    (void)state;
    assert_int_equal(pipe(ends), 0);
    writer.fd = ends[1];
    FILE *reader = fdopen(ends[0], "r");
    memset(line, 'x', sizeof line);
    line[WRITER_LINE_BYTES - 1] = '\n';
    writer_put(&writer, line, WRITER_LINE_BYTES);
    assert_non_null(fgets(read_back, sizeof read_back, reader));
    assert_memory_equal(read_back, line, WRITER_LINE_BYTES);
    writer_put(&writer, line, WRITER_LINE_BYTES + 1);
    assert_int_equal(read_line(reader, "", 0), 1);
    fclose(reader);
}

static void test_without_a_thread(void **state)
{
    static struct writer writer = WRITER(-1, describe_loss);
    pthread_attr_t before, impossible;
    int ends[2];
    (void)state;
    assert_int_equal(pipe(ends), 0);
    writer.fd = ends[1];
    FILE *reader = fdopen(ends[0], "r");
    pthread_getattr_default_np(&before);
    pthread_attr_init(&impossible);
    pthread_attr_setstacksize(&impossible, (size_t)1 << 46);
    assert_int_equal(pthread_setattr_default_np(&impossible), 0);
    put(&writer, "line", 0);
    assert_false(writer.running);
    assert_int_equal(read_line(reader, "line", 0), 0);
    size_t filled = fill(ends[1]);
    put(&writer, "lost", 0); /* does not fit, and does not wait */
    pthread_setattr_default_np(&before);
    put(&writer, "line", 1);
    skip_bytes(reader, filled);
    assert_int_equal(read_line(reader, "line", 1), 0);
    fclose(reader);
}

struct crowd {
    struct writer *writer;
    char name[16];
};

static void *put_many(void *data)
{
    const struct crowd *member = data;
    for (unsigned i = 0; i < EACH; i++)
        put(member->writer, member->name, i);
    return NULL;
}

/* Each thread's lines that come are whole and in its order, and none is missing that is not
 * counted. */
static void check_crowd(FILE *reader)
{
    unsigned next[THREADS] = {0}, arrived = 0, lost = 0;
    while (arrived + lost < THREADS * EACH) {
        char line[100];
        unsigned who = 0, number, gap;
        assert_non_null(fgets(line, sizeof line, reader));
        if (sscanf(line, "lost %u\n", &gap) == 1) {
            lost += gap;
            continue;
        }
        assert_int_equal(sscanf(line, "thread%u %u\n", &who, &number), 2);
        assert_true(who < THREADS && number >= next[who] && number < EACH);
        next[who] = number + 1;
        arrived++;
    }
    print_message("%u lines arrived, %u are lost\n", arrived, lost);
}

static void test_many_threads(void **state)
{
    static struct writer writer = WRITER(-1, describe_loss);
    pthread_t threads[THREADS];
    struct crowd crowd[THREADS];
    int ends[2];
    (void)state;
    assert_int_equal(pipe(ends), 0);
    writer.fd = ends[1];
    for (unsigned i = 0; i < THREADS; i++) {
        crowd[i].writer = &writer;
        snprintf(crowd[i].name, sizeof crowd[i].name, "thread%u", i);
        assert_int_equal(pthread_create(&threads[i], NULL, put_many, &crowd[i]), 0);
    }
    FILE *reader = fdopen(ends[0], "r");
    check_crowd(reader);
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    fclose(reader);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_pipe_that_nobody_reads),
        cmocka_unit_test(test_a_socket_that_nobody_reads),
        cmocka_unit_test(test_a_description_that_does_not_block),
        cmocka_unit_test(test_a_terminal_that_is_stopped),
        cmocka_unit_test(test_a_reader_that_has_gone),
        cmocka_unit_test(test_the_longest_line_and_a_longer_one),
        cmocka_unit_test(test_without_a_thread),
        cmocka_unit_test(test_many_threads),
    };
    harness_prepare_process();
    return cmocka_run_group_tests_name("writer", tests, NULL, NULL);
}
