/* channel_test.c – words and descriptors between two processes, in their order. */
#include "server/cluster/channel.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

struct ends {
    int ours, theirs;
};

static struct ends open_ends(void)
{
    int ends[2];
    assert_int_equal(channel_pair(ends), 0);
    return (struct ends){ends[0], ends[1]};
}

static void expect_word(int channel, enum channel_word expected)
{
    enum channel_word word;
    int descriptor;
    assert_int_equal(channel_hear(channel, &word, &descriptor), 1);
    assert_int_equal(word, expected);
    assert_int_equal(descriptor, -1);
}

static void test_words_keep_their_order(void **state)
{
    struct ends ends = open_ends();
    enum channel_word word;
    int descriptor;
    (void)state;
    assert_int_equal(channel_hear(ends.theirs, &word, &descriptor), 0);
    assert_int_equal(channel_say(ends.ours, CHANNEL_READY, -1), 0);
    assert_int_equal(channel_say(ends.ours, CHANNEL_TAKEN, -1), 0);
    expect_word(ends.theirs, CHANNEL_READY);
    expect_word(ends.theirs, CHANNEL_TAKEN);
    assert_int_equal(channel_hear(ends.theirs, &word, &descriptor), 0);
    close(ends.ours);
    close(ends.theirs);
}

/* The receiver's is another descriptor of the same thing, and not for the processes it starts. */
static void test_a_descriptor_comes_with_its_word(void **state)
{
    struct ends ends = open_ends();
    enum channel_word word;
    int things[2], got;
    char byte = 0;
    (void)state;
    assert_int_equal(pipe(things), 0);
    assert_int_equal(channel_say(ends.ours, CHANNEL_READY, -1), 0);
    assert_int_equal(channel_say(ends.ours, CHANNEL_CONNECTION, things[1]), 0);
    assert_int_equal(channel_say(ends.ours, CHANNEL_TAKEN, -1), 0);
    close(things[1]);
    expect_word(ends.theirs, CHANNEL_READY);
    assert_int_equal(channel_hear(ends.theirs, &word, &got), 1);
    assert_int_equal(word, CHANNEL_CONNECTION);
    assert_true(got >= 0);
    assert_int_equal(fcntl(got, F_GETFD), FD_CLOEXEC);
    assert_int_equal(write(got, "x", 1), 1);
    assert_int_equal(read(things[0], &byte, 1), 1);
    assert_int_equal(byte, 'x');
    expect_word(ends.theirs, CHANNEL_TAKEN);
    close(got);
    close(things[0]);
    close(ends.ours);
    close(ends.theirs);
}

static void test_the_end_comes_behind_the_words(void **state)
{
    struct ends ends = open_ends();
    enum channel_word word;
    int descriptor;
    (void)state;
    assert_int_equal(channel_say(ends.ours, CHANNEL_CONNECTION, -1), 0);
    channel_end(ends.ours);
    expect_word(ends.theirs, CHANNEL_CONNECTION);
    assert_int_equal(channel_hear(ends.theirs, &word, &descriptor), -EPIPE);
    assert_int_equal(channel_say(ends.theirs, CHANNEL_TAKEN, -1), 0);
    expect_word(ends.ours, CHANNEL_TAKEN);
    close(ends.ours);
    close(ends.theirs);
}

/* As when a process dies: what it has said can still be heard, and saying is an error, no signal.
 */
static void test_the_other_end_is_gone(void **state)
{
    struct ends ends = open_ends();
    enum channel_word word;
    int descriptor;
    (void)state;
    assert_int_equal(channel_say(ends.theirs, CHANNEL_TAKEN, -1), 0);
    assert_int_equal(channel_say(ends.ours, CHANNEL_CONNECTION, -1), 0);
    close(ends.theirs);
    expect_word(ends.ours, CHANNEL_TAKEN);
    assert_true(channel_hear(ends.ours, &word, &descriptor) < 0);
    assert_int_equal(channel_say(ends.ours, CHANNEL_CONNECTION, -1), -EPIPE);
    close(ends.ours);
}

static void test_a_full_channel_does_not_block(void **state)
{
    struct ends ends = open_ends();
    int rc = 0, said = 0, thing = dup(STDOUT_FILENO);
    enum channel_word word;
    int got;
    (void)state;
    while ((rc = channel_say(ends.ours, CHANNEL_CONNECTION, thing)) == 0)
        said++;
    assert_true(rc == -EAGAIN || rc == -ETOOMANYREFS);
    assert_true(said >= 64); /* one for every member that there may be, and more */
    for (; said > 0; said--) {
        assert_int_equal(channel_hear(ends.theirs, &word, &got), 1);
        assert_true(got >= 0);
        close(got);
    }
    assert_int_equal(channel_hear(ends.theirs, &word, &got), 0);
    close(thing);
    close(ends.ours);
    close(ends.theirs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words_keep_their_order),
        cmocka_unit_test(test_a_descriptor_comes_with_its_word),
        cmocka_unit_test(test_the_end_comes_behind_the_words),
        cmocka_unit_test(test_the_other_end_is_gone),
        cmocka_unit_test(test_a_full_channel_does_not_block),
    };
    return cmocka_run_group_tests_name("channel", tests, NULL, NULL);
}
