/* main.c – options in, exit status out. The only file that ends the process. */
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "process/signals.h"
#include "process/stdio.h"
#include "server/app.h"
#include "server/budget.h"
#include "server/cluster/cluster.h"
#include "server/cluster/member.h"
#include "server/log.h"
#include "server/options.h"
#include "server/slow_io/place.h"

enum { ARENAS_MAX = 4096 };

enum { EXIT_WRONG_USAGE = 2, EXIT_BY_SIGNAL = 128 };

static void exit_at_once(int signal)
{
    _exit(EXIT_BY_SIGNAL + signal);
}

/* Nothing is printed if there is no memory for it. */
static int print(const char *text)
{
    int rc = text != NULL ? fputs(text, stdout) : EOF;
    return stdio_end("offloop") == 0 && rc != EOF ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int print_help(void)
{
    char *text = options_help();
    int status = print(text);
    free(text);
    return status;
}

/* What belongs to the process and not to a server. */
static void prepare_process(const struct options *options)
{
    char size[16];
    snprintf(size, sizeof size, "%u", options->threadpool_size);
    setenv("UV_THREADPOOL_SIZE", size, 1); /* libuv reads it at the pool's first use */
    /* An arena for each thread: by default glibc makes 8 for each core, and then lets threads share
     * them, the loop's too. A thread of nice 19 that loses its core inside malloc would hold it. */
    (void)mallopt(M_ARENA_MAX, ARENAS_MAX);
}

/* In a cluster the parent speaks for its members. */
static void share_descriptors(struct options *options)
{
    const struct options asked = *options;
    unsigned limit = budget_raise_limit();
    budget_fit(options, limit);
    if (member_number() == 0)
        budget_tell(&asked, options, limit);
}

/* It speaks for them here, too. */
static void log_place(const struct place *place)
{
    cJSON *fields = cJSON_CreateObject();
    cJSON_AddStringToObject(fields, "path", place->path);
    cJSON_AddStringToObject(fields, "origin", place->origin);
    log_event(LOG_WARNING, "database_elsewhere", fields, "the database of /slow is %s (%s): %s",
              place->path, place->origin, place->problem);
}

/* What was asked for must be usable; the parent has tried it for its members. */
static int find_database(struct options *options, struct place *place)
{
    bool is_member = member_number() > 0, was_asked = options->database != NULL;
    if (is_member && was_asked)
        return 0;
    int rc = place_find(place, options->database);
    if (rc != 0)
        log_event(LOG_ERROR, "start_failed", NULL, "cannot start: %s", place->problem);
    else if (place->problem[0] != '\0' && !is_member)
        log_place(place);
    options->database = place->path;
    options->database_origin = place->origin;
    return rc;
}

static int run(struct options *options, char **arguments)
{
    struct place place;
    share_descriptors(options);
    if (find_database(options, &place) != 0)
        return EXIT_FAILURE;
    if (options->cluster > 0 && member_number() == 0)
        return cluster_run(options, arguments, exit_at_once);
    return app_run(options, exit_at_once);
}

int main(int argc, char **argv)
{
    struct options options;
    char error[300];
    if (stdio_begin("offloop") != 0)
        return EXIT_FAILURE;
    signals_begin(SIGNALS_SERVER);
    switch (options_parse(&options, argc, argv, error, sizeof error)) {
    case OPTIONS_HELP:
        return print_help();
    case OPTIONS_VERSION:
        return print("offloop " OFFLOOP_VERSION "\n");
    case OPTIONS_WRONG:
        fprintf(stderr, "offloop: %s\nTry 'offloop --help'.\n", error);
        return EXIT_WRONG_USAGE;
    case OPTIONS_RUN:
        break;
    }
    prepare_process(&options);
    int status = run(&options, argv);
    log_flush();
    return status;
}
