/* random.c – see random.h. */
#include "tests/support/random.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

uint64_t random_seed(void)
{
    const char *text = getenv("OFFLOOP_SEED");
    uint64_t seed = text != NULL ? strtoull(text, NULL, 10) : (uint64_t)time(NULL);
    seed += seed == 0; /* a xorshift stays at 0 for ever */
    print_message("OFFLOOP_SEED=%" PRIu64 "\n", seed);
    return seed;
}

/* xorshift64*, Vigna 2016. */
unsigned random_below(uint64_t *random, unsigned bound)
{
    *random ^= *random >> 12;
    *random ^= *random << 25;
    *random ^= *random >> 27;
    return (unsigned)(*random * UINT64_C(0x2545f4914f6cdd1d) >> 33) % bound;
}
