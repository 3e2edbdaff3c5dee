/* stdio.c – see stdio.h.
 *
 * A shell's `<&-`, `>&-`, `2>&-`, and many a daemon's starter leave a number free below 3. The next
 * open or socket gets it, and whoever then logs, closes or hands on "standard error" does it to
 * something else. So /dev/null is opened there, the wrong way round: a program that was started
 * without a standard output shall be told that its output is lost (as in gnulib's stdopen). */
#include "process/stdio.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static bool is_closed(int fd)
{
    return fcntl(fd, F_GETFD) < 0 && errno == EBADF;
}

/* In this order, open gives the number that is missing: the lowest. */
int stdio_begin(const char *program)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        int mode = fd == STDIN_FILENO ? O_WRONLY : O_RDONLY;
        if (!is_closed(fd) || open("/dev/null", mode) == fd)
            continue;
        fprintf(stderr, "%s: descriptor %d is closed, and /dev/null cannot be opened: %s\n",
                program, fd, strerror(errno));
        return -1;
    }
    return 0;
}

/* A write that failed before the last one has left its mark, but not its reason. */
int stdio_end(const char *program)
{
    errno = 0;
    if (fflush(stdout) == 0 && !ferror(stdout))
        return 0;
    const char *why = errno != 0 ? strerror(errno) : "a part of it is lost";
    fprintf(stderr, "%s: cannot write standard output: %s\n", program, why);
    return -1;
}
