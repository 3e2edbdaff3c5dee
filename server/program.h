/* program.h – by which path this program was started, and what lies beside it.
 *
 * A release is often a link to a folder: current -> v2. /proc/self/exe has no links, so who asked
 * that for the program would start the old release for ever. */
#ifndef OFFLOOP_PROGRAM_H
#define OFFLOOP_PROGRAM_H

#include <stddef.h>

/* The path that was given to execve, made absolute but with its links; where that leads nowhere
 * (fexecve), the one that the kernel knows. To be asked at the start: the working folder may
 * change. Returns 0 or a negative errno. */
int program_started_by(char *path, size_t size);

/* The program of this name that belongs to this release: beside the path by which this one was
 * started, or beside where that leads to. What is found has no links: when the release changes,
 * this process stays with its own. What is nowhere is said to be in the first place. */
void program_beside(const char *name, char *path, size_t size);

#endif
