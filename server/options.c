/* options.c – the option table, and getopt_long driven by it.
 *
 * To add an option: 1. give struct options a member, 2. add a row here. The parser, --help, the
 * check of bounds and the reading of the environment all follow from the row. */
#include "server/options.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/bounded.h"
#include "server/machine/cores.h"
#include "server/offload/offload.h"
#include "server/slow_io/slow_io.h"

enum option_type {
    OPTION_NUMBER,
    OPTION_TEXT,
    OPTION_FLAG,
    OPTION_CHOICE,
    OPTION_STRATEGY,
    OPTION_SOURCE,
    OPTION_OBSERVER, /* a port, or a word for one */
};

/* name, letter (0: none), type, member, min, max, default, environment variable, what the argument
 * is called (of a choice: the choices, "one|another"), help. A default of NULL is worked out when
 * the program starts. */
struct option_row {
    const char *name;
    char letter;
    enum option_type type;
    size_t offset;
    unsigned min, max;
    const char *fallback;
    const char *environment;
    const char *argument;
    const char *help;
};

enum { WORKERS_MAX = 1024, PROCESSES_MAX = 256 };

#define AT(member) offsetof(struct options, member)

static const struct option_row rows[] = {
    {"host", 'H', OPTION_TEXT, AT(host), 0, 0, "127.0.0.1", "HOST", "ADDRESS",
     "listen on this address or name"},
    {"port", 'p', OPTION_NUMBER, AT(port), 0, 65535, "8080", "PORT", "N",
     "listen on this port; 0 picks a free one and prints it"},
    {"reuse-port", 0, OPTION_FLAG, AT(reuse_port), 0, 0, NULL, NULL, NULL,
     "let another server listen on the same port, for a rolling restart"},
    {"observer", 0, OPTION_OBSERVER, AT(observer), 0, 65535, "next", NULL, "PORT",
     "watch it on this port: off, next (the one behind --port) or a number"},
    {"observer-host", 0, OPTION_TEXT, AT(observer_host), 0, 0, "127.0.0.1", NULL, "ADDRESS",
     "where the observer listens; it shows everything to everybody who can reach it"},
    {"blocked-after", 0, OPTION_NUMBER, AT(blocked_after), 1, 86400000, "500", NULL, "MS",
     "from when on a blocked loop is a 503 at the observer's /healthz"},
    {"cluster", 0, OPTION_NUMBER, AT(cluster), 0, 64, "0", NULL, "N",
     "server processes on one port; 0 for none but this one"},
    {"cluster-sched", 0, OPTION_CHOICE, AT(cluster_sched), 0, 0, "rr", NULL, "none|rr",
     "who spreads their connections: the kernel, or the parent in turn"},
    {"offload", 'o', OPTION_STRATEGY, AT(offload), 0, 0, "none", NULL, "WHERE",
     "where /heavy computes"},
    {"slow-io", 0, OPTION_SOURCE, AT(slow_io), 0, 0, "sqlite", NULL, "SOURCE",
     "what /slow waits for"},
    {"threadpool-size", 0, OPTION_NUMBER, AT(threadpool_size), 1, 1024, "4", "UV_THREADPOOL_SIZE",
     "N", "threads in libuv's pool"},
    {"workers", 'w', OPTION_NUMBER, AT(workers), 1, WORKERS_MAX, NULL, NULL, "N",
     "worker threads; unless given, as many as there are cores (affinity, cgroup quota)"},
    {"worker-per-request", 0, OPTION_FLAG, AT(worker_per_request), 0, 0, NULL, NULL, NULL,
     "start a thread for each job, as tutorials do, instead of keeping a pool"},
    {"processes", 0, OPTION_NUMBER, AT(processes), 1, PROCESSES_MAX, NULL, NULL, "N",
     "child processes; unless given, as many as there are cores"},
    {"job-timeout", 0, OPTION_NUMBER, AT(job_timeout), 0, 86400000, "0", NULL, "MS",
     "in which a job must be done, waiting included; then 504; 0 for no limit"},
    {"kernel-program", 0, OPTION_TEXT, AT(kernel_program), 0, 0, NULL, NULL, "FILE",
     "what child processes run (default: offloop-kernel beside this program)"},
    {"allow-crash", 0, OPTION_FLAG, AT(allow_crash), 0, 0, NULL, NULL, NULL,
     "offer the kernel `crash`, which takes the server down unless a child process runs it"},
    {"max-queue", 0, OPTION_NUMBER, AT(max_queue), 0, 1000000, "1000", NULL, "N",
     "jobs that may wait; one more gets 503"},
    {"shed-lag", 0, OPTION_NUMBER, AT(shed_lag), 0, 86400000, "0", NULL, "MS",
     "/heavy gets 503 while the event loop or the queue is this late; 0 for never"},
    {"slice-ms", 0, OPTION_NUMBER, AT(slice_ms), 1, 1000, "5", NULL, "MS",
     "how long `sliced` may hold the loop at a time"},
    {"offload-nice", 0, OPTION_NUMBER, AT(offload_nice), 0, 19, "19", NULL, "N",
     "how much threads that compute yield to the loop; 0 for not at all"},
    {"database", 0, OPTION_TEXT, AT(database), 0, 0, NULL, NULL, "FILE",
     "SQLite database of /slow; made if it is not there (default: offloop.db in the cache folder, "
     "or where there is room)"},
    {"database-connections", 0, OPTION_NUMBER, AT(database_connections), 1, 1024, "4", NULL, "N",
     "queries that wait in the database at the same time"},
    {"max-header-size", 0, OPTION_NUMBER, AT(max_header_size), 1024, 16 << 20, "16384", NULL,
     "BYTES", "of a request's target and field lines together"},
    {"max-body-size", 0, OPTION_NUMBER, AT(max_body_size), 1, 1 << 30, "1048576", NULL, "BYTES",
     "of a request's content"},
    {"max-connections", 0, OPTION_NUMBER, AT(max_connections), 1, 1000000, "100000", NULL, "N",
     "connections at the same time; one more gets 503"},
    {"max-requests-per-socket", 0, OPTION_NUMBER, AT(max_requests_per_socket), 0, 1000000000, "0",
     NULL, "N", "requests before a connection is closed; 0 for no limit"},
    {"headers-timeout", 0, OPTION_NUMBER, AT(headers_timeout), 1, 86400000, "60000", NULL, "MS",
     "for the head of a request to arrive"},
    {"request-timeout", 0, OPTION_NUMBER, AT(request_timeout), 1, 86400000, "300000", NULL, "MS",
     "for a whole request to arrive"},
    {"keep-alive-timeout", 0, OPTION_NUMBER, AT(keep_alive_timeout), 1, 86400000, "5000", NULL,
     "MS", "for an idle connection"},
    {"write-timeout", 0, OPTION_NUMBER, AT(write_timeout), 1, 86400000, "30000", NULL, "MS",
     "for a client that takes nothing of its answer"},
    {"start-timeout", 0, OPTION_NUMBER, AT(start_timeout), 1, 86400000, "30000", NULL, "MS",
     "for a process of a cluster to be ready"},
    {"drain-timeout", 0, OPTION_NUMBER, AT(drain_timeout), 1, 86400000, "10000", NULL, "MS",
     "for running requests to end after SIGTERM or SIGINT"},
};

enum { ROW_COUNT = sizeof rows / sizeof *rows, FIRST_CODE = 256 };

_Static_assert(sizeof rows / sizeof *rows <= OPTIONS_MAX, "every row has an origin");

/* ------------------------------------------------------------------ values */

static void *member_of(struct options *options, const struct option_row *row)
{
    return (char *)options + row->offset;
}

static int check_name(const struct option_row *row, const char *label, const char *value,
                      char *error, size_t error_size)
{
    bool strategy = row->type == OPTION_STRATEGY;
    if (strategy ? strategy_find(value) != NULL : source_find(value) != NULL)
        return 0;
    return bounded_choice_error(label, strategy ? strategy_names() : source_names(), value, error,
                                error_size);
}

/* One of the words between the bars of row->argument. */
static int check_choice(const struct option_row *row, const char *label, const char *value,
                        char *error, size_t error_size)
{
    char choices[100] = "";
    size_t length = strlen(value);
    for (const char *word = row->argument; *word != '\0';) {
        size_t size = strcspn(word, "|");
        if (size == length && memcmp(word, value, size) == 0)
            return 0;
        snprintf(choices + strlen(choices), sizeof choices - strlen(choices), "%s%.*s",
                 *choices != '\0' ? ", " : "", (int)size, word);
        word += size + (word[size] == '|');
    }
    return bounded_choice_error(label, choices, value, error, error_size);
}

static int set_observer(struct options *options, const struct option_row *row, const char *label,
                        const char *value, char *error, size_t error_size)
{
    int *port = member_of(options, row);
    uint64_t number = 0;
    if (strcmp(value, "off") == 0 || strcmp(value, "next") == 0) {
        *port = *value == 'o' ? OBSERVER_OFF : OBSERVER_NEXT;
        return 0;
    }
    if (!isdigit((unsigned char)*value))
        return bounded_choice_error(label, "off, next, a port", value, error, error_size);
    int rc = bounded_integer(label, row->min, row->max, value, &number, error, error_size);
    *port = (int)number;
    return rc;
}

/* `label` is what the user called it: "--port" or "PORT". */
static int set_value(struct options *options, const struct option_row *row, const char *label,
                     const char *value, char *error, size_t error_size)
{
    uint64_t number = 0;
    int rc = 0;
    switch (row->type) {
    case OPTION_NUMBER:
        rc = bounded_integer(label, row->min, row->max, value, &number, error, error_size);
        *(unsigned *)member_of(options, row) = (unsigned)number;
        return rc;
    case OPTION_FLAG:
        *(bool *)member_of(options, row) = true;
        return 0;
    case OPTION_OBSERVER:
        return set_observer(options, row, label, value, error, error_size);
    case OPTION_CHOICE:
        rc = check_choice(row, label, value, error, error_size);
        break;
    case OPTION_STRATEGY:
    case OPTION_SOURCE:
        rc = check_name(row, label, value, error, error_size);
        break;
    case OPTION_TEXT:
        break;
    }
    *(const char **)member_of(options, row) = value;
    return rc;
}

static void set_fallbacks(struct options *options)
{
    unsigned cores = cores_available();
    *options = (struct options){
        .workers = cores < WORKERS_MAX ? cores : WORKERS_MAX,
        .processes = cores < PROCESSES_MAX ? cores : PROCESSES_MAX,
    };
    for (size_t i = 0; i < ROW_COUNT; i++) {
        if (rows[i].fallback != NULL)
            (void)set_value(options, &rows[i], rows[i].name, rows[i].fallback, NULL, 0);
    }
}

/* Sets what the command line has not given. An empty variable is as good as none. */
static int read_environment(struct options *options, char *error, size_t error_size)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < ROW_COUNT; i++) {
        const char *variable = rows[i].environment;
        const char *value = variable != NULL ? getenv(variable) : NULL;
        if (value == NULL || *value == '\0' || options->origins[i] != OPTION_BY_DEFAULT)
            continue;
        options->origins[i] = OPTION_BY_ENVIRONMENT;
        rc = set_value(options, &rows[i], variable, value, error, error_size);
    }
    return rc;
}

/* ------------------------------------------------------------------ the command line */

static void fill_getopt(struct option *longs, char *letters)
{
    for (size_t i = 0; i < ROW_COUNT; i++) {
        int has_argument = rows[i].type == OPTION_FLAG ? no_argument : required_argument;
        longs[i] = (struct option){rows[i].name, has_argument, NULL, FIRST_CODE + (int)i};
        if (rows[i].letter == 0)
            continue;
        *letters++ = rows[i].letter;
        if (has_argument)
            *letters++ = ':';
    }
    longs[ROW_COUNT] = (struct option){"help", no_argument, NULL, 'h'};
    longs[ROW_COUNT + 1] = (struct option){"version", no_argument, NULL, 'V'};
    longs[ROW_COUNT + 2] = (struct option){NULL, 0, NULL, 0};
    strcpy(letters, "hV");
}

static const struct option_row *row_of(int code)
{
    if (code >= FIRST_CODE)
        return &rows[code - FIRST_CODE];
    for (size_t i = 0; i < ROW_COUNT; i++) {
        if (rows[i].letter == code)
            return &rows[i];
    }
    return NULL;
}

/* getopt says ':' for a missing argument and '?' for everything else. Then optopt is 0 for a long
 * option that it does not know, the letter for a short one, and its code for a known one that was
 * given an argument too many. */
static enum options_verdict complain(int code, const char *word, char *error, size_t error_size)
{
    char shown[BOUNDED_SHOWN_BYTES];
    bounded_show(shown, word);
    bool known = row_of(optopt) != NULL || optopt == 'h' || optopt == 'V';
    if (code == ':')
        snprintf(error, error_size, "%s needs an argument", shown);
    else if (optopt == 0)
        snprintf(error, error_size, "there is no option %s", shown);
    else if (known)
        snprintf(error, error_size, "%s: it takes no argument", shown);
    else
        snprintf(error, error_size, "there is no option -%c",
                 isprint((unsigned char)optopt) ? optopt : '?');
    return OPTIONS_WRONG;
}

static enum options_verdict take_option(struct options *options, int code, const char *word,
                                        char *error, size_t error_size)
{
    char label[64];
    const struct option_row *row = row_of(code);
    if (code == 'h')
        return OPTIONS_HELP;
    if (code == 'V')
        return OPTIONS_VERSION;
    if (row == NULL)
        return complain(code, word, error, error_size);
    options->origins[row - rows] = OPTION_BY_COMMAND_LINE;
    snprintf(label, sizeof label, "--%s", row->name);
    return set_value(options, row, label, optarg, error, error_size) == 0 ? OPTIONS_RUN
                                                                          : OPTIONS_WRONG;
}

/* Returns OPTIONS_RUN when all of the command line was taken. */
static enum options_verdict read_command_line(struct options *options, int argc, char **argv,
                                              char *error, size_t error_size)
{
    struct option longs[ROW_COUNT + 3];
    char letters[2 * ROW_COUNT + 4] = ":"; /* a colon first: tell a missing argument apart */
    int code;
    fill_getopt(longs, letters + 1);
    optind = 0; /* begin anew, whoever used getopt before */
    opterr = 0;
    while ((code = getopt_long(argc, argv, letters, longs, NULL)) != -1) {
        const char *word = optind > 0 && optind <= argc ? argv[optind - 1] : "";
        enum options_verdict verdict = take_option(options, code, word, error, error_size);
        if (verdict != OPTIONS_RUN)
            return verdict;
    }
    if (optind == argc)
        return OPTIONS_RUN;
    char shown[BOUNDED_SHOWN_BYTES];
    bounded_show(shown, argv[optind]);
    snprintf(error, error_size, "%s is no option, and there are no other arguments", shown);
    return OPTIONS_WRONG;
}

enum options_verdict options_parse(struct options *options, int argc, char **argv, char *error,
                                   size_t error_size)
{
    set_fallbacks(options);
    enum options_verdict verdict = read_command_line(options, argc, argv, error, error_size);
    if (verdict == OPTIONS_RUN && read_environment(options, error, error_size) != 0)
        return OPTIONS_WRONG;
    return verdict;
}

/* ------------------------------------------------------------------ what is set */

static void show_observer(int port, char *text, size_t size)
{
    if (port >= 0)
        snprintf(text, size, "%d", port);
    else
        snprintf(text, size, "%s", port == OBSERVER_OFF ? "off" : "next");
}

static void show_value(const struct options *options, const struct option_row *row, char *text,
                       size_t size)
{
    const void *member = (const char *)options + row->offset;
    const char *value;
    switch (row->type) {
    case OPTION_NUMBER:
        snprintf(text, size, "%u", *(const unsigned *)member);
        return;
    case OPTION_FLAG:
        snprintf(text, size, "%s", *(const bool *)member ? "true" : "false");
        return;
    case OPTION_OBSERVER:
        show_observer(*(const int *)member, text, size);
        return;
    default:
        value = *(const char *const *)member;
        snprintf(text, size, "%s", value != NULL ? value : "");
    }
}

bool options_setting(const struct options *options, size_t index, struct option_setting *setting)
{
    static const char *const origins[] = {"default", "environment", "command line"};
    if (index >= ROW_COUNT)
        return false;
    setting->name = rows[index].name;
    setting->help = rows[index].help;
    setting->origin = origins[options->origins[index]];
    show_value(options, &rows[index], setting->value, sizeof setting->value);
    return true;
}

const char *options_port_advice(bool observer, int error)
{
    if (error != -EADDRINUSE && error != -EACCES)
        return "";
    return observer ? "; choose another with --observer=PORT (0: any free one, off: none)"
                    : "; choose another with --port=N (0: any free one)";
}

/* ------------------------------------------------------------------ --help */

static void print_choices(FILE *out, enum option_type type)
{
    if (type == OPTION_STRATEGY) {
        const struct strategy *strategy;
        for (size_t i = 0; (strategy = strategy_at(i)) != NULL; i++)
            fprintf(out, "        %-11s %s\n", strategy_name(strategy), strategy_help(strategy));
    } else if (type == OPTION_SOURCE) {
        const struct source *source;
        for (size_t i = 0; (source = source_at(i)) != NULL; i++)
            fprintf(out, "        %-11s %s\n", source_name(source), source_help(source));
    }
}

static void print_row(FILE *out, const struct option_row *row)
{
    char names[64];
    snprintf(names, sizeof names, "--%s%s%s", row->name, row->argument != NULL ? "=" : "",
             row->argument != NULL ? row->argument : "");
    fprintf(out, "  %c%c%s %-31s", row->letter ? '-' : ' ', row->letter ? row->letter : ' ',
            row->letter ? "," : " ", names);
    fprintf(out, "%s", row->help);
    if (row->fallback != NULL)
        fprintf(out, " (default: %s)", row->fallback);
    if (row->environment != NULL)
        fprintf(out, " [%s]", row->environment);
    fputc('\n', out);
    print_choices(out, row->type);
}

char *options_help(void)
{
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);
    if (out == NULL)
        return NULL;
    fprintf(out,
            "Usage: offloop [OPTION]...\n"
            "An HTTP server whose event loop you can see: /fast answers at once, /slow awaits a\n"
            "database, /heavy computes, and --offload says where.\n\n");
    for (size_t i = 0; i < ROW_COUNT; i++)
        print_row(out, &rows[i]);
    fprintf(out, "  -h, %-31sthis text\n  -V, %-31sthe version\n", "--help", "--version");
    fprintf(out, "\nA name in brackets is an environment variable; the command line wins over it.\n"
                 "\nTry, and let the first say that it is listening:\n"
                 "  offloop --offload=none &\n"
                 "  curl 'http://127.0.0.1:8080/heavy?ms=3000' &\n"
                 "  curl http://127.0.0.1:8080/fast        # waits three seconds\n"
                 "  curl 'http://127.0.0.1:8080/heavy?ms=3000&offload=worker' &\n"
                 "  curl http://127.0.0.1:8080/fast        # answers at once\n");
    fclose(out);
    return text;
}
