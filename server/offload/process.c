/* process.c – on child processes, as Node's child_process.fork.
 *
 * A pool of offloop-kernel --pipe, each with a pipe in and a pipe out that speak kernel/wire.h.
 * What threads cannot give: a child that crashes, hangs or goes mad takes down one job. It is
 * killed and replaced; the jobs that wait, wait on this side (as in worker.c) and notice nothing.
 *
 * A child that dies before it has finished one job is replaced more and more slowly (REST_MIN_MS
 * doubling to REST_MAX_MS), so a broken installation does not become a fork bomb. Children end with
 * their parent: they read the end of their input, and the kernel kills them if the parent was
 * killed.
 *
 *               spawned               job sent              result read
 *     RESTING ──────────▶ IDLE ──────────────────▶ BUSY ──────────────────▶ IDLE
 *        ▲                  │ died                   │ died, hung, or wrote nonsense
 *        └── all handles ◀── ENDING ◀────────────────┘
 *            are closed
 *
 * Rejected: a message loop in the child beside the kernel (a second thread, for the sake of a
 * cancellation that a poll between two steps can see); restarting a child after each job (1 ms and
 * more for each). */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/wire.h"
#include "server/offload/priority.h"
#include "server/offload/strategy.h"

enum { REST_MIN_MS = 10, REST_MAX_MS = 1000, CANCEL_GRACE_MS = 1000 };

enum child_state { CHILD_RESTING, CHILD_IDLE, CHILD_BUSY, CHILD_ENDING };

/* What is being read from a child, in this order. */
enum child_part { PART_HEAD, PART_RESULT, PART_IMAGE };

struct processes;

struct child {
    struct processes *pool;
    unsigned number;
    enum child_state state;
    uv_process_t process;
    uv_pipe_t to, from;
    unsigned open_handles; /* of these three */
    uv_timer_t timer;      /* its rest, or the grace after a cancellation */
    unsigned rest_ms;
    struct job *job;
    const char *fault; /* why it was killed; NULL if it died by itself */

    enum child_part part;
    char *target; /* where the part goes */
    size_t target_bytes, target_filled;
    struct wire_head head;
    struct wire_result result;
    unsigned char *image;
};

struct processes {
    uv_loop_t *loop;
    struct offload_options options;
    struct job_queue waiting;
    unsigned waiting_count;
    unsigned size, alive; /* children, and those whose memory is in use */
    bool stopping;
    struct child children[];
};

static void child_spawn(struct child *child);
static void hand_out(struct processes *pool);

static struct job *pop_waiting(struct processes *pool)
{
    struct job *job = job_queue_pop(&pool->waiting);
    pool->waiting_count -= job != NULL;
    return job;
}

/* ------------------------------------------------------------------ the end of a child */

static void on_timer_closed(uv_handle_t *timer)
{
    struct child *child = timer->data;
    if (--child->pool->alive == 0)
        free(child->pool);
}

static void on_rested(uv_timer_t *timer)
{
    child_spawn(timer->data);
}

static void child_rest(struct child *child)
{
    child->state = CHILD_RESTING;
    if (child->pool->stopping) {
        uv_close((uv_handle_t *)&child->timer, on_timer_closed);
        return;
    }
    child->rest_ms = child->rest_ms == 0                ? REST_MIN_MS
                     : child->rest_ms < REST_MAX_MS / 2 ? child->rest_ms * 2
                                                        : REST_MAX_MS;
    uv_timer_start(&child->timer, on_rested, child->rest_ms, 0);
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct child *child = handle->data;
    if (--child->open_handles == 0)
        child_rest(child);
}

static void child_end(struct child *child)
{
    child->state = CHILD_ENDING;
    free(child->image);
    child->image = NULL;
    uv_timer_stop(&child->timer);
    uv_close((uv_handle_t *)&child->process, on_handle_closed);
    uv_close((uv_handle_t *)&child->to, on_handle_closed);
    uv_close((uv_handle_t *)&child->from, on_handle_closed);
}

/* SIGKILL: a child that hangs would not hear anything softer. on_child_exit does the rest; until
 * then nobody may give it a job. */
static void child_kill(struct child *child, const char *fault)
{
    child->state = CHILD_ENDING;
    if (child->fault == NULL)
        child->fault = fault;
    uv_process_kill(&child->process, SIGKILL);
}

static void describe_death(const struct child *child, int64_t status, int signal, char *text,
                           size_t size)
{
    if (child->fault != NULL)
        snprintf(text, size, "the child process %s, and was killed", child->fault);
    else if (signal != 0)
        snprintf(text, size, "the child process died of signal %d (%s)", signal, strsignal(signal));
    else
        snprintf(text, size, "the child process ended with status %d", (int)status);
}

static void on_child_exit(uv_process_t *process, int64_t status, int signal)
{
    struct child *child = process->data;
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

static void await_part(struct child *child, enum child_part part, void *target, size_t bytes)
{
    child->part = part;
    child->target = target;
    child->target_bytes = bytes;
    child->target_filled = 0;
}

static void await_head(struct child *child)
{
    await_part(child, PART_HEAD, &child->head, sizeof child->head);
}

static int take_result(struct child *child, struct job *job)
{
    const struct wire_result *wire = &child->result;
    trip_finish(&job->trip);
    job->trip.started_ns = wire->started_ns; /* the child knows better */
    job->trip.finished_ns = wire->finished_ns;
    job->error = (int)wire->error;
    int rc = 0;
    if (wire->error == 0)
        rc = wire_result_read(wire, job->kernel->image_type, child->image, &job->result);
    if (rc == 0 && wire->error == 0)
        child->image = NULL; /* the result's now */
    return rc;
}

static void finish_job(struct child *child)
{
    struct job *job = child->job;
    if (take_result(child, job) != 0) {
        child_kill(child, "wrote nonsense");
        return;
    }
    free(child->image);
    child->image = NULL;
    child->job = NULL;
    child->state = CHILD_IDLE;
    child->rest_ms = 0;
    uv_timer_stop(&child->timer);
    await_head(child);
    hand_out(child->pool); /* first the lane is busy again, then the answer is written */
    job_deliver(job, 0);
}

static int take_head(struct child *child)
{
    if (child->state != CHILD_BUSY || wire_head_check(&child->head, WIRE_RESULT) != 0)
        return -EBADMSG;
    await_part(child, PART_RESULT, &child->result, sizeof child->result);
    return 0;
}

static int take_numbers(struct child *child)
{
    uint64_t image_bytes = child->head.body_bytes - sizeof child->result;
    if (child->result.image_bytes != image_bytes)
        return -EBADMSG;
    if (image_bytes == 0) {
        finish_job(child);
        return 0;
    }
    child->image = malloc((size_t)image_bytes);
    if (child->image == NULL)
        return -ENOMEM;
    await_part(child, PART_IMAGE, child->image, (size_t)image_bytes);
    return 0;
}

static int take_part(struct child *child)
{
    switch (child->part) {
    case PART_HEAD:
        return take_head(child);
    case PART_RESULT:
        return take_numbers(child);
    case PART_IMAGE:
        finish_job(child);
        return 0;
    }
    return -EBADMSG;
}

/* Every read goes to where the part that is awaited belongs, and is never longer than that. */
static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
    struct child *child = handle->data;
    (void)suggested;
    *buffer = uv_buf_init(child->target + child->target_filled,
                          (unsigned)(child->target_bytes - child->target_filled));
}

static void on_read(uv_stream_t *stream, ssize_t length, const uv_buf_t *buffer)
{
    struct child *child = stream->data;
    (void)buffer;
    if (length < 0) {
        uv_read_stop(stream);
        child_kill(child, length == UV_EOF ? NULL : "broke its pipe");
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

/* ------------------------------------------------------------------ the beginning of a child */

static int spawn(struct child *child)
{
    struct processes *pool = child->pool;
    char program[4096], pipe_option[] = "--pipe";
    snprintf(program, sizeof program, "%s", pool->options.kernel_program);
    char *arguments[] = {program, pipe_option, NULL};
    uv_stdio_container_t stdio[3] = {
        {.flags = UV_CREATE_PIPE | UV_READABLE_PIPE, .data.stream = (uv_stream_t *)&child->to},
        {.flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE, .data.stream = (uv_stream_t *)&child->from},
        {.flags = UV_INHERIT_FD, .data.fd = 2},
    };
    uv_process_options_t options = {.file = program,
                                    .args = arguments,
                                    .exit_cb = on_child_exit,
                                    .stdio = stdio,
                                    .stdio_count = 3};
    return uv_spawn(pool->loop, &child->process, &options);
}

static int child_try_spawn(struct child *child)
{
    struct processes *pool = child->pool;
    uv_pipe_init(pool->loop, &child->to, 0);
    uv_pipe_init(pool->loop, &child->from, 0);
    child->to.data = child->from.data = child->process.data = child;
    child->open_handles = 3;
    child->fault = NULL;
    await_head(child);
    int rc = spawn(child);
    child->process.data = child;
    if (rc != 0) {
        child_end(child);
        return rc;
    }
    child->state = CHILD_IDLE;
    priority_lower_process(child->process.pid, pool->options.nice_value);
    return uv_read_start((uv_stream_t *)&child->from, on_alloc, on_read);
}

/* The program cannot be started any more: who waits must be told, and not wait for ever. */
static void give_up_waiting(struct processes *pool, int rc)
{
    struct job *job;
    for (unsigned count = pool->waiting_count; count > 0; count--) {
        if ((job = pop_waiting(pool)) == NULL)
            return;
        snprintf(job->problem, sizeof job->problem, "no child process can be started: %s",
                 uv_strerror(rc));
        job_deliver(job, UV_EPIPE);
    }
}

static void child_spawn(struct child *child)
{
    int rc = child_try_spawn(child);
    if (rc == 0)
        hand_out(child->pool);
    else if (child->rest_ms == REST_MAX_MS)
        give_up_waiting(child->pool, rc);
}

/* ------------------------------------------------------------------ handing out */

static struct lane lane_of(const struct child *child)
{
    return (struct lane){.kind = LANE_CHILD, .number = child->number};
}

static void on_grace_over(uv_timer_t *timer)
{
    child_kill(timer->data, "did not stop when it was told to");
}

/* A pipe that a child has read empty takes a message of this size at once; if not, it is broken. */
static bool child_tell(struct child *child, const void *bytes, size_t length)
{
    char copy[sizeof(struct wire_head) + sizeof(struct wire_job)];
    memcpy(copy, bytes, length);
    uv_buf_t buffer = uv_buf_init(copy, (unsigned)length);
    if (uv_try_write((uv_stream_t *)&child->to, &buffer, 1) == (int)length)
        return true;
    child_kill(child, "did not read its pipe");
    return false;
}

static void child_give(struct child *child, struct job *job)
{
    struct {
        struct wire_head head;
        struct wire_job job;
    } message = {wire_head(WIRE_RUN, sizeof(struct wire_job)),
                 wire_job_from(job->kernel, &job->arguments)};
    child->state = CHILD_BUSY;
    child->job = job;
    job->lane_data = child;
    atomic_store_explicit(&job->begun, true, memory_order_relaxed);
    trip_start(&job->trip, lane_of(child));
    (void)child_tell(child, &message, sizeof message);
}

static void hand_out(struct processes *pool)
{
    for (unsigned i = 0; i < pool->size && pool->waiting.first != NULL; i++) {
        if (pool->children[i].state == CHILD_IDLE)
            child_give(&pool->children[i], pop_waiting(pool));
    }
}

static int process_submit(void *lanes, struct job *job)
{
    struct processes *pool = lanes;
    job->lane_data = NULL;
    job_queue_push(&pool->waiting, job);
    pool->waiting_count++;
    hand_out(pool);
    return 0;
}

static void process_cancel(void *lanes, struct job *job)
{
    struct processes *pool = lanes;
    struct child *child = job->lane_data;
    if (child == NULL) {
        job_queue_remove(&pool->waiting, job);
        pool->waiting_count--;
        job_deliver(job, UV_ECANCELED);
        return;
    }
    struct wire_head cancel = wire_head(WIRE_CANCEL, 0);
    if (child_tell(child, &cancel, sizeof cancel))
        uv_timer_start(&child->timer, on_grace_over, CANCEL_GRACE_MS, 0);
}

static unsigned process_width(const void *lanes)
{
    const struct processes *pool = lanes;
    return pool->size;
}

/* ------------------------------------------------------------------ beginning and end of the pool
 */

static void process_stop(void *lanes)
{
    struct processes *pool = lanes;
    pool->stopping = true;
    for (unsigned i = 0; i < pool->size; i++) {
        struct child *child = &pool->children[i];
        if (child->state == CHILD_RESTING)
            uv_close((uv_handle_t *)&child->timer, on_timer_closed);
        else if (child->state == CHILD_IDLE)
            child_kill(child, NULL);
    }
}

static int process_start(uv_loop_t *loop, const struct offload_options *options, void **lanes)
{
    unsigned size = options->processes;
    struct processes *pool = calloc(1, sizeof *pool + size * sizeof *pool->children);
    if (pool == NULL)
        return UV_ENOMEM;
    pool->loop = loop;
    pool->options = *options;
    pool->size = pool->alive = size;
    int rc = 0;
    for (unsigned i = 0; i < size; i++) {
        struct child *child = &pool->children[i];
        child->pool = pool;
        child->number = i + 1;
        uv_timer_init(loop, &child->timer);
        child->timer.data = child;
        int failed = rc == 0 ? child_try_spawn(child) : rc;
        rc = failed;
    }
    if (rc != 0)
        process_stop(pool);
    else
        *lanes = pool;
    return rc;
}

const struct strategy strategy_process = {
    .name = "process",
    .help = "on child processes over pipes, as child_process.fork does: a crash costs one job",
    .start = process_start,
    .submit = process_submit,
    .cancel = process_cancel,
    .width = process_width,
    .stop = process_stop,
};
