/* allocation.h – the memory of the code under test, counted, and short when a test says so.
 *
 * malloc, calloc, realloc and free of all objects that are linked with --wrap come through here.
 * While nothing is watched they are the C library's. */
#ifndef OFFLOOP_TESTS_FUZZ_ALLOCATION_H
#define OFFLOOP_TESTS_FUZZ_ALLOCATION_H

#include <stdbool.h>
#include <stddef.h>

/* From now on memory is counted, from zero. */
void allocation_watch(void);
void allocation_unwatch(void);

/* Bytes that were taken and not given back. */
size_t allocation_live(void);

/* The n-th allocation from now on fails (1: the next one); 0 for none. */
void allocation_fail_at(unsigned n);

/* Has one failed since allocation_watch? */
bool allocation_has_failed(void);

/* For the test's own memory. Ends the program rather than return NULL. */
void *unwatched_realloc(void *memory, size_t bytes);
void unwatched_free(void *memory);

#endif
