/* probe.c – offloop-probe, an open-loop HTTP probe: options, one run, one summary.
 *
 * The other files of the probe: probe_target (the addresses of a name), probe_load (the schedule
 * and its connections), probe_pacer (waking up at the right instant), probe_answer (reading
 * answers), probe_stats (percentiles, table, JSON, CSV).
 *
 * Exit status: 0 when every request was answered, 1 when not or when the run could not begin, 2 for
 * wrong usage. An answer of any status is an answer; the summary counts those that are not 2xx. A
 * run that was interrupted before anything was measured has not been answered. */
#include "loadtest/probe_load.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include <uv.h>

#include "process/signals.h"
#include "process/stdio.h"
#include "process/writer.h"

#define PROGRAM "offloop-probe"

enum { EXIT_USAGE = 2, HOST_MAX = 256, PATH_MAX_BYTES = 2048, SECONDS_MAX = 86400 };

struct options {
    uint64_t rate, duration_s, warmup_s, connections, timeout_s;
    const char *csv; /* a file's name, "-" for standard output, or NULL */
    bool json, verbose;
    const char *url;
    char host[HOST_MAX], port[6], path[PATH_MAX_BYTES];
};

static void print_help(FILE *out)
{
    fputs(
        "Usage: offloop-probe [OPTION]... http://HOST[:PORT][/PATH]\n"
        "Sends GET requests at a constant rate, whatever the server does, and counts each one's\n"
        "latency from the instant at which it was due. A stall is then seen at its full length.\n"
        "\n"
        "  -r, --rate=N          requests per second (default 1000)\n"
        "  -d, --duration=S      seconds to measure (default 10)\n"
        "  -w, --warmup=S        seconds of requests before that which are not measured; their\n"
        "                        times in the CSV are negative (default 0)\n"
        "  -c, --connections=N   keep-alive connections, one request at a time on each; while all\n"
        "                        are busy, due requests wait, and that counts (default 64)\n"
        "  -t, --timeout=S       how long to wait for the last answers, and for the connections "
        "at\n"
        "                        the start (default 30)\n"
        "      --csv=FILE        every request: intended_us,sent_us,latency_us,status; status 0 is "
        "a\n"
        "                        lost connection, -1 no answer; FILE - is standard output, and "
        "the\n"
        "                        summary then goes to standard error\n"
        "      --json            the summary as one JSON object\n"
        "  -v, --verbose         say on standard error when the measurement begins and ends\n"
        "  -h, --help            this text\n"
        "  -V, --version         the version\n"
        "\n"
        "The addresses of a name are tried in turn until one connects, as curl does. If nobody\n"
        "answers there is no latency: \"-\" in the table, null in the JSON.\n"
        "SIGINT ends the schedule and waits for the last answers; a second one does not wait.\n"
        "Exit status: 0 all answered; 1 not all, or none, or no connection (also if SIGINT comes\n"
        "first), or the results could not be written; 2 wrong usage.\n"
        "Example: offloop-probe --rate 1000 --duration 10 http://127.0.0.1:8080/fast\n",
        out);
}

static void usage_error(const char *message, const char *value)
{
    fprintf(stderr, "offloop-probe: %s%s%s\nTry 'offloop-probe --help'.\n", message,
            value ? ": " : "", value ? value : "");
    exit(EXIT_USAGE);
}

static uint64_t parse_number(const char *name, const char *text, uint64_t min, uint64_t max)
{
    char *end;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (*text < '0' || *text > '9' || *end != '\0' || errno != 0 || value < min || value > max) {
        char message[128];
        snprintf(message, sizeof message, "--%s wants a whole number from %llu to %llu, not", name,
                 (unsigned long long)min, (unsigned long long)max);
        usage_error(message, text);
    }
    return value;
}

/* Printable ASCII, and nothing that would end a request line or a JSON string. */
static bool is_plain(const char *text)
{
    for (; *text; text++)
        if (*text <= ' ' || *text >= 127 || *text == '"' || *text == '\\')
            return false;
    return true;
}

/* Copies [from, to) if it fits. */
static bool copy_part(char *room, size_t room_bytes, const char *from, const char *to)
{
    size_t length = (size_t)(to - from);
    if (length >= room_bytes)
        return false;
    memcpy(room, from, length);
    room[length] = '\0';
    return true;
}

/* HOST, HOST:PORT, [IPV6] or [IPV6]:PORT, between `text` and `end`. */
static bool parse_authority(struct options *options, const char *text, const char *end)
{
    const char *host_end = memchr(text, *text == '[' ? ']' : ':', (size_t)(end - text));
    const char *rest = host_end ? host_end : end;
    if (*text == '[') {
        if (!host_end)
            return false;
        text++;
        rest = host_end + 1;
    }
    if (!copy_part(options->host, sizeof options->host, text, host_end ? host_end : end))
        return false;
    if (options->host[0] == '\0' || (rest < end && *rest != ':'))
        return false;
    if (rest == end)
        return copy_part(options->port, sizeof options->port, "80", &"80"[2]);
    return copy_part(options->port, sizeof options->port, rest + 1, end) &&
           strspn(options->port, "0123456789") == strlen(options->port) &&
           atoi(options->port) >= 1 && atoi(options->port) <= 65535;
}

static void parse_url(struct options *options)
{
    const char *scheme = "http://";
    const char *url = options->url;
    if (strncmp(url, scheme, strlen(scheme)) != 0 || !is_plain(url))
        usage_error("not a URL of the form http://HOST[:PORT][/PATH]", url);
    const char *authority = url + strlen(scheme);
    const char *path = authority + strcspn(authority, "/?#");
    const char *end = path + strcspn(path, "#");
    const char *slash = *path == '/' ? "" : "/";
    if (!parse_authority(options, authority, path))
        usage_error("no host, or no port from 1 to 65535, in", url);
    if (strlen(slash) + (size_t)(end - path) >= sizeof options->path)
        usage_error("the path is too long", NULL);
    snprintf(options->path, sizeof options->path, "%s%.*s", slash, (int)(end - path), path);
}

/* Options that have no short form. */
enum { OPTION_CSV = 256, OPTION_JSON };

static void apply_option(struct options *options, int option)
{
    switch (option) {
    case 'r':
        options->rate = parse_number("rate", optarg, 1, 1000000);
        break;
    case 'd':
        options->duration_s = parse_number("duration", optarg, 1, SECONDS_MAX);
        break;
    case 'w':
        options->warmup_s = parse_number("warmup", optarg, 0, SECONDS_MAX);
        break;
    case 'c':
        options->connections = parse_number("connections", optarg, 1, LOAD_CONNECTIONS_MAX);
        break;
    case 't':
        options->timeout_s = parse_number("timeout", optarg, 1, SECONDS_MAX);
        break;
    case OPTION_CSV:
        options->csv = optarg;
        break;
    case OPTION_JSON:
        options->json = true;
        break;
    case 'v':
        options->verbose = true;
        break;
    case 'h':
        print_help(stdout);
        exit(stdio_end(PROGRAM) == 0 ? EXIT_SUCCESS : EXIT_FAILURE);
    case 'V':
        puts(PROGRAM " " OFFLOOP_VERSION);
        exit(stdio_end(PROGRAM) == 0 ? EXIT_SUCCESS : EXIT_FAILURE);
    default: /* getopt_long has said what is wrong */
        fputs("Try 'offloop-probe --help'.\n", stderr);
        exit(EXIT_USAGE);
    }
}

static void check_size(const struct options *options)
{
    if (options->rate * (options->duration_s + options->warmup_s) <= LOAD_SAMPLES_MAX)
        return;
    char message[96];
    snprintf(message, sizeof message, "rate × (warm-up + duration) may be at most %d requests",
             LOAD_SAMPLES_MAX);
    usage_error(message, NULL);
}

static void parse_options(struct options *options, int argc, char **argv)
{
    static const struct option long_options[] = {{"rate", required_argument, NULL, 'r'},
                                                 {"duration", required_argument, NULL, 'd'},
                                                 {"warmup", required_argument, NULL, 'w'},
                                                 {"connections", required_argument, NULL, 'c'},
                                                 {"timeout", required_argument, NULL, 't'},
                                                 {"csv", required_argument, NULL, OPTION_CSV},
                                                 {"json", no_argument, NULL, OPTION_JSON},
                                                 {"verbose", no_argument, NULL, 'v'},
                                                 {"help", no_argument, NULL, 'h'},
                                                 {"version", no_argument, NULL, 'V'},
                                                 {NULL, 0, NULL, 0}};
    int option;
    *options = (struct options){.rate = 1000, .duration_s = 10, .connections = 64, .timeout_s = 30};
    while ((option = getopt_long(argc, argv, "r:d:w:c:t:vhV", long_options, NULL)) != -1)
        apply_option(options, option);
    if (argc - optind != 1)
        usage_error(argc > optind ? "one URL at a time" : "which URL?", NULL);
    options->url = argv[optind];
    parse_url(options);
    check_size(options);
}

static int run_error(const char *what, const char *whom, const char *why)
{
    fprintf(stderr, "offloop-probe: %s %s: %s\n", what, whom, why);
    return EXIT_FAILURE;
}

static size_t print_request(const struct options *options, char *room, size_t room_bytes)
{
    const char *open = strchr(options->host, ':') ? "[" : "", *close = *open ? "]" : "";
    int length =
        snprintf(room, room_bytes,
                 "GET %s HTTP/1.1\r\nHost: %s%s%s:%s\r\nUser-Agent: offloop-probe/%s\r\n\r\n",
                 options->path, open, options->host, close, options->port, OFFLOOP_VERSION);
    return (size_t)length;
}

static FILE *open_csv(const struct options *options)
{
    if (!options->csv || strcmp(options->csv, "-") == 0)
        return options->csv ? stdout : NULL;
    FILE *file = fopen(options->csv, "w");
    if (!file)
        exit(run_error("cannot write", options->csv, strerror(errno)));
    return file;
}

/* Returns 0, or -1 if anything that was written to it is lost. */
static int close_file(FILE *file)
{
    errno = EIO; /* of a write that failed long ago nobody knows the reason any more */
    bool lost = ferror(file) != 0;
    return fclose(file) == 0 && !lost ? 0 : -1;
}

/* Writes the CSV and the summary; returns the exit status. */
static int report(const struct options *options, FILE *csv, const struct sample *samples,
                  size_t count)
{
    struct summary summary;
    if (stats_summarize(&summary, samples, count) != 0)
        return run_error("cannot sum up", options->url, "out of memory");
    if (csv)
        stats_print_csv(csv, samples, count);
    FILE *out = csv == stdout ? stderr : stdout;
    (options->json ? stats_print_json : stats_print_table)(out, &summary, options->url);
    if (csv && csv != stdout && close_file(csv) != 0)
        return run_error("cannot write", options->csv, strerror(errno));
    if (stdio_end(PROGRAM) != 0 || ferror(stderr))
        return EXIT_FAILURE;
    bool all = summary.count > 0 && summary.answered == summary.count;
    return all ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* The soft limit of descriptors is for programs that use select. */
static void raise_limit(void)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) != 0)
        return;
    files.rlim_cur = files.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &files);
}

/* A run waits for nobody who reads what is said about it. */
static size_t describe_loss(unsigned count, char *line)
{
    return (size_t)snprintf(line, WRITER_LINE_BYTES, PROGRAM ": %u lines were not read\n", count);
}

static struct writer *standard_error(void)
{
    static struct writer writer = WRITER(STDERR_FILENO, describe_loss);
    return &writer;
}

static void say(const char *what)
{
    char line[100];
    int length = snprintf(line, sizeof line, PROGRAM ": %s\n", what);
    writer_put(standard_error(), line, (size_t)length);
}

static int probe(const struct options *options, struct load_plan *plan, struct sample *samples)
{
    FILE *csv = open_csv(options);
    size_t count;
    char why[TARGETS_MAX * 96];
    raise_limit();
    int error = targets_resolve(plan->targets, &plan->target_count, options->host, options->port);
    if (error == 0)
        error = load_run(plan, samples, &count);
    (void)writer_flush(standard_error(), 500); /* before what is said at the end */
    if (error == 0)
        return report(options, csv, samples, count);
    targets_explain(plan->targets, plan->target_count, options->host, why, sizeof why);
    return run_error("cannot connect to", options->url, *why ? why : uv_strerror(error));
}

int main(int argc, char **argv)
{
    struct options options;
    char request[PATH_MAX_BYTES + HOST_MAX + 128];
    struct target targets[TARGETS_MAX];
    if (stdio_begin(PROGRAM) != 0)
        return EXIT_FAILURE;
    signals_begin(SIGNALS_TOOL);
    parse_options(&options, argc, argv);
    struct load_plan plan = {
        .targets = targets,
        .request = request,
        .request_bytes = print_request(&options, request, sizeof request),
        .rate = options.rate,
        .warmup_count = options.rate * options.warmup_s,
        .count = options.rate * (options.warmup_s + options.duration_s),
        .connections = options.connections,
        .timeout_ms = options.timeout_s * 1000,
        .say = options.verbose ? say : NULL,
    };
    struct sample *samples = calloc(plan.count, sizeof *samples);
    if (!samples)
        return run_error("no memory to probe", options.url, "ask for fewer requests");
    int status = probe(&options, &plan, samples);
    free(samples);
    return status;
}
