/* hangup.c – see hangup.h.
 *
 * A handler of libuv would leave the default behind when it is closed, while the process still has
 * something to do.
 *
 * When a terminal is closed, the kernel first takes it away from the processes of its session, and
 * then sends the signal; so a process that had one and has none now was hung up, and one that has
 * it still was sent the signal by somebody. Whoever was started by nohup does not want to hear of
 * its terminal. */
#include "server/hangup.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

static bool terminal_is_there(void)
{
    int fd = open("/dev/tty", O_RDONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

static bool is_ignored(int number)
{
    struct sigaction action;
    return sigaction(number, NULL, &action) == 0 && action.sa_handler == SIG_IGN;
}

static void on_signal(uv_poll_t *poll, int status, int events)
{
    struct hangup *hangup = poll->data;
    struct signalfd_siginfo signal;
    (void)status, (void)events;
    if (read(hangup->fd, &signal, sizeof signal) == sizeof signal)
        hangup->on_hangup(hangup->data, hangup->has_terminal && !terminal_is_there());
}

static int open_signal(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    return signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

void hangup_begin(struct hangup *hangup, uv_loop_t *loop, void (*on_hangup)(void *data, bool ends),
                  void *data)
{
    *hangup = (struct hangup){.fd = open_signal(), .on_hangup = on_hangup, .data = data};
    hangup->has_terminal = terminal_is_there() && !is_ignored(SIGHUP);
    hangup->poll.data = hangup;
    if (hangup->fd >= 0 && uv_poll_init(loop, &hangup->poll, hangup->fd) != 0) {
        close(hangup->fd);
        hangup->fd = -1;
    }
    if (hangup->fd >= 0)
        uv_poll_start(&hangup->poll, UV_READABLE, on_signal);
}

static void on_closed(uv_handle_t *poll)
{
    const struct hangup *hangup = poll->data;
    close(hangup->fd);
}

void hangup_end(struct hangup *hangup)
{
    if (hangup->fd >= 0)
        uv_close((uv_handle_t *)&hangup->poll, on_closed);
}
