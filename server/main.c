/* main.c – options in, exit status out. The only file that ends the process. */
#include <stdio.h>
#include <stdlib.h>
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
    if (options.cluster > 0 && member_number() == 0)
        return cluster_run(&options, argv, exit_at_once);
    return app_run(&options, exit_at_once);
}
