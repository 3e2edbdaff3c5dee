/* load.c – a closed-loop generator that costs less than what it measures.
 *
 * wrk parses every answer, and its core is full before a fast server's is: all the fast ones look
 * alike. This one knows how long an answer is after the first and then only counts bytes, so it
 * saturates the server instead. It also does what wrk cannot: 10,000 connections without a ramp, a
 * connection for each request, connections that stay idle.
 *
 *     load [-c CONNECTIONS] [-s SECONDS] [-d DEPTH] [-f FIELD_BYTES] [-m MODE] [-u PATH] [-p PID]
 * PORT
 *
 * Modes: keep – DEPTH requests in each write, the next when all are answered. close – a connection
 * for each request. idle – each connection gets one answer, then all are held until a signal ends
 * the program. pending – as idle, but nobody waits for the answers.
 *
 * -v: no request is the same as the one before it, for a server that remembers what it has read.
 *
 * Prints "requests seconds nanoseconds", or "idle" when all connections stand; the last is the CPU
 * time that the process PID, the server, spent meanwhile: the making of the connections is left
 * out. Each answer must be a 200 of the same length; anything else ends the program with status 1.
 * It never sleeps while it measures: a server that has to wake its generator would pay for that. */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum {
    INPUT_BYTES = 256 * 1024,
    EVENTS = 1024,
    DEPTH_MAX = 256,
    BURST = 64,
    DESCRIPTORS = 65536,
    PATIENCE_S = 10
};

struct load {
    struct sockaddr_in server;
    unsigned connections, depth;
    double seconds;
    clockid_t server_clock; /* its CPU time */
    bool has_clock;
    size_t field_bytes;
    const char *path;
    enum mode { KEEP, CLOSE, IDLE, PENDING } mode;
    bool varied;
    unsigned turn;     /* which of the two is sent next */
    char *requests[2]; /* depth of them, one behind the other; two kinds by turns if varied */
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

static uint64_t ns_of(clockid_t clock)
{
    struct timespec time;
    if (clock_gettime(clock, &time) != 0)
        fail(strerror(errno));
    return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

/* ------------------------------------------------------------------ the request */

static char *put_request(char *at, const struct load *load, unsigned kind)
{
    static const char pad[] = "abcdefghijklmnopqrstuvwxyz-0123456789; q=0.9, ";
    at += sprintf(at, "GET %s%s HTTP/1.1\r\nHost: 127.0.0.1:%u\r\n%s", load->path,
                  !load->varied   ? ""
                  : kind % 2 == 0 ? "?a"
                                  : "?b",
                  ntohs(load->server.sin_port), load->mode == CLOSE ? "Connection: close\r\n" : "");
    /* Fields of about 50 bytes, as a browser's are. */
    for (size_t sent = 0, line = 0; sent < load->field_bytes; sent += 50, line++)
        at += sprintf(at, "X-Field-%zu: %.37s\r\n", line % 10, pad);
    return stpcpy(at, "\r\n");
}

static void make_requests(struct load *load)
{
    size_t room = load->depth * (256 + strlen(load->path) + load->field_bytes * 2);
    for (unsigned first = 0; first < 2; first++) {
        char *at = load->requests[first] = malloc(room);
        if (at == NULL)
            fail("out of memory");
        for (unsigned i = 0; i < load->depth; i++)
            at = put_request(at, load, first + i);
        load->requests_bytes = (size_t)(at - load->requests[first]);
    }
}

/* ------------------------------------------------------------------ connections */

static void send_requests(struct load *load, int fd)
{
    const char *requests = load->requests[load->turn];
    load->turn ^= 1;
    if (write(fd, requests, load->requests_bytes) != (ssize_t)load->requests_bytes)
        fail("the server did not take the requests");
    load->waiting[fd] = load->answer_bytes * load->depth;
}

/* Blocking for the moment of connecting: on loopback it does not wait, unless nobody accepts. */
static int open_connection(struct load *load)
{
    const struct timeval patience = {.tv_sec = PATIENCE_S};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
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
    if (write(fd, load->requests[0], request) != (ssize_t)request)
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

static void pause_for(struct load *load)
{
    if (load->mode == PENDING)
        usleep(1000);
    else
        turn(load, load->mode == IDLE ? 10 : 0);
}

/* In bursts, so that no backlog overflows. */
static void connect_all(struct load *load)
{
    for (unsigned opened = 0; opened < load->connections; opened++) {
        begin(load);
        if (opened % BURST == BURST - 1)
            pause_for(load);
    }
}

/* Descriptors whose answers nobody waits for are simply not looked at. */
static void hold(struct load *load)
{
    while (load->mode == IDLE && load->quiet < load->connections)
        turn(load, 1000);
    puts("idle");
    fflush(stdout);
    for (;;)
        pause();
}

static uint64_t server_ns(const struct load *load)
{
    return load->has_clock ? ns_of(load->server_clock) : 0;
}

static void run(struct load *load)
{
    uint64_t answered = load->answered, cpu = server_ns(load), from = ns_of(CLOCK_MONOTONIC);
    uint64_t until = from + (uint64_t)(load->seconds * 1e9);
    while (ns_of(CLOCK_MONOTONIC) < until)
        turn(load, 0);
    cpu = server_ns(load) - cpu;
    if (load->answered == answered && load->seconds > 0)
        fail("nothing was answered");
    printf("%" PRIu64 " %.6f %" PRIu64 "\n", load->answered - answered,
           (double)(ns_of(CLOCK_MONOTONIC) - from) / 1e9, cpu);
}

/* ------------------------------------------------------------------ main */

static bool set_mode(struct load *load, const char *name)
{
    static const char *const names[] = {"keep", "close", "idle", "pending"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(names[i], name) == 0) {
            load->mode = (enum mode)i;
            return true;
        }
    }
    return false;
}

static bool set_option(struct load *load, int option)
{
    switch (option) {
    case 'c':
        load->connections = (unsigned)strtoul(optarg, NULL, 10);
        return load->connections > 0;
    case 'd':
        load->depth = (unsigned)strtoul(optarg, NULL, 10);
        return load->depth > 0 && load->depth <= DEPTH_MAX;
    case 'f':
        load->field_bytes = strtoul(optarg, NULL, 10);
        return true;
    case 'm':
        return set_mode(load, optarg);
    case 'p':
        load->has_clock =
            clock_getcpuclockid((pid_t)strtol(optarg, NULL, 10), &load->server_clock) == 0;
        return load->has_clock;
    case 's':
        load->seconds = strtod(optarg, NULL);
        return true;
    case 'u':
        load->path = optarg;
        return true;
    case 'v':
        load->varied = true;
        return true;
    default:
        return false;
    }
}

static bool parse(struct load *load, int argc, char **argv)
{
    int option;
    while ((option = getopt(argc, argv, "c:d:f:m:p:s:u:v")) != -1) {
        if (!set_option(load, option))
            return false;
    }
    load->server =
        (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (optind + 1 == argc)
        load->server.sin_port = htons((uint16_t)strtoul(argv[optind], NULL, 10));
    return load->server.sin_port != 0;
}

int main(int argc, char **argv)
{
    struct load load = {.connections = 1, .depth = 1, .seconds = 1, .path = "/fast"};
    if (!parse(&load, argc, argv)) {
        fprintf(stderr, "Usage: load [-c CONNECTIONS] [-s SECONDS] [-d DEPTH] [-f FIELD_BYTES] "
                        "[-m keep|close|idle|pending] [-u PATH] [-p PID] [-v] PORT\n");
        return 2;
    }
    load.epoll = epoll_create1(EPOLL_CLOEXEC);
    load.waiting = calloc(DESCRIPTORS, sizeof *load.waiting);
    if (load.epoll < 0 || load.waiting == NULL)
        fail("out of memory or descriptors");
    make_requests(&load);
    if (load.mode != PENDING)
        learn(&load);
    connect_all(&load);
    if (load.mode == IDLE || load.mode == PENDING)
        hold(&load);
    else
        run(&load);
    return 0;
}
