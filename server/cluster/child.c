/* child.c – see child.h.
 *
 * Members lead a session of their own, so a Ctrl-C or a closed terminal
 * speaks to the parent only, and the parent to its members, once. */
#include "server/cluster/child.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/cluster/channel.h"
#include "server/cluster/member.h"
#include "server/log.h"

extern char **environ;

/* ------------------------------------------------------------------ the end */

static void on_closed(uv_handle_t *handle)
{
    struct child *child = handle->data;
    if (--child->open_handles > 0)
        return;
    close(child->channel_fd);
    free(child);
}

static void child_close(struct child *child)
{
    if (child->open_handles == 3) /* it came as far as a process */
        uv_close((uv_handle_t *)&child->process.exits, on_closed);
    uv_close((uv_handle_t *)&child->channel, on_closed);
    uv_close((uv_handle_t *)&child->patience, on_closed);
}

/* Whose end was asked for, its end is no news; that it had to be killed is. */
static void on_drained_too_long(uv_timer_t *timer)
{
    struct child *child = timer->data;
    log_event(LOG_WARNING, "member_killed", NULL, "pid %d has not drained in time, and is killed",
              child->process.pid);
    child_kill(child);
}

void child_hurry(struct child *child)
{
    if (child->hurried)
        return;
    child->hurried = true;
    uv_timer_start(&child->patience, on_drained_too_long, child->plan->drain_ms, 0);
}

void child_drain(struct child *child)
{
    if (child->state == CHILD_DRAINING)
        return;
    child->state = CHILD_DRAINING;
    (void)channel_say(child->channel_fd, CHANNEL_DRAIN, -1);
    channel_end(child->channel_fd);
    child_hurry(child);
}

void child_kill(struct child *child)
{
    child->killed = true;
    spawned_kill(&child->process, SIGKILL);
}

/* ------------------------------------------------------------------ what it says */

static void take_answer(struct child *child, bool taken)
{
    int connection = child->dealt;
    child->dealt = -1;
    if (taken && connection >= 0) {
        close(connection);
        connection = -1;
    }
    child->plan->events->on_answered(child, connection);
}

static void take_word(struct child *child, enum channel_word word)
{
    if (word == CHANNEL_READY && child->state == CHILD_STARTING && !child->killed) {
        child->state = CHILD_READY;
        if (!child->hurried)
            uv_timer_stop(&child->patience);
        child->ready_ms = uv_now(child->plan->loop);
        child->plan->events->on_ready(child);
    } else if (word == CHANNEL_TAKEN || word == CHANNEL_REFUSED) {
        take_answer(child, word == CHANNEL_TAKEN);
    }
}

/* It will say nothing more, so what it has not answered for by now it has not taken. */
static void take_end(struct child *child)
{
    child->silent = true;
    uv_poll_stop(&child->channel);
    if (child->dealt >= 0)
        take_answer(child, false);
}

static void hear_all(struct child *child)
{
    enum channel_word word;
    int descriptor, rc = 1;
    while (!child->silent && (rc = channel_hear(child->channel_fd, &word, &descriptor)) > 0) {
        if (descriptor >= 0) /* no member of this version sends one */
            close(descriptor);
        take_word(child, word);
    }
    if (rc < 0)
        take_end(child);
}

/* libuv rings timers before it reads: if this process was held, the word may lie unread. */
static void on_started_too_long(uv_timer_t *timer)
{
    struct child *child = timer->data;
    hear_all(child);
    if (child->state != CHILD_STARTING)
        return;
    child->late = true;
    child_kill(child);
}

static void on_channel(uv_poll_t *poll, int status, int events)
{
    (void)status, (void)events;
    hear_all(poll->data);
}

/* What it said before it ended counts: a connection that it has taken is not dealt again. */
static void on_child_exit(struct spawned *process, int64_t status, int number)
{
    struct child *child = process->exits.data;
    char how[100];
    hear_all(child);
    if (child->late)
        snprintf(how, sizeof how, "was not ready in time, and was killed");
    else if (number != 0)
        snprintf(how, sizeof how, "died of signal %d (%s)", number, strsignal(number));
    else
        snprintf(how, sizeof how, "ended with status %d", (int)status);
    child->plan->events->on_end(child, number != 0 ? -1 : status, how);
    child_close(child);
}

/* ------------------------------------------------------------------ dealing */

bool child_is_free(const struct child *child)
{
    return child != NULL && child->state == CHILD_READY && !child->killed && !child->silent &&
           child->dealt < 0;
}

int child_deal(struct child *child, int connection)
{
    int rc = channel_say(child->channel_fd, CHANNEL_CONNECTION, connection);
    if (rc == 0)
        child->dealt = connection;
    return rc;
}

/* ------------------------------------------------------------------ the beginning */

/* What a service manager tells the parent is not for its members: they would notify it, or take its
 * descriptors for theirs. */
static bool is_for_members(const char *variable)
{
    static const char *const others[] = {"NOTIFY_SOCKET=", "LISTEN_", "WATCHDOG_",
                                         MEMBER_VARIABLE "=", MEMBER_RECORDING_VARIABLE "="};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        if (strncmp(variable, others[i], strlen(others[i])) == 0)
            return false;
    }
    return true;
}

/* The environment for a member; an own variable may be empty, which is none. The array is
 * malloc'ed, the strings are not. */
static char **environment_with(char own[2][40])
{
    size_t count = 0, kept = 0;
    while (environ[count] != NULL)
        count++;
    char **variables = malloc((count + 3) * sizeof *variables);
    if (variables == NULL)
        return NULL;
    for (size_t i = 0; i < count; i++) {
        if (is_for_members(environ[i]))
            variables[kept++] = environ[i];
    }
    variables[kept++] = own[0];
    if (*own[1] != '\0')
        variables[kept++] = own[1];
    variables[kept] = NULL;
    return variables;
}

static int spawn(struct child *child, const struct child_identity *identity, int channel)
{
    const struct child_plan *plan = child->plan;
    char own[2][40] = {"", ""};
    snprintf(own[0], sizeof own[0], MEMBER_VARIABLE "=%u", identity->number);
    if (plan->recordings >= 0)
        snprintf(own[1], sizeof own[1], MEMBER_RECORDING_VARIABLE "=%u", identity->recording);
    char **variables = environment_with(own);
    if (variables == NULL)
        return UV_ENOMEM;
    const struct spawn_plan spawn_plan = {
        .program = plan->program,
        .arguments = plan->arguments,
        .environment = variables,
        .own_session = true,
        .descriptors = {0, 1,
                        2, [MEMBER_CHANNEL_FD] = channel, [MEMBER_RECORDINGS_FD] = plan->recordings,
                        [MEMBER_LISTENER_FD] = identity->listener},
        .descriptor_count = MEMBER_LISTENER_FD + 1,
    };
    child->open_handles++;
    spawned_init(&child->process, plan->loop);
    int rc = spawned_start(&child->process, &spawn_plan, on_child_exit);
    free(variables);
    return rc;
}

/* Takes the channel over if it succeeds. */
static struct child *child_new(const struct child_plan *plan, int channel, void *owner)
{
    struct child *child = calloc(1, sizeof *child);
    if (child == NULL || uv_poll_init(plan->loop, &child->channel, channel) != 0) {
        free(child);
        return NULL;
    }
    uv_timer_init(plan->loop, &child->patience);
    child->patience.data = child->channel.data = child->process.exits.data = child;
    child->plan = plan;
    child->owner = owner;
    child->dealt = -1;
    child->channel_fd = channel;
    child->open_handles = 2;
    return child;
}

int child_spawn(struct child **child, const struct child_plan *plan,
                const struct child_identity *identity, void *owner)
{
    int ends[2];
    int rc = channel_pair(ends);
    if (rc != 0)
        return rc;
    struct child *made = child_new(plan, ends[0], owner);
    if (made == NULL) {
        close(ends[0]);
        close(ends[1]);
        return UV_ENOMEM;
    }
    made->recording = identity->recording;
    rc = uv_poll_start(&made->channel, UV_READABLE, on_channel);
    if (rc == 0)
        rc = spawn(made, identity, ends[1]);
    close(ends[1]);
    if (rc != 0) {
        child_close(made);
        return rc;
    }
    uv_timer_start(&made->patience, on_started_too_long, plan->start_ms, 0);
    *child = made;
    return 0;
}
