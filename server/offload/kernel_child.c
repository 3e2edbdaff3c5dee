/* kernel_child.c – see kernel_child.h.
 *
 * Everything that a child says has a bound (kernel/wire.h) and a place: each read goes to where the
 * part that is awaited belongs, and is never longer than that. Children end with their parent: they
 * read the end of their input, and the kernel kills them if the parent was killed. */
#include "server/offload/kernel_child.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "server/offload/priority.h"

enum {
    REST_MIN_MS = 10,
    REST_MAX_MS = 1000,        /* of a child that dies */
    REST_UNSTARTED_MS = 30000, /* of one that cannot be started */
    GRACE_MS = 1000,
    LOOKS_MAX = 50, /* one in each turn of the loop */
};

/* ------------------------------------------------------------------ the one door between states */

#define BIT(state) (1u << KERNEL_CHILD_##state)

bool kernel_child_may(enum kernel_child_state from, enum kernel_child_state to)
{
    static const unsigned allowed[] = {
        [KERNEL_CHILD_RESTING] = BIT(IDLE) | BIT(CLOSING) | BIT(GONE),
        [KERNEL_CHILD_IDLE] = BIT(BUSY) | BIT(LEAVING) | BIT(KILLED) | BIT(CLOSING),
        [KERNEL_CHILD_BUSY] = BIT(IDLE) | BIT(LEAVING) | BIT(KILLED) | BIT(CLOSING),
        [KERNEL_CHILD_LEAVING] = BIT(KILLED) | BIT(CLOSING),
        [KERNEL_CHILD_KILLED] = BIT(CLOSING),
        [KERNEL_CHILD_CLOSING] = BIT(RESTING),
        [KERNEL_CHILD_GONE] = 0,
    };
    return (allowed[from] & 1u << to) != 0;
}

static void child_enter(struct kernel_child *child, enum kernel_child_state state)
{
    assert(kernel_child_may(child->state, state));
    child->state = state;
}

/* ------------------------------------------------------------------ the end of a child */

static void on_timer_closed(uv_handle_t *timer)
{
    const struct kernel_child *child = timer->data;
    child->plan->on_closed(child->plan->data);
}

static void on_rested(uv_timer_t *timer)
{
    struct kernel_child *child = timer->data;
    int rc = kernel_child_start(child);
    if (rc == 0)
        child->plan->on_idle(child->plan->data);
    else if (child->rest_ms >= REST_MAX_MS)
        child->plan->on_failed(child->plan->data, rc);
}

static void child_go(struct kernel_child *child)
{
    child_enter(child, KERNEL_CHILD_GONE);
    uv_close((uv_handle_t *)&child->timer, on_timer_closed);
}

static unsigned next_rest_ms(const struct kernel_child *child)
{
    unsigned most_ms = child->started ? REST_MAX_MS : REST_UNSTARTED_MS;
    if (child->rest_ms == 0)
        return REST_MIN_MS;
    return child->rest_ms < most_ms / 2 ? child->rest_ms * 2 : most_ms;
}

static void child_rest(struct kernel_child *child)
{
    child_enter(child, KERNEL_CHILD_RESTING);
    if (child->closing) {
        child_go(child);
        return;
    }
    child->rest_ms = next_rest_ms(child);
    uv_timer_start(&child->timer, on_rested, child->rest_ms, 0);
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct kernel_child *child = handle->data;
    if (--child->open_handles == 0)
        child_rest(child);
}

static void child_end(struct kernel_child *child)
{
    child_enter(child, KERNEL_CHILD_CLOSING);
    free(child->image);
    child->image = NULL;
    uv_timer_stop(&child->timer);
    uv_close((uv_handle_t *)&child->process.exits, on_handle_closed);
    uv_close((uv_handle_t *)&child->to, on_handle_closed);
    uv_close((uv_handle_t *)&child->from, on_handle_closed);
}

/* SIGKILL: a child that hangs would not hear anything softer. on_child_exit does the rest; until
 * then nobody may give it a job, and what it has still said counts no more: its job is over. */
static void child_kill(struct kernel_child *child, const char *fault)
{
    if (!kernel_child_may(child->state, KERNEL_CHILD_KILLED))
        return;
    child_enter(child, KERNEL_CHILD_KILLED);
    child->fault = fault;
    uv_timer_stop(&child->timer);
    uv_read_stop((uv_stream_t *)&child->from);
    spawned_kill(&child->process, SIGKILL);
}

/* It has died by itself, and on_child_exit is about to hear of it. */
static bool has_died(const struct kernel_child *child)
{
    siginfo_t death = {0};
    return waitid(P_PID, (id_t)child->process.pid, &death, WEXITED | WNOHANG | WNOWAIT) == 0 &&
           death.si_pid != 0;
}

static void describe_death(const struct kernel_child *child, int64_t status, int signal, char *text,
                           size_t size)
{
    if (child->fault != NULL)
        snprintf(text, size, "the child process %s, and was killed", child->fault);
    else if (signal != 0)
        snprintf(text, size, "the child process died of signal %d (%s)", signal, strsignal(signal));
    else
        snprintf(text, size, "the child process ended with status %d", (int)status);
}

static void on_child_exit(struct spawned *process, int64_t status, int signal)
{
    struct kernel_child *child = process->exits.data;
    struct job *job = child->job;
    child->job = NULL;
    if (job != NULL) {
        describe_death(child, status, signal, job->problem, sizeof job->problem);
        trip_finish(&job->trip);
    }
    child_end(child);
    if (job != NULL)
        job_deliver(job, atomic_load(&job->unwanted) != 0 ? UV_ECANCELED : UV_EPIPE);
}

/* ------------------------------------------------------------------ what a child says */

static void await_part(struct kernel_child *child, enum kernel_child_part part, void *target,
                       size_t bytes)
{
    child->part = part;
    child->target = target;
    child->target_bytes = bytes;
    child->target_filled = 0;
}

static void await_head(struct kernel_child *child)
{
    await_part(child, PART_HEAD, &child->head, sizeof child->head);
}

/* What a kernel may end with. That it was cancelled is for the server to know, and that it was lost
 * (EPIPE) for nobody who can still say so. */
static bool is_error(int64_t error, const struct job *job)
{
    enum { ERRNO_MAX = 4095 };
    if (error == -ECANCELED)
        return atomic_load(&job->unwanted) != 0;
    return error >= -ERRNO_MAX && error <= 0 && error != -EPIPE;
}

/* Can this be the answer to this job? A child shares the server's clock, and has the job between
 * its submission and now. */
static bool is_answer(const struct wire_result *wire, const struct job *job)
{
    bool in_order = job->trip.submitted_ns <= wire->started_ns &&
                    wire->started_ns <= wire->finished_ns && wire->finished_ns <= trip_clock_ns();
    bool has_image = wire->image_bytes > 0;
    bool should_have = wire->error == 0 && job->arguments.image && job->kernel->image_type != NULL;
    return in_order && is_error(wire->error, job) && has_image == should_have;
}

/* Returns 0, -EBADMSG or -ENOMEM; then the job is as it was. */
static int take_result(struct kernel_child *child, struct job *job)
{
    const struct wire_result *wire = &child->result;
    if (!is_answer(wire, job))
        return -EBADMSG;
    if (wire->error == 0) {
        int rc = wire_result_read(wire, job->kernel->image_type, child->image, &job->result);
        if (rc != 0)
            return rc;
        child->image = NULL; /* the result's now */
    }
    trip_finish(&job->trip);
    job->trip.started_ns = wire->started_ns; /* the child knows better */
    job->trip.finished_ns = wire->finished_ns;
    job->error = (int)wire->error;
    return 0;
}

static int finish_job(struct kernel_child *child)
{
    struct job *job = child->job;
    int rc = take_result(child, job);
    if (rc != 0)
        return rc;
    child->job = NULL;
    child_enter(child, KERNEL_CHILD_IDLE);
    child->rest_ms = 0;
    uv_timer_stop(&child->timer);
    await_head(child);
    /* First the lane is busy again, then the answer is written. */
    child->plan->on_idle(child->plan->data);
    job_deliver(job, 0);
    return 0;
}

static int take_head(struct kernel_child *child)
{
    if (child->state != KERNEL_CHILD_BUSY || wire_head_check(&child->head, WIRE_RESULT) != 0)
        return -EBADMSG;
    await_part(child, PART_RESULT, &child->result, sizeof child->result);
    return 0;
}

static int take_numbers(struct kernel_child *child)
{
    uint64_t image_bytes = child->head.body_bytes - sizeof child->result;
    if (child->result.image_bytes != image_bytes)
        return -EBADMSG;
    if (image_bytes == 0)
        return finish_job(child);
    child->image = malloc((size_t)image_bytes);
    if (child->image == NULL)
        return -ENOMEM;
    await_part(child, PART_IMAGE, child->image, (size_t)image_bytes);
    return 0;
}

static int take_part(struct kernel_child *child)
{
    switch (child->part) {
    case PART_HEAD:
        return take_head(child);
    case PART_RESULT:
        return take_numbers(child);
    case PART_IMAGE:
        return finish_job(child);
    }
    return -EBADMSG;
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
    struct kernel_child *child = handle->data;
    (void)suggested;
    *buffer = uv_buf_init(child->target + child->target_filled,
                          (unsigned)(child->target_bytes - child->target_filled));
}

/* The loop's time may be old by as long as a callback has just held the loop. */
static void begin_grace(struct kernel_child *child, uv_timer_cb on_over)
{
    uv_update_time(child->plan->loop);
    uv_timer_start(&child->timer, on_over, GRACE_MS, 0);
}

static void on_still_alive(uv_timer_t *timer)
{
    child_kill(timer->data, "closed its pipe");
}

/* Its pipe has ended, or was reset because it had not read all: most likely it dies just now, and
 * how is worth to be known. */
static void await_exit(struct kernel_child *child)
{
    child_enter(child, KERNEL_CHILD_LEAVING);
    begin_grace(child, on_still_alive);
}

static void on_read(uv_stream_t *stream, ssize_t length, const uv_buf_t *buffer)
{
    struct kernel_child *child = stream->data;
    (void)buffer;
    if (length < 0) {
        uv_read_stop(stream);
        if (length == UV_EOF || length == UV_ECONNRESET)
            await_exit(child);
        else
            child_kill(child, "could not be read");
        return;
    }
    child->target_filled += (size_t)length;
    if (child->target_filled < child->target_bytes)
        return;
    int rc = take_part(child);
    if (rc != 0) {
        uv_read_stop(stream);
        child_kill(child, rc == -ENOMEM ? "wrote more than there is memory for" : "wrote nonsense");
    }
}

/* ------------------------------------------------------------------ beginning and end */

/* A pair of sockets, as libuv's own pipes to children are. Returns the child's end, or a negative
 * UV_E… code. */
static int open_pipe(uv_pipe_t *pipe)
{
    int ends[2];
    int rc = uv_socketpair(SOCK_STREAM, 0, ends, UV_NONBLOCK_PIPE, 0);
    if (rc != 0)
        return rc;
    rc = uv_pipe_open(pipe, ends[0]);
    if (rc == 0)
        return ends[1];
    close(ends[0]);
    close(ends[1]);
    return rc;
}

static int spawn_with(struct kernel_child *child, int to, int from)
{
    char program[4096], pipe_option[] = "--pipe";
    snprintf(program, sizeof program, "%s", child->plan->program);
    char *arguments[] = {program, pipe_option, NULL};
    const struct spawn_plan plan = {.program = program,
                                    .arguments = arguments,
                                    .descriptors = {to, from, STDERR_FILENO},
                                    .descriptor_count = 3};
    return spawned_start(&child->process, &plan, on_child_exit);
}

static int spawn(struct kernel_child *child)
{
    int to = open_pipe(&child->to);
    if (to < 0)
        return to;
    int from = open_pipe(&child->from);
    int rc = from < 0 ? from : spawn_with(child, to, from);
    close(to);
    if (from >= 0)
        close(from);
    return rc;
}

void kernel_child_init(struct kernel_child *child, const struct kernel_child_plan *plan,
                       unsigned number)
{
    *child = (struct kernel_child){.plan = plan, .number = number, .state = KERNEL_CHILD_RESTING};
    uv_timer_init(plan->loop, &child->timer);
    child->timer.data = child;
}

int kernel_child_start(struct kernel_child *child)
{
    uv_pipe_init(child->plan->loop, &child->to, 0);
    uv_pipe_init(child->plan->loop, &child->from, 0);
    spawned_init(&child->process, child->plan->loop);
    child->to.data = child->from.data = child->process.exits.data = child;
    child->open_handles = 3;
    child->fault = NULL;
    await_head(child);
    int rc = spawn(child);
    child->started = rc == 0;
    if (rc != 0) {
        child_end(child);
        return rc;
    }
    child_enter(child, KERNEL_CHILD_IDLE);
    priority_lower_process(child->process.pid, child->plan->nice_value);
    return uv_read_start((uv_stream_t *)&child->from, on_alloc, on_read);
}

void kernel_child_close(struct kernel_child *child)
{
    child->closing = true;
    if (child->state == KERNEL_CHILD_RESTING)
        child_go(child);
    else if (child->state == KERNEL_CHILD_IDLE)
        child_kill(child, NULL);
}

/* ------------------------------------------------------------------ what it is told */

static struct lane lane_of(const struct kernel_child *child)
{
    return (struct lane){.kind = LANE_CHILD, .number = child->number};
}

static bool has_spoken(const struct kernel_child *child)
{
    struct pollfd pipe = {.events = POLLIN};
    return uv_fileno((const uv_handle_t *)&child->from, &pipe.fd) == 0 && poll(&pipe, 1, 0) > 0;
}

/* libuv rings timers before it reads: after a block of the loop, the answer of a child that was in
 * time may lie in the pipe. It is read in the next turn. */
static void on_grace_over(uv_timer_t *timer)
{
    struct kernel_child *child = timer->data;
    if (child->looks++ < LOOKS_MAX && (has_spoken(child) || has_died(child)))
        uv_timer_start(timer, on_grace_over, 1, 0);
    else
        child_kill(child, "did not stop when it was told to");
}

/* A pipe that a child has read empty takes a message of this size at once. If not, the child is
 * dead, or as good as that. */
static bool child_tell(struct kernel_child *child, const void *bytes, size_t length)
{
    char copy[sizeof(struct wire_head) + sizeof(struct wire_job)];
    memcpy(copy, bytes, length);
    uv_buf_t buffer = uv_buf_init(copy, (unsigned)length);
    int rc = uv_try_write((uv_stream_t *)&child->to, &buffer, 1);
    if (rc == (int)length)
        return true;
    child_kill(child, rc == UV_EPIPE ? NULL : "did not read its pipe");
    return false;
}

bool kernel_child_give(struct kernel_child *child, struct job *job)
{
    struct {
        struct wire_head head;
        struct wire_job job;
    } message = {wire_head(WIRE_RUN, sizeof(struct wire_job)),
                 wire_job_from(job->kernel, &job->arguments)};
    if (!child_tell(child, &message, sizeof message))
        return false;
    child_enter(child, KERNEL_CHILD_BUSY);
    child->job = job;
    atomic_store_explicit(&job->begun, true, memory_order_relaxed);
    trip_start(&job->trip, lane_of(child));
    return true;
}

void kernel_child_cancel(struct kernel_child *child)
{
    struct wire_head cancel = wire_head(WIRE_CANCEL, 0);
    if (child->state != KERNEL_CHILD_BUSY || !child_tell(child, &cancel, sizeof cancel))
        return; /* it is about to end, and its job with it */
    child->looks = 0;
    begin_grace(child, on_grace_over);
}
