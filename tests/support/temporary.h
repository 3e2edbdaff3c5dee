/* temporary.h – a folder for one test, in TMPDIR. */
#ifndef OFFLOOP_TESTS_TEMPORARY_H
#define OFFLOOP_TESTS_TEMPORARY_H

#include <stddef.h>

/* Makes a new folder and puts its path into `path`. */
void temporary_folder(char *path, size_t size);

/* Removes it with all that is in it. */
void temporary_folder_remove(const char *path);

#endif
