/* member_test.c – a member as its parent hears it: this process is both, over one channel. */
#include "server/cluster/member.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "server/cluster/channel.h"

struct pair {
    uv_loop_t loop;
    struct member member;
    int parent;  /* the parent's end of the channel */
    int verdict; /* what on_connection is to return */
    int taken, ends;
};

static int on_connection(void *data, int fd)
{
    struct pair *pair = data;
    if (pair->verdict == 0) {
        close(fd);
        pair->taken++;
    }
    return pair->verdict;
}

static void on_end(void *data)
{
    struct pair *pair = data;
    pair->ends++;
}

static const struct member_events events = {on_connection, on_end};

static void open_pair(struct pair *pair)
{
    int ends[2];
    *pair = (struct pair){.verdict = 0};
    assert_int_equal(channel_pair(ends), 0);
    pair->parent = fcntl(ends[0], F_DUPFD_CLOEXEC, MEMBER_LISTENER_FD + 1);
    assert_int_equal(dup2(ends[1], MEMBER_CHANNEL_FD), MEMBER_CHANNEL_FD);
    for (int i = 0; i < 2; i++) {
        if (ends[i] != MEMBER_CHANNEL_FD)
            close(ends[i]);
    }
    assert_int_equal(uv_loop_init(&pair->loop), 0);
    assert_int_equal(member_join(&pair->member, &pair->loop, &events, pair), 0);
}

static void close_pair(struct pair *pair)
{
    member_leave(&pair->member);
    uv_run(&pair->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&pair->loop), 0);
    close(pair->parent);
    close(MEMBER_CHANNEL_FD);
}

/* The parent deals a connection, and the member hears of it. */
static void deal(struct pair *pair)
{
    assert_int_equal(channel_say(pair->parent, CHANNEL_CONNECTION, STDOUT_FILENO), 0);
    uv_run(&pair->loop, UV_RUN_ONCE);
}

static void expect_word(const struct pair *pair, enum channel_word expected)
{
    enum channel_word word;
    int descriptor;
    assert_int_equal(channel_hear(pair->parent, &word, &descriptor), 1);
    assert_int_equal(word, expected);
    assert_int_equal(channel_hear(pair->parent, &word, &descriptor), 0);
}

static int next_descriptor(void)
{
    int fd = dup(STDOUT_FILENO);
    close(fd);
    return fd;
}

static void test_it_says_that_it_is_ready(void **state)
{
    struct pair pair;
    (void)state;
    open_pair(&pair);
    member_tell_ready(&pair.member);
    expect_word(&pair, CHANNEL_READY);
    close_pair(&pair);
}

static void test_it_answers_for_a_connection(void **state)
{
    struct pair pair;
    (void)state;
    open_pair(&pair);
    deal(&pair);
    expect_word(&pair, CHANNEL_TAKEN);
    assert_int_equal(pair.taken, 1);
    close_pair(&pair);
}

static void test_what_it_refuses_is_closed(void **state)
{
    struct pair pair;
    (void)state;
    open_pair(&pair);
    int next = next_descriptor();
    pair.verdict = UV_ECANCELED;
    deal(&pair);
    expect_word(&pair, CHANNEL_REFUSED);
    assert_int_equal(next_descriptor(), next);
    close_pair(&pair);
}

/* The kernel then delivers the word and drops the descriptor. A parent that waited for an answer
 * would deal nothing to this member any more. */
static void test_it_refuses_what_it_has_no_descriptor_for(void **state)
{
    struct pair pair;
    struct rlimit before, full;
    (void)state;
    open_pair(&pair);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    full = before;
    full.rlim_cur = (rlim_t)next_descriptor();
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &full), 0);
    deal(&pair);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    expect_word(&pair, CHANNEL_REFUSED);
    deal(&pair);
    expect_word(&pair, CHANNEL_TAKEN);
    assert_int_equal(pair.taken, 1);
    close_pair(&pair);
}

/* A parent of another version may know more words, and send a descriptor with one. */
static void test_words_that_it_does_not_know(void **state)
{
    struct pair pair;
    (void)state;
    open_pair(&pair);
    int next = next_descriptor();
    for (int word = 0; word < 256; word++) {
        if (word == CHANNEL_CONNECTION || word == CHANNEL_DRAIN)
            continue;
        assert_int_equal(channel_say(pair.parent, (enum channel_word)word, STDOUT_FILENO), 0);
        uv_run(&pair.loop, UV_RUN_ONCE);
    }
    assert_int_equal(next_descriptor(), next);
    assert_int_equal(pair.taken + pair.ends, 0);
    deal(&pair);
    expect_word(&pair, CHANNEL_TAKEN);
    close_pair(&pair);
}

static void test_it_takes_what_was_dealt_before_the_end(void **state)
{
    struct pair pair;
    (void)state;
    open_pair(&pair);
    assert_int_equal(channel_say(pair.parent, CHANNEL_CONNECTION, STDOUT_FILENO), 0);
    assert_int_equal(channel_say(pair.parent, CHANNEL_DRAIN, -1), 0);
    channel_end(pair.parent);
    uv_run(&pair.loop, UV_RUN_DEFAULT); /* until there is nothing to listen to any more */
    assert_int_equal(pair.taken, 1);
    assert_int_equal(pair.ends, 1);
    expect_word(&pair, CHANNEL_TAKEN);
    close_pair(&pair);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_it_says_that_it_is_ready),
        cmocka_unit_test(test_it_answers_for_a_connection),
        cmocka_unit_test(test_what_it_refuses_is_closed),
        cmocka_unit_test(test_it_refuses_what_it_has_no_descriptor_for),
        cmocka_unit_test(test_words_that_it_does_not_know),
        cmocka_unit_test(test_it_takes_what_was_dealt_before_the_end),
    };
    return cmocka_run_group_tests_name("member", tests, NULL, NULL);
}
