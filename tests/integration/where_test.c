/* where_test.c – a server says where it is watched to those who ask it for what its observer has,
 * and what to do about a port that is taken. Alone and in a cluster. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/harness.h"
#include "tests/support/program.h"

/* "http://127.0.0.1:8081", as the log says it behind the line `listening`. */
static void observer_url(struct program *program, char url[64])
{
    static const char label[] = "\"url\":\"";
    assert_true(program_await(program, "observing"));
    const char *found = strstr(program->line, label);
    assert_non_null(found);
    snprintf(url, 64, "%.*s", (int)strcspn(found + sizeof label - 1, "\""),
             found + sizeof label - 1);
}

/* What the server answers on a connection of its own. */
static const char *answer_of(unsigned port, const char *target)
{
    int peer = peer_connect(port);
    peer_get(peer, target);
    const char *answer = peer_answer(peer);
    assert_non_null(answer);
    close(peer);
    return answer;
}

static void assert_not_found(const char *answer, const char *detail)
{
    assert_memory_equal(answer, "HTTP/1.1 404", 12);
    assert_non_null(strstr(answer, detail));
}

static void assert_says_where(unsigned port, const char *url)
{
    static const char *const paths[] = {"/metrics", "/events", "/trace.json", "/report", "/config"};
    char wanted[128];
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        snprintf(wanted, sizeof wanted, "the observer answers that: %s%s\"", url, paths[i]);
        assert_not_found(answer_of(port, paths[i]), wanted);
    }
    snprintf(wanted, sizeof wanted, "\nWatch it on %s,", url);
    assert_non_null(strstr(peer_ask_once(port, "/"), wanted));
    assert_not_found(answer_of(port, "/nowhere"), "there is nothing here; GET / lists the routes");
}

static void test_a_server_alone(void **state)
{
    char url[64];
    (void)state;
    struct program program = program_start(-1, "--observer=0", NULL);
    assert_true(program_await(&program, "listening"));
    observer_url(&program, url);
    assert_says_where(program.port, url);
    program_stop(&program);
}

/* The parent's observer is every member's, and each of them knows it: the connections are dealt out
 * in turn. */
static void test_a_cluster(void **state)
{
    char url[64];
    (void)state;
    struct program program = program_start(-1, "--cluster=2", "--observer=0", "--workers=1", NULL);
    assert_true(program_await(&program, "listening"));
    observer_url(&program, url);
    assert_says_where(program.port, url);
    assert_says_where(program.port, url);
    program_stop(&program);
}

static void test_an_address_of_IPv6(void **state)
{
    char url[64];
    (void)state;
    struct program program = program_start(-1, "--observer=0", "--observer-host=::1", NULL);
    if (!program_await(&program, "listening")) {
        print_message("skipped: there is no IPv6 here\n");
        assert_int_equal(program_end(&program), 1);
        return;
    }
    observer_url(&program, url);
    assert_memory_equal(url, "http://[::1]:", 13);
    assert_says_where(program.port, url);
    program_stop(&program);
}

static void test_off(void **state)
{
    (void)state;
    struct program program = program_start(-1, "--observer=off", NULL);
    assert_true(program_await(&program, "listening"));
    assert_not_found(answer_of(program.port, "/metrics"), "there is none");
    assert_null(strstr(peer_ask_once(program.port, "/"), "Watch it on"));
    program_stop(&program);
}

/* ------------------------------------------------------------------ a port that is taken */

static void assert_advised(const char *event, const char *advice, const char *port,
                           const char *cluster)
{
    struct program program = program_start(-1, port, cluster, NULL);
    assert_true(program_await(&program, event));
    assert_non_null(strstr(program.line, "address already in use; choose another with "));
    assert_non_null(strstr(program.line, advice));
    (void)program_await_silence(&program);
    assert_int_equal(program_end(&program), 1);
}

static void test_a_port_that_is_taken(void **state)
{
    char port[32], observer[32];
    (void)state;
    struct program program = program_start(-1, "--observer=off", NULL);
    assert_true(program_await(&program, "listening"));
    snprintf(port, sizeof port, "--port=%u", program.port);
    snprintf(observer, sizeof observer, "--observer=%u", program.port);
    assert_advised("listen_failed", "with --port=N (0: any free one)", port, "--cluster=0");
    assert_advised("listen_failed", "with --port=N (0: any free one)", port, "--cluster=2");
    assert_advised("observer_failed", "with --observer=PORT (0: any free one, off: none)", observer,
                   "--cluster=0");
    assert_advised("observer_failed", "with --observer=PORT (0: any free one, off: none)", observer,
                   "--cluster=2");
    program_stop(&program);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_server_alone),       cmocka_unit_test(test_a_cluster),
        cmocka_unit_test(test_an_address_of_IPv6),   cmocka_unit_test(test_off),
        cmocka_unit_test(test_a_port_that_is_taken),
    };
    harness_prepare_process();
    return cmocka_run_group_tests_name("where", tests, NULL, NULL);
}
