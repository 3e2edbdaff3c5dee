/* random.h – random choices that can be repeated. */
#ifndef OFFLOOP_TESTS_RANDOM_H
#define OFFLOOP_TESTS_RANDOM_H

#include <stdint.h>

/* A seed from OFFLOOP_SEED, or from the clock. Prints it as OFFLOOP_SEED=…, so that a run can be
 * repeated. */
uint64_t random_seed(void);

/* A number from 0 to below `bound`, which is above 0. Moves *random on. */
unsigned random_below(uint64_t *random, unsigned bound);

#endif
