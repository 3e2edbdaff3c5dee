/* member.c – see member.h. */
#include "server/cluster/member.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "kernel/bounded.h"
#include "server/cluster/channel.h"
#include "server/log.h"

static unsigned number_in(const char *variable)
{
    char error[120];
    uint64_t number = 0;
    const char *text = getenv(variable);
    if (text != NULL)
        (void)bounded_integer(variable, 0, 1000, text, &number, error, sizeof error);
    return (unsigned)number;
}

unsigned member_number(void)
{
    return number_in(MEMBER_VARIABLE);
}

bool member_is_lent_recording(void)
{
    return getenv(MEMBER_RECORDING_VARIABLE) != NULL;
}

unsigned member_recording(void)
{
    return number_in(MEMBER_RECORDING_VARIABLE);
}

/* The processes that this one starts shall not inherit what it has inherited. */
static int keep_to_itself(int fd)
{
    return fcntl(fd, F_SETFD, FD_CLOEXEC) == 0 ? 0 : -errno;
}

int member_listener_fd(void)
{
    (void)keep_to_itself(MEMBER_LISTENER_FD);
    return MEMBER_LISTENER_FD;
}

/* Not getppid: a process that dies closes its descriptors before its children change hands. */
static void on_end(struct member *member)
{
    uv_poll_stop(&member->channel);
    if (!member->told)
        log_event(LOG_WARNING, "parent_gone", NULL, "the cluster's parent is gone: draining");
    member->events->on_end(member->data);
}

/* The word alone comes when this process has no room for another descriptor. */
static void take(struct member *member, int fd)
{
    int rc = fd >= 0 ? member->events->on_connection(member->data, fd) : UV_EMFILE;
    if (rc != 0 && fd >= 0)
        close(fd);
    (void)channel_say(MEMBER_CHANNEL_FD, rc == 0 ? CHANNEL_TAKEN : CHANNEL_REFUSED, -1);
}

/* The status is no news: whatever is wrong with the channel, hearing tells. */
static void on_channel(uv_poll_t *poll, int status, int events)
{
    struct member *member = poll->data;
    enum channel_word word;
    int fd, rc;
    (void)status, (void)events;
    while ((rc = channel_hear(MEMBER_CHANNEL_FD, &word, &fd)) > 0) {
        member->told = member->told || word == CHANNEL_DRAIN;
        if (word == CHANNEL_CONNECTION)
            take(member, fd);
        else if (fd >= 0) /* a word of another version */
            close(fd);
    }
    if (rc < 0)
        on_end(member);
}

int member_join(struct member *member, uv_loop_t *loop, const struct member_events *events,
                void *data)
{
    int rc = keep_to_itself(MEMBER_CHANNEL_FD);
    if (rc != 0)
        return rc;
    member->events = events;
    member->data = data;
    rc = uv_poll_init(loop, &member->channel, MEMBER_CHANNEL_FD);
    if (rc != 0)
        return rc;
    member->channel.data = member;
    member->joined = true;
    return uv_poll_start(&member->channel, UV_READABLE, on_channel);
}

void member_tell_ready(struct member *member)
{
    (void)member;
    (void)channel_say(MEMBER_CHANNEL_FD, CHANNEL_READY, -1);
}

void member_leave(struct member *member)
{
    if (!member->joined)
        return;
    channel_end(MEMBER_CHANNEL_FD);
    uv_close((uv_handle_t *)&member->channel, NULL);
}
