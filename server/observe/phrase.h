/* phrase.h – measurements in words: "598 ms", "1 request", "97 %".
 *
 * As many digits as a reader needs, and no more. A phrase is a value, so that it can be written
 * within the arguments of snprintf: phrase_ms(wait_ms).text. Pure functions; any thread. */
#ifndef OFFLOOP_OBSERVE_PHRASE_H
#define OFFLOOP_OBSERVE_PHRASE_H

#include <stdint.h>

struct phrase {
    char text[64];
};

/* "0.3 ms", "5.2 ms", "598 ms", "1.2 s", "45 s": two digits below 10, whole numbers above. */
struct phrase phrase_ms(double ms);

/* "1 request", "2 requests", "0 requests". */
struct phrase phrase_count(uint64_t count, const char *one, const char *many);

/* A share of 0 … 1: "0 %", "under 1 %", "97 %". */
struct phrase phrase_share(double share);

/* "0.5", "3.2", "1200". */
struct phrase phrase_number(double number);

/* How many times as long: "twice", "1.5 times", "3 times". */
struct phrase phrase_times(double ratio);

#endif
