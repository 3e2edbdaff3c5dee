/* serve.c – see serve.h.
 *
 * Everything is plain blocking I/O: this process has one thing to do at a time. Between two steps
 * it looks whether its parent has written something, which can only be a cancellation, or has gone.
 * The kernel is told to end this process with its parent (PR_SET_PDEATHSIG), even if that was
 * killed and could tell nobody.
 *
 * Ctrl-C reaches every process of a terminal, and a service manager's SIGTERM every one of a
 * service; both are for the server, which ends its children when it has drained (SIGNALS_CHILD). */
#include "kernel/cli/serve.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "kernel/wire.h"

static uint64_t clock_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* Returns 0, or a negative errno; -EPIPE at the end of the input. */
static int read_all(void *bytes, size_t length)
{
    for (char *at = bytes; length > 0;) {
        ssize_t count = read(STDIN_FILENO, at, length);
        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0)
            return count == 0 ? -EPIPE : -errno;
        at += count;
        length -= (size_t)count;
    }
    return 0;
}

static int write_all(const void *bytes, size_t length)
{
    for (const char *at = bytes; length > 0;) {
        ssize_t count = write(STDOUT_FILENO, at, length);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return -errno;
        at += count;
        length -= (size_t)count;
    }
    return 0;
}

static bool parent_has_spoken(void)
{
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    return poll(&input, 1, 0) > 0;
}

/* Returns 0, -ECANCELED, or what is wrong with the kernel. */
static int run_job(const struct kernel *kernel, const struct kernel_arguments *arguments,
                   struct kernel_result *result)
{
    struct kernel_run run;
    int rc = kernel_run_init(&run, kernel, arguments);
    if (rc != 0)
        return rc;
    bool more = true, wanted = true;
    while (more && wanted) {
        more = kernel_run_step(&run, kernel->step_units);
        wanted = !parent_has_spoken();
    }
    rc = more ? -ECANCELED : kernel_run_finish(&run, result);
    kernel_run_close(&run);
    return rc;
}

static int send_result(const struct wire_result *wire, const struct kernel_result *result)
{
    struct wire_head head = wire_head(WIRE_RESULT, sizeof *wire + result->image_bytes);
    int rc = write_all(&head, sizeof head);
    if (rc == 0)
        rc = write_all(wire, sizeof *wire);
    return rc == 0 ? write_all(result->image, result->image_bytes) : rc;
}

static int answer_job(const struct wire_job *wire_job)
{
    const struct kernel *kernel;
    struct kernel_arguments arguments;
    struct kernel_result result = {0};
    uint64_t started_ns = clock_ns();
    int rc = wire_job_read(wire_job, &kernel, &arguments);
    if (rc == 0)
        rc = run_job(kernel, &arguments, &result);
    struct wire_result wire = wire_result_from(&result);
    wire.error = rc;
    wire.started_ns = started_ns;
    wire.finished_ns = clock_ns();
    rc = send_result(&wire, &result);
    kernel_result_close(&result);
    return rc;
}

/* One message. A cancellation that comes when nothing runs came too late, and means nothing. */
static int serve_one(void)
{
    struct wire_head head;
    struct wire_job job;
    int rc = read_all(&head, sizeof head);
    if (rc != 0)
        return rc;
    if (wire_head_check(&head, WIRE_CANCEL) == 0)
        return 0;
    rc = wire_head_check(&head, WIRE_RUN);
    if (rc == 0)
        rc = read_all(&job, sizeof job);
    return rc == 0 ? answer_job(&job) : rc;
}

int serve_pipe(void)
{
    int rc = 0;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    while (rc == 0)
        rc = serve_one();
    return rc == -EPIPE ? EXIT_SUCCESS : EXIT_FAILURE;
}
