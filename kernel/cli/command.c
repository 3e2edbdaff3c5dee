/* command.c – options of offloop-kernel. Those of each kernel come from its row in the table, so a
 * new kernel needs no line here. */
#include "kernel/cli/command.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---------------------------------------------------------------- help */

void command_print_list(void)
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

void command_print_help(const struct kernel *kernel)
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
           "  --pipe             run jobs from standard input for a server; not for people\n"
           "  -h, --help         show this help; after a kernel, its options as well\n"
           "  -V, --version      show the version\n");
    if (kernel == NULL) {
        printf("\nKernels:\n");
        command_print_list();
    }
}

/* ---------------------------------------------------------------- the command line */

enum {
    OPTION_IMAGE = 256,
    OPTION_STEPS,
    OPTION_LIST,
    OPTION_PIPE,
    OPTION_PARAMETER /* plus its index */
};

static const struct option common_options[] = {
    {"image", required_argument, NULL, OPTION_IMAGE},
    {"steps", required_argument, NULL, OPTION_STEPS},
    {"list", no_argument, NULL, OPTION_LIST},
    {"pipe", no_argument, NULL, OPTION_PIPE},
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
    case OPTION_PIPE:
        command->action = COMMAND_PIPE;
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

/* The kernel comes first, because the options depend on it. */
int command_parse(struct command *command, int argc, char **argv)
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
