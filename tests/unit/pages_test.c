/* pages_test.c – a server of nothing but one document: how often it is written, for whom, and what
 * it costs that nobody reads it. */
#include "server/observe/pages.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/client.h"
#include "tests/support/harness.h"

enum { READERS = 40, LONG_BYTES = 12 * 1024 * 1024 };

struct printer {
    uv_loop_t loop;
    struct http_server http;
    struct clients clients;
    struct pages pages;
    struct client *readers[READERS];
    unsigned asked, written;
    size_t bytes; /* of the document, behind its number */
    int rc;
    bool is_cut;
};

static int write_number(FILE *out, void *context)
{
    struct printer *printer = context;
    fprintf(out, "%u\n", ++printer->written);
    for (size_t i = 0; i < printer->bytes; i++)
        putc('x', out);
    return printer->rc;
}

static void answer_number_page(struct http_exchange *exchange, void *context)
{
    struct printer *printer = context;
    printer->asked++;
    pages_answer(&printer->pages, exchange, "text/plain", write_number);
}

static int printer_open(void **state)
{
    static const struct http_route table[] = {{"/", HTTP_METHOD_GET, answer_number_page, "", ""}};
    static const struct http_router router = {table, 1, NULL};
    const struct http_limits limits = HTTP_LIMITS_DEFAULT;
    struct printer *printer = *state = calloc(1, sizeof *printer);
    assert_non_null(printer);
    assert_int_equal(uv_loop_init(&printer->loop), 0);
    assert_int_equal(http_server_init(&printer->http, &printer->loop, &limits, &router, printer),
                     0);
    assert_int_equal(http_server_listen(&printer->http, "127.0.0.1", 0, false), 0);
    pages_init(&printer->pages, &printer->http, printer);
    printer->clients = (struct clients){.loop = &printer->loop};
    return 0;
}

/* Ends the server; once. */
static void printer_cut(struct printer *printer)
{
    if (printer->is_cut)
        return;
    printer->is_cut = true;
    http_server_drain(&printer->http, NULL, NULL);
    http_server_cut(&printer->http);
}

static int printer_close(void **state)
{
    struct printer *printer = *state;
    clients_leave(&printer->clients);
    printer_cut(printer);
    pages_close(&printer->pages);
    uv_run(&printer->loop, UV_RUN_DEFAULT);
    clients_free(&printer->clients);
    assert_int_equal(uv_loop_close(&printer->loop), 0);
    free(printer);
    return 0;
}

static struct client *open_client(struct printer *printer)
{
    return client_open(&printer->clients, http_server_port(&printer->http));
}

/* All of them are connected, and ask before the server looks at its sockets again. */
static void ask_at_once(struct printer *printer, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        printer->readers[i] = open_client(printer);
        client_get(printer->readers[i], "/");
        assert_int_equal(client_await(printer->readers[i], 1)->status, 200);
    }
    printer->written = 0;
    for (unsigned i = 0; i < count; i++)
        client_get(printer->readers[i], "/");
}

static void test_it_is_written_once_for_all_who_ask_at_once(void **state)
{
    struct printer *printer = *state;
    unsigned answered = 0;
    ask_at_once(printer, READERS);
    for (unsigned i = 0; i < READERS; i++) {
        const struct answer *answer = client_await(printer->readers[i], 2);
        assert_int_equal(answer->status, 200);
        assert_string_equal(answer_field(answer, "Content-Type"), "text/plain");
        answered += atoi(answer->body) >= 1;
    }
    assert_int_equal(answered, READERS);
    assert_true(printer->written < READERS / 2);
}

/* Also the next request of the same connection, which was there before the answer. */
static void test_who_asks_later_gets_a_later_one(void **state)
{
    struct printer *printer = *state;
    struct client *client = open_client(printer);
    client_send(client, "GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n");
    client_await(client, 2);
    assert_int_equal(atoi(client->answers[0].body), 1);
    assert_int_equal(atoi(client->answers[1].body), 2);
    assert_int_equal(printer->written, 2);
}

static void test_who_leaves_before_the_answer(void **state)
{
    struct printer *printer = *state;
    struct client *client = open_client(printer);
    client_get(client, "/");
    while (printer->asked == 0)
        uv_run(&printer->loop, UV_RUN_ONCE);
    printer_cut(printer);
    for (size_t i = 0; i < PAGES_WAITERS; i++)
        assert_null(printer->pages.waiters[i].exchange);
    client_await_end(client);
    assert_int_equal(printer->written, 0);
}

/* ------------------------------------------------------------------ bounds */

static unsigned count_of_status(const struct printer *printer, int status)
{
    unsigned count = 0;
    for (unsigned i = 0; i < READERS; i++) {
        const struct client *reader = printer->readers[i];
        count += reader->answer_count > 0 && reader->answers[0].status == status;
    }
    return count;
}

/* The first ones cost what they cost; the others are told that there is no room. */
static void test_what_nobody_reads_is_bounded(void **state)
{
    struct printer *printer = *state;
    printer->bytes = LONG_BYTES;
    for (unsigned i = 0; i < READERS; i++) {
        printer->readers[i] = client_open_deaf(&printer->clients, http_server_port(&printer->http));
        client_get(printer->readers[i], "/");
    }
    while (printer->asked < READERS || uv_is_active((uv_handle_t *)&printer->pages.turn)) {
        uv_run(&printer->loop, UV_RUN_ONCE);
        assert_true(http_server_unread_bytes(&printer->http) <= PAGES_UNREAD_BYTES);
    }
    assert_true(http_server_unread_bytes(&printer->http) > 0);
    struct client *other = open_client(printer);
    client_get(other, "/");
    const struct answer *answer = client_await(other, 1);
    assert_int_equal(answer->status, 503);
    assert_non_null(answer_field(answer, "Retry-After"));
    assert_int_equal(count_of_status(printer, 200), 0);
}

static void test_what_cannot_be_written_is_said(void **state)
{
    struct printer *printer = *state;
    struct client *client = open_client(printer);
    printer->rc = -EIO;
    client_get(client, "/");
    assert_int_equal(client_await(client, 1)->status, 503);
    printer->rc = 0;
    client_get(client, "/");
    assert_int_equal(client_await(client, 2)->status, 200);
}

#define PAGES_TEST(name) cmocka_unit_test_setup_teardown(name, printer_open, printer_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        PAGES_TEST(test_it_is_written_once_for_all_who_ask_at_once),
        PAGES_TEST(test_who_asks_later_gets_a_later_one),
        PAGES_TEST(test_who_leaves_before_the_answer),
        PAGES_TEST(test_what_nobody_reads_is_bounded),
        PAGES_TEST(test_what_cannot_be_written_is_said),
    };
    harness_prepare_process();
    return cmocka_run_group_tests_name("pages", tests, NULL, NULL);
}
