/* serve.h – offloop-kernel --pipe: a child process that runs one job after the other for a server.
 */
#ifndef OFFLOOP_KERNEL_CLI_SERVE_H
#define OFFLOOP_KERNEL_CLI_SERVE_H

/* Reads jobs from standard input and writes results to standard output, as wire.h says, until the
 * input ends or makes no sense. Dies with its parent. Returns the exit status. */
int serve_pipe(void);

#endif
