/* load.c – a closed-loop generator that costs less than what it measures.
 *
 * wrk parses every answer, and its core is full before a fast server's is: all the fast ones look
 * alike. This one knows how long an answer is after the first and then only counts bytes, so it
 * saturates the server instead. It also does what wrk cannot: 10,000 connections without a ramp, a
 * connection for each request, connections that stay idle.
 *
 *     load PORT CONNECTIONS SECONDS [keep|close|idle] [DEPTH] [FIELD_BYTES]
 *
 * keep: DEPTH requests in each write, the next when all are answered. close: a connection for each
 * request. idle: each connection has one answer, then all are held until standard input ends.
 * Prints "requests seconds" when it is done, or "idle" when all are connected. Each answer must be
 * a 200 of the same length; anything else ends the program with status 1. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { INPUT_BYTES = 256 * 1024, EVENTS = 1024, DEPTH_MAX = 256, BURST = 64 };

struct load {
    struct sockaddr_in server;
    unsigned connections, depth;
    enum { KEEP, CLOSE, IDLE } mode;
    char *requests; /* depth of them, one behind the other */
    size_t requests_bytes;
    size_t answer_bytes; /* of one; 0: not known yet */
    uint64_t answered;
    unsigned quiet; /* idle mode: connections that have had their answer */
    int epoll;
    size_t *waiting; /* by descriptor: bytes that are still to come */
};

static char input[INPUT_BYTES];

static void fail(const char *what)
{
    fprintf(stderr, "load: %s\n", what);
    exit(EXIT_FAILURE);
}

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* ------------------------------------------------------------------ the request */

static void make_requests(struct load *load, size_t field_bytes)
{
    static const char pad[] = "abcdefghijklmnopqrstuvwxyz-0123456789; q=0.9, ";
    size_t room = load->depth * (256 + field_bytes * 2);
    char *at = load->requests = malloc(room);
    if (at == NULL)
        fail("out of memory");
    for (unsigned i = 0; i < load->depth; i++) {
        at += sprintf(at, "GET /fast HTTP/1.1\r\nHost: 127.0.0.1:%u\r\n%s",
                      ntohs(load->server.sin_port),
                      load->mode == CLOSE ? "Connection: close\r\n" : "");
        /* Fields of about 50 bytes, as a browser's are. */
        for (size_t sent = 0, line = 0; sent < field_bytes; sent += 50, line++)
            at += sprintf(at, "X-Field-%zu: %.37s\r\n", line % 10, pad);
        at += sprintf(at, "\r\n");
    }
    load->requests_bytes = (size_t)(at - load->requests);
}

/* ------------------------------------------------------------------ connections */

static void send_requests(struct load *load, int fd)
{
    if (write(fd, load->requests, load->requests_bytes) != (ssize_t)load->requests_bytes)
        fail("the server did not take the requests");
    load->waiting[fd] = load->answer_bytes * load->depth;
}

/* Blocking for the moment of connecting: on loopback it does not wait. */
static int open_connection(struct load *load)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
    if (fd < 0 || connect(fd, (struct sockaddr *)&load->server, sizeof load->server) != 0)
        fail(strerror(errno));
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

/* A closed connection would leave its port in TIME_WAIT here, and after 28,000 of them there would
 * be none left: a reset leaves nothing. */
static void close_connection(int fd)
{
    struct linger linger = {.l_onoff = 1, .l_linger = 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    close(fd);
}

static void begin(struct load *load)
{
    int fd = open_connection(load);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    if (epoll_ctl(load->epoll, EPOLL_CTL_ADD, fd, &event) != 0)
        fail(strerror(errno));
    send_requests(load, fd);
}

/* One request by itself: how long is an answer? */
static void learn(struct load *load)
{
    int fd = open_connection(load);
    size_t length = 0, request = load->requests_bytes / load->depth;
    const char *end = NULL;
    if (write(fd, load->requests, request) != (ssize_t)request)
        fail("the server took no request");
    while (load->answer_bytes == 0 || length < load->answer_bytes) {
        ssize_t got = read(fd, input + length, sizeof input - 1 - length);
        if (got <= 0)
            fail("the first answer did not come");
        length += (size_t)got;
        input[length] = '\0';
        end = strstr(input, "\r\n\r\n");
        const char *field = strcasestr(input, "content-length:");
        if (end != NULL && (field == NULL || field > end))
            fail("the answer has no Content-Length");
        if (end != NULL)
            load->answer_bytes = (size_t)(end + 4 - input) + strtoul(field + 15, NULL, 10);
    }
    if (strncmp(input, "HTTP/1.1 200 ", 13) != 0)
        fail("the answer is not a 200");
    close_connection(fd);
}

/* ------------------------------------------------------------------ answers */

static void answered(struct load *load, int fd)
{
    load->answered += load->depth;
    if (load->mode == KEEP) {
        send_requests(load, fd);
    } else if (load->mode == CLOSE) {
        close_connection(fd);
        begin(load);
    } else {
        load->quiet++;
    }
}

static void receive(struct load *load, int fd)
{
    ssize_t got = read(fd, input, sizeof input);
    if (got <= 0 || (size_t)got > load->waiting[fd])
        fail(got <= 0 ? "the server closed a connection" : "more came than was asked for");
    if (load->waiting[fd] == load->answer_bytes * load->depth &&
        memcmp(input, "HTTP/1.1 200", (size_t)(got < 12 ? got : 12)) != 0)
        fail("an answer is not a 200");
    load->waiting[fd] -= (size_t)got;
    if (load->waiting[fd] == 0)
        answered(load, fd);
}

static void turn(struct load *load, int timeout_ms)
{
    struct epoll_event events[EVENTS];
    int count = epoll_wait(load->epoll, events, EVENTS, timeout_ms);
    for (int i = 0; i < count; i++)
        receive(load, events[i].data.fd);
}

/* In bursts, so that no backlog overflows. */
static void connect_all(struct load *load)
{
    for (unsigned opened = 0; opened < load->connections; opened++) {
        begin(load);
        if (opened % BURST == BURST - 1)
            turn(load, load->mode == IDLE ? 10 : 0);
    }
}

static void hold(struct load *load)
{
    while (load->quiet < load->connections)
        turn(load, 1000);
    puts("idle");
    fflush(stdout);
    while (getchar() != EOF)
        continue;
}

static void run(struct load *load, double seconds)
{
    double from = now();
    uint64_t before = load->answered;
    while (now() < from + seconds)
        turn(load, 100);
    printf("%llu %.6f\n", (unsigned long long)(load->answered - before), now() - from);
}

/* ------------------------------------------------------------------ main */

static unsigned argument(int argc, char **argv, int index, unsigned fallback)
{
    return index < argc ? (unsigned)strtoul(argv[index], NULL, 10) : fallback;
}

int main(int argc, char **argv)
{
    if (argc < 4) {
        fprintf(stderr, "Usage: load PORT CONNECTIONS SECONDS [keep|close|idle] [DEPTH] "
                        "[FIELD_BYTES]\n");
        return 2;
    }
    struct load load = {
        .server = {.sin_family = AF_INET,
                   .sin_port = htons((uint16_t)argument(argc, argv, 1, 0)),
                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)},
        .connections = argument(argc, argv, 2, 1),
        .depth = argument(argc, argv, 5, 1),
        .mode = argc < 5          ? KEEP
                : *argv[4] == 'c' ? CLOSE
                : *argv[4] == 'i' ? IDLE
                                  : KEEP,
        .epoll = epoll_create1(EPOLL_CLOEXEC),
        .waiting = calloc(65536, sizeof(size_t)),
    };
    if (load.waiting == NULL || load.depth == 0 || load.depth > DEPTH_MAX)
        fail("out of memory, or too deep");
    make_requests(&load, argument(argc, argv, 6, 0));
    learn(&load);
    connect_all(&load);
    if (load.mode == IDLE)
        hold(&load);
    else
        run(&load, strtod(argv[3], NULL));
    return 0;
}
