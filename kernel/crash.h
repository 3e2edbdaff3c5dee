/* crash.h – a kernel that dies of a bad pointer, for showing what a crash takes with it: the whole
 * server when it runs on a thread, one job when it runs in a child process. Not in the table, so
 * nobody meets it who did not ask for it. */
#ifndef OFFLOOP_KERNEL_CRASH_H
#define OFFLOOP_KERNEL_CRASH_H

#include "kernel/kernel.h"

extern const struct kernel kernel_crash;

#endif
