/* writer.c – see writer.h.
 *
 * Rejected: O_NONBLOCK on the descriptor, because its description is shared with the shell and
 * whoever else has it; a description of its own by way of /proc/self/fd, which a terminal or pipe
 * of another user refuses and a socket always does; poll before write, because a terminal with room
 * for one byte is "writable", and another process may take the room of a pipe in between.
 *
 * The thread starts with the first line. If there can be none, a line is written where it is put,
 * if the descriptor looks as if it would take it. */
#include "process/writer.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* ------------------------------------------------------------------ the thread */

/* Somebody may have made the description non-blocking: then the waiting is done here. What cannot
 * be written for another reason has nobody who would read it. */
static void write_all(int fd, const char *text, size_t length)
{
    struct pollfd room = {.fd = fd, .events = POLLOUT};
    while (length > 0) {
        ssize_t count = write(fd, text, length);
        if (count < 0 && errno == EAGAIN)
            (void)poll(&room, 1, -1);
        else if (count < 0 && errno != EINTR)
            return;
        text += count > 0 ? count : 0;
        length -= count > 0 ? (size_t)count : 0;
    }
}

static void write_loss(const struct writer *writer, unsigned count)
{
    char line[WRITER_LINE_BYTES];
    size_t length = writer->describe_loss(count, line);
    write_all(writer->fd, line, length);
}

/* The lock is held, but while it writes. Nobody touches the first line meanwhile. */
static void write_first(struct writer *writer)
{
    const struct writer_line *line = &writer->lines[writer->first];
    pthread_mutex_unlock(&writer->lock);
    if (line->lost_before > 0)
        write_loss(writer, line->lost_before);
    write_all(writer->fd, line->text, line->length);
    pthread_mutex_lock(&writer->lock);
    writer->first = --writer->waiting > 0 ? (writer->first + 1) % WRITER_LINES : 0;
}

/* No line has come that could say it. */
static void tell_loss(struct writer *writer)
{
    unsigned count = writer->lost;
    writer->lost = 0;
    writer->telling = true;
    pthread_mutex_unlock(&writer->lock);
    write_loss(writer, count);
    pthread_mutex_lock(&writer->lock);
    writer->telling = false;
}

static void *run(void *data)
{
    struct writer *writer = data;
    pthread_mutex_lock(&writer->lock);
    for (;;) {
        while (writer->waiting == 0 && writer->lost == 0)
            pthread_cond_wait(&writer->put, &writer->lock);
        if (writer->waiting > 0)
            write_first(writer);
        else
            tell_loss(writer);
        writer->done++;
        pthread_cond_broadcast(&writer->written);
    }
    return NULL;
}

/* Signals are for others. */
static bool start(struct writer *writer)
{
    sigset_t all, before;
    pthread_t thread;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    bool started = pthread_create(&thread, NULL, run, writer) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (!started)
        return false;
    pthread_setname_np(thread, "log");
    pthread_detach(thread);
    return true;
}

/* ------------------------------------------------------------------ who puts, who waits */

static void keep(struct writer *writer, const char *text, size_t length)
{
    if (writer->waiting == WRITER_LINES || length > WRITER_LINE_BYTES) {
        writer->lost++;
        return;
    }
    struct writer_line *line = &writer->lines[(writer->first + writer->waiting++) % WRITER_LINES];
    line->lost_before = writer->lost;
    line->length = length;
    memcpy(line->text, text, length);
    writer->lost = 0;
}

static void write_if_it_seems_to_fit(int fd, const char *text, size_t length)
{
    struct pollfd room = {.fd = fd, .events = POLLOUT};
    if (poll(&room, 1, 0) == 1)
        (void)!write(fd, text, length);
}

void writer_put(struct writer *writer, const char *line, size_t length)
{
    pthread_mutex_lock(&writer->lock);
    bool running = writer->running = writer->running || start(writer);
    if (running)
        keep(writer, line, length);
    pthread_cond_signal(&writer->put);
    pthread_mutex_unlock(&writer->lock);
    if (!running)
        write_if_it_seems_to_fit(writer->fd, line, length);
}

static bool is_idle(const struct writer *writer)
{
    return writer->waiting == 0 && writer->lost == 0 && !writer->telling;
}

static void add_ms(struct timespec *time, unsigned ms)
{
    time->tv_sec += ms / 1000;
    time->tv_nsec += (long)(ms % 1000) * 1000000;
    if (time->tv_nsec >= 1000000000) {
        time->tv_sec++;
        time->tv_nsec -= 1000000000;
    }
}

/* Returns whether a line has left in time. */
static bool await_progress(struct writer *writer, unsigned patience_ms)
{
    unsigned before = writer->done;
    struct timespec end;
    int rc = 0;
    clock_gettime(CLOCK_MONOTONIC, &end);
    add_ms(&end, patience_ms);
    while (writer->done == before && rc == 0)
        rc = pthread_cond_clockwait(&writer->written, &writer->lock, CLOCK_MONOTONIC, &end);
    return writer->done != before;
}

bool writer_flush(struct writer *writer, unsigned patience_ms)
{
    pthread_mutex_lock(&writer->lock);
    bool idle;
    while (!(idle = is_idle(writer)) && await_progress(writer, patience_ms))
        continue;
    pthread_mutex_unlock(&writer->lock);
    return idle;
}
