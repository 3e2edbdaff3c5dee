/* limit.c – the physical limit: how fast this machine can take requests and give answers at all.
 *
 * A level-triggered epoll loop that looks for the empty line at the end of a request and writes an
 * answer prepared beforehand. It does not parse, routes nothing, checks nothing, has no time-outs
 * and no limits, and never queues: what the socket does not take ends the connection. So it is no
 * server, but what it costs is what the kernel costs, and the bench measures servers against it.
 * Its answer is as long as offloop's to /fast. The answers to one read leave in one write.
 *
 *     limit PORT        on 127.0.0.1, until a signal ends it */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BACKLOG = 4096, EVENTS = 1024, INPUT_BYTES = 64 * 1024, BATCH = 512, FDS = 65536 };

#define ANSWER                                    \
    "HTTP/1.1 200 OK\r\n"                         \
    "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"     \
    "Content-Type: text/plain; charset=utf-8\r\n" \
    "Content-Length: 38\r\n"                      \
    "Cache-Control: no-store\r\n"                 \
    "\r\n"                                        \
    "fast: the event loop answered at once\n"

enum { ANSWER_BYTES = sizeof ANSWER - 1 };

/* How much of "\r\n\r\n" the last read of each descriptor ended with. */
static unsigned char matched[FDS];

static char input[INPUT_BYTES];
static char answers[BATCH * ANSWER_BYTES];

static size_t count_requests(const char *bytes, size_t length, unsigned char *state)
{
    static const char end[] = "\r\n\r\n";
    size_t count = 0;
    const char *at = bytes, *stop = bytes + length;
    while (at < stop) {
        if (*state == 0) {
            at = memchr(at, '\r', (size_t)(stop - at));
            if (at == NULL)
                break;
        }
        *state = *at == end[*state] ? (unsigned char)(*state + 1) : *at == '\r';
        at++;
        if (*state == 4) {
            *state = 0;
            count++;
        }
    }
    return count;
}

static bool answer(int fd, size_t count)
{
    while (count > 0) {
        size_t now = count < BATCH ? count : BATCH;
        ssize_t bytes = (ssize_t)(now * ANSWER_BYTES);
        if (write(fd, answers, (size_t)bytes) != bytes)
            return false;
        count -= now;
    }
    return true;
}

/* A client that wants its connection closed says so in the request: looked for only where the
 * program was asked to, since the others should not pay for it. */
static bool serve(int fd, bool close_after)
{
    ssize_t length = read(fd, input, sizeof input);
    if (length <= 0)
        return false;
    size_t count = count_requests(input, (size_t)length, &matched[fd]);
    return answer(fd, count) && !(close_after && count > 0);
}

static void accept_all(int listener, int epoll)
{
    int fd;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
        if (fd >= FDS || epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0)
            close(fd);
        else
            matched[fd] = 0;
    }
}

static int listen_on(const char *port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)strtoul(port, NULL, 10)),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) != 0 ||
        listen(fd, BACKLOG) != 0) {
        perror("limit");
        exit(EXIT_FAILURE);
    }
    return fd;
}

int main(int argc, char **argv)
{
    if (argc < 2 || argc > 3) {
        fprintf(stderr, "Usage: limit PORT [close]\n");
        return 2;
    }
    bool close_after = argc == 3;
    for (size_t i = 0; i < BATCH; i++)
        memcpy(answers + i * ANSWER_BYTES, ANSWER, ANSWER_BYTES);
    int listener = listen_on(argv[1]), epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event events[EVENTS], first = {.events = EPOLLIN, .data.fd = listener};
    epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &first);
    for (;;) {
        int count = epoll_wait(epoll, events, EVENTS, -1);
        for (int i = 0; i < count; i++) {
            int fd = events[i].data.fd;
            if (fd == listener)
                accept_all(listener, epoll);
            else if (!serve(fd, close_after))
                close(fd);
        }
    }
}
