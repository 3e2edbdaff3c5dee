/* output.h – a result on standard output or in a file. */
#ifndef OFFLOOP_KERNEL_CLI_OUTPUT_H
#define OFFLOOP_KERNEL_CLI_OUTPUT_H

#include "kernel/cli/command.h"

/* Writes JSON, or the image, where the command wants it. Returns 0, or a negative errno, and then
 * *where is what could not be written: "standard output" or a path. */
int output_result(const struct command *command, const struct kernel_result *result,
                  double elapsed_ms, const char **where);

#endif
