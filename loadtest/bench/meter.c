/* meter.c – what the shell cannot measure finely enough.
 *
 *     meter cpu PID              nanoseconds of CPU that a process has used, all its threads, ended
 *                                ones too (its CPU clock: not rounded to ticks as /proc/PID/stat
 * is) meter start PORT COMMAND…  starts it and ends it again; microseconds from exec to the whole
 *                                first answer to GET /fast on 127.0.0.1:PORT
 *     meter wall COMMAND…        microseconds from exec to exit; the command's output is dropped */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PATIENCE_MS = 20000 };

static void fail(const char *what)
{
    fprintf(stderr, "meter: %s\n", what);
    exit(EXIT_FAILURE);
}

static long long ns_of(clockid_t clock)
{
    struct timespec time;
    if (clock_gettime(clock, &time) != 0)
        fail(strerror(errno));
    return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static void print_cpu(const char *pid)
{
    clockid_t clock;
    if (clock_getcpuclockid((pid_t)strtol(pid, NULL, 10), &clock) != 0)
        fail("there is no such process");
    printf("%lld\n", ns_of(clock));
}

static pid_t spawn(char **command)
{
    pid_t pid = fork();
    if (pid < 0)
        fail(strerror(errno));
    if (pid > 0)
        return pid;
    int null = open("/dev/null", O_WRONLY);
    dup2(null, STDOUT_FILENO);
    dup2(null, STDERR_FILENO);
    execvp(command[0], command);
    _exit(127);
}

/* True when a 200 came. */
static bool ask(const struct sockaddr_in *server)
{
    static const char request[] = "GET /fast HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";
    const struct timeval patience = {.tv_sec = PATIENCE_MS / 1000};
    char answer[4096];
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    bool good = connect(fd, (const struct sockaddr *)server, sizeof *server) == 0 &&
                write(fd, request, sizeof request - 1) == sizeof request - 1 &&
                read(fd, answer, sizeof answer) > 12 && memcmp(answer, "HTTP/1.1 200", 12) == 0;
    close(fd);
    return good;
}

/* With SIGTERM, and if it does not hear with SIGKILL. */
static void end(pid_t pid)
{
    struct pollfd over = {.fd = (int)syscall(SYS_pidfd_open, pid, 0), .events = POLLIN};
    kill(pid, SIGTERM);
    if (over.fd >= 0 && poll(&over, 1, PATIENCE_MS) == 0)
        kill(pid, SIGKILL);
    close(over.fd);
    waitpid(pid, NULL, 0);
}

static void print_start(const char *port, char **command)
{
    struct sockaddr_in server = {.sin_family = AF_INET,
                                 .sin_port = htons((uint16_t)strtoul(port, NULL, 10)),
                                 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const struct timespec pause = {.tv_nsec = 50000};
    if (ask(&server))
        fail("somebody else answers on that port");
    long long from = ns_of(CLOCK_MONOTONIC), now = from;
    pid_t pid = spawn(command);
    bool good = false;
    while (!good && now - from < PATIENCE_MS * 1000000LL && waitpid(pid, NULL, WNOHANG) == 0) {
        good = ask(&server);
        now = ns_of(CLOCK_MONOTONIC);
        if (!good)
            nanosleep(&pause, NULL);
    }
    end(pid);
    if (!good)
        fail("it did not answer");
    printf("%lld\n", (now - from) / 1000);
}

static void print_wall(char **command)
{
    int status;
    long long from = ns_of(CLOCK_MONOTONIC);
    pid_t pid = spawn(command);
    if (waitpid(pid, &status, 0) != pid || status != 0)
        fail("the command failed");
    printf("%lld\n", (ns_of(CLOCK_MONOTONIC) - from) / 1000);
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "cpu") == 0)
        print_cpu(argv[2]);
    else if (argc > 3 && strcmp(argv[1], "start") == 0)
        print_start(argv[2], argv + 3);
    else if (argc > 2 && strcmp(argv[1], "wall") == 0)
        print_wall(argv + 2);
    else {
        fprintf(stderr, "Usage: meter cpu PID | meter start PORT COMMAND... | "
                        "meter wall COMMAND...\n");
        return 2;
    }
    return 0;
}
