/* command.h – what the command line of offloop-kernel asks for. */
#ifndef OFFLOOP_KERNEL_CLI_COMMAND_H
#define OFFLOOP_KERNEL_CLI_COMMAND_H

#include "kernel/kernel.h"

#define PROGRAM "offloop-kernel"

struct command {
    enum { COMMAND_RUN, COMMAND_PIPE, COMMAND_LIST, COMMAND_HELP, COMMAND_VERSION } action;
    const struct kernel *kernel; /* NULL: none named */
    struct kernel_arguments arguments;
    uint64_t step_units;
    const char *image_path; /* "-" is standard output; NULL: no image */
};

/* Returns 0, or -EINVAL after it has said on standard error what is wrong. */
int command_parse(struct command *command, int argc, char **argv);

/* --list, and --help for all kernels (NULL) or one. */
void command_print_list(void);
void command_print_help(const struct kernel *kernel);

#endif
