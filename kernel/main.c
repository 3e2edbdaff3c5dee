/* main.c – offloop-kernel: runs one kernel from the shell.
 *
 * What a run needs and a kernel does not have is here: a clock, a terminal, files and signals.
 *
 * Standard output carries the answer and nothing else, one JSON object or the bytes of an image;
 * everything for the person at the terminal goes to standard error. Exit codes: 0, 1 for a failure
 * while running, 2 for wrong usage, 130 after an interrupt. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/cli/command.h"
#include "kernel/cli/output.h"
#include "kernel/cli/progress.h"
#include "kernel/cli/serve.h"
#include "process/signals.h"
#include "process/stdio.h"

enum { EXIT_USAGE = 2, EXIT_INTERRUPTED = 128 + SIGINT };

/* Set by SIGINT, read between two steps. */
static volatile sig_atomic_t interrupted;

static void on_interrupt(int signal_number)
{
    (void)signal_number;
    interrupted = 1;
}

static int fail(const char *what, int status)
{
    fprintf(stderr, PROGRAM ": %s: %s\n", what, strerror(-status));
    return EXIT_FAILURE;
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
    double started_ms = progress_clock_ms();
    int status = kernel_run_init(&run, command->kernel, &command->arguments);
    if (status != 0)
        return fail(command->kernel->name, status);
    run_steps(&run, command->step_units);
    if (run.done_units < run.total_units) {
        kernel_run_close(&run);
        return EXIT_INTERRUPTED;
    }
    status = kernel_run_finish(&run, &result);
    double elapsed_ms = progress_clock_ms() - started_ms;
    kernel_run_close(&run);
    if (status != 0)
        return fail(command->kernel->name, status);
    const char *where;
    status = output_result(command, &result, elapsed_ms, &where);
    kernel_result_close(&result);
    return status == 0 ? EXIT_SUCCESS : fail(where, status);
}

static int run_interruptibly(const struct command *command)
{
    struct sigaction on_sigint = {.sa_handler = on_interrupt, .sa_flags = (int)SA_RESETHAND};
    sigaction(SIGINT, &on_sigint, NULL);
    return run_command(command);
}

/* What is asked for about kernels, and not of one. */
static int print(const struct command *command)
{
    if (command->action == COMMAND_LIST)
        command_print_list();
    else if (command->action == COMMAND_HELP)
        command_print_help(command->kernel);
    else
        puts(PROGRAM " " OFFLOOP_VERSION);
    return stdio_end(PROGRAM) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char **argv)
{
    struct command command = {.action = COMMAND_RUN};
    if (stdio_begin(PROGRAM) != 0)
        return EXIT_FAILURE;
    if (command_parse(&command, argc, argv) != 0)
        return EXIT_USAGE;
    signals_begin(command.action == COMMAND_PIPE ? SIGNALS_CHILD : SIGNALS_TOOL);
    if (command.action == COMMAND_PIPE)
        return serve_pipe();
    return command.action == COMMAND_RUN ? run_interruptibly(&command) : print(&command);
}
