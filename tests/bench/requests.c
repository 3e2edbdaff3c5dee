/* requests.c – a whole server and one client in one thread, for counting instructions.
 *
 * The client sends one write and waits for all its answers, again and again. The server runs only
 * inside serve(), so `valgrind --tool=callgrind --toggle-collect=serve` counts what the server and
 * its libraries do in user space, and nothing of the client, of start-up, or of the calibration,
 * which is another thread's. tests/bench/instructions does that.
 *
 *     requests SHAPE WRITES        prints the number of requests answered
 *
 * SHAPE: keep-alive (a request as wrk's), browser (600 bytes of field lines), pipelined (16 in each
 * write). Each of them with "-varied" behind it: no request is the same as the one before, so that
 * the server cannot remember what it said. Two with "-unobserved": the server records nothing. */
#include <arpa/inet.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include "server/app.h"

enum { WARM_UP = 64, DEPTH = 16, REQUESTS_BYTES = 16 * 1024, ANSWERS_BYTES = 64 * 1024 };

/* Of the same size in every run: where a port stands, five digits. */
#define FAST " HTTP/1.1\r\nHost: 127.0.0.1:18080\r\n"

#define BROWSER                                                                                    \
    FAST                                                                                           \
        "Connection: keep-alive\r\nCache-Control: max-age=0\r\nUpgrade-Insecure-Requests: 1\r\n"   \
        "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "      \
        "Chrome/130.0.0.0 Safari/537.36\r\n"                                                       \
        "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,"     \
        "image/apng,*/*;q=0.8\r\nSec-Fetch-Site: none\r\nSec-Fetch-Mode: navigate\r\n"             \
        "Sec-Fetch-User: ?1\r\nSec-Fetch-Dest: document\r\n"                                       \
        "Accept-Encoding: gzip, deflate, br, zstd\r\nAccept-Language: en-GB,en;q=0.9,de;q=0.8\r\n" \
        "Cookie: theme=dark; session=0123456789abcdef0123456789abcdef\r\n"

struct shape {
    const char *name;
    const char *head; /* behind the target */
    unsigned depth;
    bool varied, unobserved;
};

static const struct shape shapes[] = {
    {"keep-alive", FAST, 1, false, false},
    {"keep-alive-varied", FAST, 1, true, false},
    {"keep-alive-unobserved", FAST, 1, false, true},
    {"browser", BROWSER, 1, false, false},
    {"browser-varied", BROWSER, 1, true, false},
    {"pipelined", FAST, DEPTH, false, false},
    {"pipelined-varied", FAST, DEPTH, true, false},
    {"pipelined-unobserved", FAST, DEPTH, false, true},
};

static void check(bool good, const char *what)
{
    if (!good) {
        fprintf(stderr, "requests: %s\n", what);
        exit(EXIT_FAILURE);
    }
}

/* ------------------------------------------------------------------ the server */

/* The only place where the server runs. callgrind finds it by its name. */
__attribute__((noinline)) void serve(uv_loop_t *loop, uv_run_mode mode);

__attribute__((noinline)) void serve(uv_loop_t *loop, uv_run_mode mode)
{
    uv_run(loop, mode);
}

static struct app *start(uv_loop_t *loop, bool unobserved)
{
    static char program[] = "requests", port[] = "--port=0", source[] = "--slow-io=timer",
                observer[] = "--observer=off";
    char *arguments[] = {program, port, source, observer, NULL};
    int count = unobserved ? 4 : 3;
    struct options options;
    struct app *app = NULL;
    char error[300];
    check(options_parse(&options, count, arguments, error, sizeof error) == OPTIONS_RUN, "options");
    check(uv_loop_init(loop) == 0 && app_new(&app, loop, &options) == 0, "cannot make a server");
    check(app_listen(app) == 0, "cannot listen");
    return app;
}

/* ------------------------------------------------------------------ the client */

static int connect_to(unsigned port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    check(fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) == 0, "connect");
    return fd;
}

static size_t count_answers(const char *bytes, size_t length)
{
    static const char start[] = "HTTP/1.1 200 OK\r\n", end[] = "at once\n";
    size_t count = 0;
    if (length < sizeof end || memcmp(bytes + length - (sizeof end - 1), end, sizeof end - 1) != 0)
        return 0;
    for (const char *at = bytes;
         (at = memmem(at, (size_t)(bytes + length - at), start, sizeof start - 1)) != NULL; at++)
        count++;
    return count;
}

/* One write, and the loop until every answer has come. */
static void exchange(uv_loop_t *loop, int fd, const char *requests, size_t bytes, unsigned depth)
{
    static char answers[ANSWERS_BYTES];
    size_t length = 0;
    check(write(fd, requests, bytes) == (ssize_t)bytes, "write");
    serve(loop, UV_RUN_ONCE);
    while (count_answers(answers, length) < depth) {
        struct pollfd ready = {.fd = fd, .events = POLLIN};
        if (poll(&ready, 1, 0) == 0) {
            serve(loop, UV_RUN_ONCE); /* it was woken by something else */
            continue;
        }
        ssize_t got = read(fd, answers + length, sizeof answers - length);
        check(got > 0, "the server closed the connection");
        length += (size_t)got;
    }
}

/* ------------------------------------------------------------------ main */

static const struct shape *shape_named(const char *name)
{
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        if (strcmp(shapes[i].name, name) == 0)
            return &shapes[i];
    }
    return NULL;
}

/* `first` is 0 or 1: which of the two targets comes first, if they vary. */
static size_t fill(char *requests, const struct shape *shape, unsigned first)
{
    char *at = requests;
    for (unsigned i = 0; i < shape->depth; i++) {
        at = stpcpy(at, !shape->varied    ? "GET /fast"
                        : (first + i) % 2 ? "GET /fast?b"
                                          : "GET /fast?a");
        at = stpcpy(stpcpy(at, shape->head), "\r\n");
    }
    return (size_t)(at - requests);
}

int main(int argc, char **argv)
{
    static char requests[2][REQUESTS_BYTES];
    const struct shape *shape = argc == 3 ? shape_named(argv[1]) : NULL;
    unsigned writes = argc == 3 ? (unsigned)strtoul(argv[2], NULL, 10) : 0;
    uv_loop_t loop;
    if (shape == NULL) {
        fprintf(stderr,
                "Usage: requests (keep-alive|browser|pipelined)[-varied|-unobserved] WRITES\n");
        return 2;
    }
    size_t bytes = fill(requests[0], shape, 0);
    fill(requests[1], shape, 1);
    struct app *app = start(&loop, shape->unobserved);
    int fd = connect_to(app_port(app));
    for (unsigned i = 0; i < WARM_UP + writes; i++)
        exchange(&loop, fd, requests[i % 2], bytes, shape->depth);
    printf("%u\n", writes * shape->depth);
    close(fd);
    app_drain(app);
    uv_run(&loop, UV_RUN_DEFAULT);
    app_free(app);
    return uv_loop_close(&loop) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
