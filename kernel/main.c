/* main.c – offloop-kernel: runs one kernel from the shell.
 *
 * What a run needs and a kernel does not have is here: a clock, a terminal, files and signals. The
 * options of each kernel come from its row in the table, so a new kernel needs no line here.
 *
 * Standard output carries the answer and nothing else, one JSON object or the bytes of an image;
 * everything for the person at the terminal goes to standard error. Exit codes: 0, 1 for a failure
 * while running, 2 for wrong usage, 130 after an interrupt.
 *
 * Rejected: a thread for the progress bar (a kernel is resumable: a look at the clock between two
 * steps does it). */
#include "kernel/kernel.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PROGRAM "offloop-kernel"

enum { EXIT_USAGE = 2, EXIT_INTERRUPTED = 128 + SIGINT };

/* What the command line asked for. */
struct command {
    enum { COMMAND_RUN, COMMAND_LIST, COMMAND_HELP, COMMAND_VERSION } action;
    const struct kernel *kernel; /* NULL: none named */
    struct kernel_arguments arguments;
    uint64_t step_units;
    const char *image_path; /* "-" is standard output; NULL: no image */
};

/* Set by SIGINT, read between two steps. */
static volatile sig_atomic_t interrupted;

static void on_interrupt(int signal_number)
{
    (void)signal_number;
    interrupted = 1;
}

/* ---------------------------------------------------------------- help */

static void print_list(void)
{
    const struct kernel *kernel;
    for (size_t i = 0; (kernel = kernel_at(i)) != NULL; i++)
        printf("  %-14s %s\n", kernel->name, kernel->help);
}

static void print_parameters(const struct kernel *kernel)
{
    for (size_t i = 0; i < KERNEL_PARAMETERS_MAX && kernel->parameters[i].name != NULL; i++) {
        const struct kernel_parameter *parameter = &kernel->parameters[i];
        char option[32];
        snprintf(option, sizeof option, "--%s=N", parameter->name);
        printf("  %-18s %s; %" PRIu64 " to %" PRIu64 ", default %" PRIu64 "\n", option,
               parameter->help, parameter->min, parameter->max, parameter->fallback);
    }
}

static void print_help(const struct kernel *kernel)
{
    printf("Usage: " PROGRAM " %s [OPTION]...\n", kernel != NULL ? kernel->name : "KERNEL");
    if (kernel != NULL)
        printf("%c%s.\n\nOptions:\n", kernel->help[0] - 'a' + 'A', kernel->help + 1);
    else
        printf("Run CPU-bound work of offloop and print its result as JSON.\n\nOptions:\n");
    if (kernel != NULL)
        print_parameters(kernel);
    if (kernel == NULL || kernel->image_type != NULL)
        printf("  --image=FILE       make an image as well; - writes it to standard output\n");
    printf("  --steps=UNITS      work in steps of this size; default about a millisecond\n"
           "  --list             list the kernels\n"
           "  -h, --help         show this help; after a kernel, its options as well\n"
           "  -V, --version      show the version\n");
    if (kernel == NULL) {
        printf("\nKernels:\n");
        print_list();
    }
}

/* ---------------------------------------------------------------- the command line */

enum { OPTION_IMAGE = 256, OPTION_STEPS, OPTION_LIST, OPTION_PARAMETER /* plus its index */ };

static const struct option common_options[] = {
    {"image", required_argument, NULL, OPTION_IMAGE},
    {"steps", required_argument, NULL, OPTION_STEPS},
    {"list", no_argument, NULL, OPTION_LIST},
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, 'V'},
};

enum { COMMON_OPTIONS = sizeof common_options / sizeof *common_options };

static int wrong_usage(void)
{
    fprintf(stderr, "Try '" PROGRAM " --help' for more information.\n");
    return -EINVAL;
}

/* The common options and one for each parameter, ended by zeros. */
static void collect_options(struct option options[COMMON_OPTIONS + KERNEL_PARAMETERS_MAX + 1],
                            const struct kernel *kernel)
{
    memset(options, 0, (COMMON_OPTIONS + KERNEL_PARAMETERS_MAX + 1) * sizeof *options);
    memcpy(options, common_options, sizeof common_options);
    for (int i = 0; kernel != NULL && i < KERNEL_PARAMETERS_MAX; i++)
        if (kernel->parameters[i].name != NULL)
            options[COMMON_OPTIONS + i] = (struct option){
                kernel->parameters[i].name, required_argument, NULL, OPTION_PARAMETER + i};
}

static int set_parameter(struct command *command, const char *name, const char *value)
{
    char error[200];
    if (kernel_argument_set(&command->arguments, command->kernel, name, value, error,
                            sizeof error) == 0)
        return 0;
    fprintf(stderr, PROGRAM ": %s\n", error);
    return wrong_usage();
}

static int set_image(struct command *command, const char *path)
{
    if (command->kernel != NULL && command->kernel->image_type == NULL) {
        fprintf(stderr, PROGRAM ": %s makes no image\n", command->kernel->name);
        return wrong_usage();
    }
    command->image_path = path;
    command->arguments.image = true;
    return 0;
}

static int set_steps(struct command *command, const char *value)
{
    char *end;
    errno = 0;
    uint64_t units = strtoull(value, &end, 10);
    if (*value < '0' || *value > '9' || *end != '\0' || errno != 0 || units == 0) {
        fprintf(stderr, PROGRAM ": steps must be a positive integer\n");
        return wrong_usage();
    }
    command->step_units = units;
    return 0;
}

static int set_option(struct command *command, int option)
{
    switch (option) {
    case OPTION_IMAGE:
        return set_image(command, optarg);
    case OPTION_STEPS:
        return set_steps(command, optarg);
    case OPTION_LIST:
        command->action = COMMAND_LIST;
        return 0;
    case 'h':
        command->action = COMMAND_HELP;
        return 0;
    case 'V':
        command->action = COMMAND_VERSION;
        return 0;
    case '?': /* getopt has said what is wrong */
        return wrong_usage();
    default:
        return set_parameter(command, command->kernel->parameters[option - OPTION_PARAMETER].name,
                             optarg);
    }
}

static int name_kernel(struct command *command, const char *name)
{
    command->kernel = kernel_find(name);
    if (command->kernel == NULL) {
        fprintf(stderr, PROGRAM ": no kernel has this name; there are %s\n", kernel_names());
        return wrong_usage();
    }
    kernel_arguments_init(&command->arguments, command->kernel);
    command->step_units = command->kernel->step_units;
    return 0;
}

static int check_rest(const struct command *command, int argc, char **argv)
{
    if (optind < argc)
        fprintf(stderr, PROGRAM ": unexpected argument '%s'\n", argv[optind]);
    else if (command->kernel == NULL && command->action == COMMAND_RUN)
        fprintf(stderr, PROGRAM ": name a kernel: %s\n", kernel_names());
    else
        return 0;
    return wrong_usage();
}

/* The kernel comes first, because the options depend on it. Returns 0, or -EINVAL after a message.
 */
static int parse(struct command *command, int argc, char **argv)
{
    struct option options[COMMON_OPTIONS + KERNEL_PARAMETERS_MAX + 1];
    static char program[] = PROGRAM;
    if (argc > 1 && argv[1][0] != '-') {
        if (name_kernel(command, argv[1]) != 0)
            return -EINVAL;
        argc--;
        argv++;
    }
    if (argc > 0)
        argv[0] = program; /* for getopt's messages */
    collect_options(options, command->kernel);
    int option;
    while ((option = getopt_long(argc, argv, "hV", options, NULL)) != -1)
        if (set_option(command, option) != 0)
            return -EINVAL;
    return check_rest(command, argc, argv);
}

/* ---------------------------------------------------------------- progress */

static double now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

/* A bar on a terminal; nothing elsewhere, and nothing for runs that are over at once. */
struct progress {
    bool shown, coloured, drawn;
    double started_ms, next_ms;
};

enum { BAR_CELLS = 30, REDRAW_MS = 100 };

static struct progress progress_begin(void)
{
    const char *no_colour = getenv("NO_COLOR"), *terminal = getenv("TERM");
    bool plain = terminal == NULL || strcmp(terminal, "dumb") == 0;
    double started_ms = now_ms();
    return (struct progress){.shown = isatty(STDERR_FILENO) && !plain,
                             .coloured = no_colour == NULL || *no_colour == '\0',
                             .started_ms = started_ms,
                             .next_ms = started_ms + REDRAW_MS};
}

static void progress_draw(struct progress *progress, const struct kernel_run *run)
{
    double now = now_ms();
    if (!progress->shown || now < progress->next_ms || run->done_units == 0)
        return;
    double share = (double)run->done_units / (double)run->total_units;
    double elapsed = (now - progress->started_ms) / 1e3;
    int cells = (int)(share * BAR_CELLS);
    fprintf(stderr, "\r%s [%s%.*s%s%*s] %3.0f %%  %.1f s elapsed, %.1f s to go \033[K",
            run->kernel->name, progress->coloured ? "\033[38;5;166m" : "", cells,
            "##############################", progress->coloured ? "\033[0m" : "",
            BAR_CELLS - cells, "", share * 100, elapsed, elapsed / share - elapsed);
    progress->drawn = true;
    progress->next_ms = now + REDRAW_MS;
}

static void progress_end(const struct progress *progress)
{
    if (progress->drawn)
        fprintf(stderr, "\r\033[K");
}

/* ---------------------------------------------------------------- the result */

/* As text of its own: cJSON keeps numbers as doubles and would round the largest integers. */
static bool add_integer(cJSON *object, const char *name, uint64_t value)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRIu64, value);
    return cJSON_AddRawToObject(object, name, text) != NULL;
}

static bool add_arguments(cJSON *object, const struct command *command)
{
    const struct kernel_parameter *parameters = command->kernel->parameters;
    bool ok = object != NULL;
    for (size_t i = 0; ok && i < KERNEL_PARAMETERS_MAX && parameters[i].name != NULL; i++)
        ok = add_integer(object, parameters[i].name, command->arguments.values[i]);
    return ok;
}

static bool add_numbers(cJSON *object, const struct kernel_result *result)
{
    bool ok = object != NULL;
    for (size_t i = 0; ok && i < result->number_count; i++) {
        const struct kernel_number *number = &result->numbers[i];
        if (number->type == KERNEL_INTEGER)
            ok = add_integer(object, number->name, number->value.integer);
        else
            ok = cJSON_AddNumberToObject(object, number->name, number->value.real) != NULL;
    }
    return ok;
}

static bool add_image(cJSON *object, const struct command *command,
                      const struct kernel_result *result)
{
    return cJSON_AddStringToObject(object, "file", command->image_path) != NULL &&
           cJSON_AddStringToObject(object, "type", result->image_type) != NULL &&
           add_integer(object, "bytes", result->image_bytes);
}

static bool fill_json(cJSON *root, const struct command *command,
                      const struct kernel_result *result, double elapsed_ms)
{
    bool ok = cJSON_AddStringToObject(root, "kernel", command->kernel->name) != NULL &&
              add_arguments(cJSON_AddObjectToObject(root, "arguments"), command) &&
              add_numbers(cJSON_AddObjectToObject(root, "numbers"), result);
    if (ok && result->image != NULL)
        ok = add_image(cJSON_AddObjectToObject(root, "image"), command, result);
    return ok &&
           cJSON_AddNumberToObject(root, "milliseconds", round(elapsed_ms * 1e3) / 1e3) != NULL;
}

static int print_json(const struct command *command, const struct kernel_result *result,
                      double elapsed_ms)
{
    cJSON *root = cJSON_CreateObject();
    char *text = NULL;
    if (fill_json(root, command, result, elapsed_ms))
        text = cJSON_PrintUnformatted(root);
    cJSON_Delete(root);
    if (text == NULL)
        return -ENOMEM;
    int written = puts(text) < 0 ? -EIO : 0;
    cJSON_free(text);
    return written;
}

static int write_bytes(FILE *file, const struct kernel_result *result)
{
    errno = 0;
    bool whole = fwrite(result->image, 1, result->image_bytes, file) == result->image_bytes;
    whole = fflush(file) == 0 && whole;
    return whole ? 0 : errno != 0 ? -errno : -EIO;
}

static int write_image(const char *path, const struct kernel_result *result)
{
    FILE *file = fopen(path, "wb");
    if (file == NULL)
        return -errno;
    int status = write_bytes(file, result);
    if (fclose(file) != 0 && status == 0)
        status = -errno;
    return status;
}

/* ---------------------------------------------------------------- running */

static int fail(const char *what, int status)
{
    fprintf(stderr, PROGRAM ": %s: %s\n", what, strerror(-status));
    return EXIT_FAILURE;
}

static int deliver(const struct command *command, const struct kernel_result *result,
                   double elapsed_ms)
{
    const char *path = command->image_path;
    bool to_stdout = path != NULL && strcmp(path, "-") == 0;
    if (path != NULL && !to_stdout) {
        int status = write_image(path, result);
        if (status != 0)
            return fail(path, status);
    }
    int status = to_stdout ? write_bytes(stdout, result) : print_json(command, result, elapsed_ms);
    if (status == 0 && fflush(stdout) != 0)
        status = -errno;
    return status == 0 ? EXIT_SUCCESS : fail("standard output", status);
}

static void run_steps(struct kernel_run *run, uint64_t step_units)
{
    struct progress progress = progress_begin();
    while (!interrupted && kernel_run_step(run, step_units))
        progress_draw(&progress, run);
    progress_end(&progress);
}

static int run_command(const struct command *command)
{
    struct kernel_run run;
    struct kernel_result result;
    double started_ms = now_ms();
    int status = kernel_run_init(&run, command->kernel, &command->arguments);
    if (status != 0)
        return fail(command->kernel->name, status);
    run_steps(&run, command->step_units);
    if (run.done_units < run.total_units) {
        kernel_run_close(&run);
        return EXIT_INTERRUPTED;
    }
    status = kernel_run_finish(&run, &result);
    double elapsed_ms = now_ms() - started_ms;
    kernel_run_close(&run);
    if (status != 0)
        return fail(command->kernel->name, status);
    int code = deliver(command, &result, elapsed_ms);
    kernel_result_close(&result);
    return code;
}

int main(int argc, char **argv)
{
    struct command command = {.action = COMMAND_RUN};
    struct sigaction on_sigint = {.sa_handler = on_interrupt, .sa_flags = (int)SA_RESETHAND};
    if (parse(&command, argc, argv) != 0)
        return EXIT_USAGE;
    switch (command.action) {
    case COMMAND_LIST:
        print_list();
        return EXIT_SUCCESS;
    case COMMAND_HELP:
        print_help(command.kernel);
        return EXIT_SUCCESS;
    case COMMAND_VERSION:
        puts(PROGRAM " " OFFLOOP_VERSION);
        return EXIT_SUCCESS;
    case COMMAND_RUN:
        break;
    }
    sigaction(SIGINT, &on_sigint, NULL);
    return run_command(&command);
}
