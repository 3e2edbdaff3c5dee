/* main.c – options in, exit status out. The only file that ends the process. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "server/app.h"
#include "server/cluster/cluster.h"
#include "server/cluster/member.h"
#include "server/options.h"

enum { EXIT_WRONG_USAGE = 2, EXIT_BY_SIGNAL = 128 };

static void exit_at_once(int signal)
{
    _exit(EXIT_BY_SIGNAL + signal);
}

static int print_help(void)
{
    char *text = options_help();
    int rc = text != NULL ? fputs(text, stdout) : EOF;
    free(text);
    return rc >= 0 && fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* What belongs to the process and not to a server. */
static void prepare_process(const struct options *options)
{
    char size[16];
    struct rlimit files;
    snprintf(size, sizeof size, "%u", options->threadpool_size);
    setenv("UV_THREADPOOL_SIZE", size, 1); /* libuv reads it at the pool's first use */
    signal(SIGPIPE, SIG_IGN);              /* a peer that has gone is an error code, not a death */
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max; /* the soft limit is for programs that use select */
        (void)setrlimit(RLIMIT_NOFILE, &files);
    }
}

int main(int argc, char **argv)
{
    struct options options;
    char error[300];
    switch (options_parse(&options, argc, argv, error, sizeof error)) {
    case OPTIONS_HELP:
        return print_help();
    case OPTIONS_VERSION:
        return puts("offloop " OFFLOOP_VERSION) >= 0 ? EXIT_SUCCESS : EXIT_FAILURE;
    case OPTIONS_WRONG:
        fprintf(stderr, "offloop: %s\nTry 'offloop --help'.\n", error);
        return EXIT_WRONG_USAGE;
    case OPTIONS_RUN:
        break;
    }
    prepare_process(&options);
    if (options.cluster > 0 && member_number() == 0)
        return cluster_run(&options, argv, exit_at_once);
    return app_run(&options, exit_at_once);
}
