/* program.c – see program.h. */
#include "tests/support/program.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/harness.h"

enum { ARGUMENTS_MAX = 24, FIRST_PASSED_FD = 3, END_MS = 60000 };

/* ------------------------------------------------------------------ the program */

void program_path(char *path, size_t size)
{
    harness_kernel_program(path, size);
    snprintf(strrchr(path, '/'), size - strlen(path), "/offloop");
}

static void pass_listener(int listener)
{
    char pid[16];
    dup2(listener, FIRST_PASSED_FD);
    fcntl(FIRST_PASSED_FD, F_SETFD, 0); /* dup2 leaves it alone if it was that one already */
    snprintf(pid, sizeof pid, "%d", (int)getpid());
    setenv("LISTEN_PID", pid, 1);
    setenv("LISTEN_FDS", "1", 1);
}

struct start {
    int listener;
    void (*prepare)(void *data);
    void *data;
};

static struct program run(const struct start *start, const char *path, char **arguments)
{
    int ends[2];
    fflush(stdout);
    assert_int_equal(pipe(ends), 0);
    struct program program = {.pid = fork()};
    assert_true(program.pid >= 0);
    if (program.pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that fails leaves nothing behind */
        dup2(ends[1], STDERR_FILENO);
        close(ends[0]);
        close(ends[1]);
        if (start->listener >= 0)
            pass_listener(start->listener);
        if (start->prepare != NULL)
            start->prepare(start->data);
        execv(path, arguments);
        _exit(127);
    }
    close(ends[1]);
    program.log = fdopen(ends[0], "r");
    assert_non_null(program.log);
    return program;
}

static struct program run_with(const char *path, const struct start *start, va_list list)
{
    char *arguments[ARGUMENTS_MAX] = {(char[]){"offloop"}, (char[]){"--port=0"},
                                      (char[]){"--slow-io=timer"}};
    int count = 3;
    while (count < ARGUMENTS_MAX - 1 && (arguments[count] = va_arg(list, char *)) != NULL)
        count++;
    return run(start, path, arguments);
}

static struct program run_ours(const struct start *start, va_list list)
{
    char path[4096];
    program_path(path, sizeof path);
    return run_with(path, start, list);
}

struct program program_start(int listener, ...)
{
    va_list list;
    va_start(list, listener);
    struct program program = run_ours(&(struct start){listener, NULL, NULL}, list);
    va_end(list);
    return program;
}

struct program program_start_prepared(void (*prepare)(void *data), void *data, int listener, ...)
{
    va_list list;
    va_start(list, listener);
    struct program program = run_ours(&(struct start){listener, prepare, data}, list);
    va_end(list);
    return program;
}

struct program program_start_at(const char *path, ...)
{
    va_list list;
    va_start(list, path);
    struct program program = run_with(path, &(struct start){-1, NULL, NULL}, list);
    va_end(list);
    return program;
}

long number_in(const char *text, const char *name)
{
    char label[64];
    int length = snprintf(label, sizeof label, "\"%s\":", name);
    const char *found = strstr(text, label);
    return found != NULL ? strtol(found + length, NULL, 10) : -1;
}

pid_t pid_in(const char *text)
{
    long pid = number_in(text, "pid");
    assert_true(pid > 1);
    return (pid_t)pid;
}

void signal_one(pid_t pid, int number)
{
    assert_true(pid > 1);
    assert_int_equal(kill(pid, number), 0);
}

/* "S 123 …": its state, its parent and so on. Returns whether there is such a process. */
static bool read_stat(pid_t pid, char *text, size_t size)
{
    char path[40];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *file = fopen(path, "r");
    bool read = file != NULL && fgets(text, (int)size, file) != NULL;
    if (file != NULL)
        fclose(file);
    if (read)
        memmove(text, strrchr(text, ')') + 2, strlen(strrchr(text, ')') + 2) + 1);
    return read;
}

void freeze_one(pid_t pid)
{
    char text[512] = "";
    signal_one(pid, SIGSTOP);
    while (text[0] != 'T')
        assert_true(read_stat(pid, text, sizeof text));
}

static pid_t parent_of(pid_t pid)
{
    char text[512];
    return read_stat(pid, text, sizeof text) ? (pid_t)strtol(text + 2, NULL, 10) : 0;
}

static unsigned add_children(pid_t parent, pid_t *pids, unsigned count, unsigned max)
{
    DIR *folder = opendir("/proc");
    const struct dirent *entry;
    assert_non_null(folder);
    while (count < max && (entry = readdir(folder)) != NULL) {
        pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);
        if (pid > 1 && parent_of(pid) == parent)
            pids[count++] = pid;
    }
    closedir(folder);
    return count;
}

unsigned program_descendants(pid_t pid, pid_t *pids, unsigned max)
{
    unsigned count = add_children(pid, pids, 0, max);
    for (unsigned i = 0; i < count; i++)
        count = add_children(pids[i], pids, count, max);
    return count;
}

bool program_await(struct program *program, const char *event)
{
    char wanted[64];
    snprintf(wanted, sizeof wanted, "\"event\":\"%s\"", event);
    while (fgets(program->line, sizeof program->line, program->log) != NULL) {
        if (number_in(program->line, "port") >= 0)
            program->port = (unsigned)number_in(program->line, "port");
        if (strstr(program->line, wanted) != NULL)
            return true;
    }
    return false;
}

unsigned program_await_silence(struct program *program)
{
    unsigned lines = 0;
    while (fgets(program->line, sizeof program->line, program->log) != NULL)
        lines++;
    return lines;
}

/* Until it has ended, or has had time enough even under a sanitizer: then it is killed, and the
 * status says so. */
static void await_end(pid_t pid)
{
    int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    struct pollfd end = {.fd = fd, .events = POLLIN};
    if (fd >= 0 && poll(&end, 1, END_MS) == 0) {
        fprintf(stderr, "offloop (pid %d) has not ended within %d s: killed\n", (int)pid,
                END_MS / 1000);
        signal_one(pid, SIGKILL);
    }
    close(fd);
}

int program_end(struct program *program)
{
    int status = 0;
    await_end(program->pid);
    assert_int_equal(waitpid(program->pid, &status, 0), program->pid);
    fclose(program->log);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* ------------------------------------------------------------------ its clients */

static int try_connect(int peer, unsigned port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return connect(peer, (struct sockaddr *)&address, sizeof address);
}

static int peer_new(void)
{
    int peer = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(peer >= 0);
    return peer;
}

int peer_connect(unsigned port)
{
    int peer = peer_new();
    assert_int_equal(try_connect(peer, port), 0);
    return peer;
}

bool port_is_closed(unsigned port)
{
    int peer = peer_new();
    bool closed = try_connect(peer, port) != 0;
    close(peer);
    return closed;
}

void peer_get(int peer, const char *target)
{
    assert_true(dprintf(peer, "GET %s HTTP/1.1\r\nHost: test\r\n\r\n", target) > 0);
}

/* Where the answer ends, once its head is there; else NULL. */
static const char *end_of(const char *text)
{
    static const char field[] = "\r\nContent-Length: ";
    const char *end = strstr(text, "\r\n\r\n"), *length = strstr(text, field);
    return end != NULL && length != NULL ? end + 4 + atoi(length + sizeof field - 1) : NULL;
}

const char *peer_answer(int peer)
{
    static char text[16384];
    size_t length = 0;
    text[0] = '\0';
    while (end_of(text) == NULL || text + length < end_of(text)) {
        ssize_t got = recv(peer, text + length, sizeof text - 1 - length, 0);
        if (got <= 0)
            return NULL;
        length += (size_t)got;
        text[length] = '\0';
    }
    return text;
}

struct program program_cluster(const char *sched)
{
    struct program program = program_start(-1, "--cluster=3", sched, "--workers=1", NULL);
    assert_true(program_await(&program, "listening"));
    return program;
}

void program_members(const struct program *program, pid_t *pids, int count)
{
    char *at = strstr(program->line, "\"members\":[");
    assert_non_null(at);
    at += strlen("\"members\":");
    for (int i = 0; i < count; i++) {
        pids[i] = (pid_t)strtol(at + 1, &at, 10);
        assert_true(pids[i] > 1);
    }
    assert_int_equal(*at, ']');
}

void program_stop(struct program *program)
{
    signal_one(program->pid, SIGTERM);
    assert_true(program_await(program, "stopped"));
    assert_int_equal(program_end(program), 0);
}

const char *peer_ask(int peer, const char *target)
{
    peer_get(peer, target);
    const char *answer = peer_answer(peer);
    assert_non_null(answer);
    assert_memory_equal(answer, "HTTP/1.1 200", 12);
    return answer;
}

const char *peer_ask_once(unsigned port, const char *target)
{
    int peer = peer_connect(port);
    const char *answer = peer_ask(peer, target);
    close(peer);
    return answer;
}

bool peer_has_answer(int peer)
{
    struct pollfd wait = {.fd = peer, .events = POLLIN};
    return poll(&wait, 1, 0) == 1;
}
