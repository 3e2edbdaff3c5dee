/* shedding.h – when is a server too late to take more work? For offload/ only.
 *
 * Pure logic: it is told the time and how late things are, and asks nobody. What is late, and whose
 * figure it is, is not known here. */
#ifndef OFFLOOP_OFFLOAD_SHEDDING_H
#define OFFLOOP_OFFLOAD_SHEDDING_H

#include <stdbool.h>
#include <stdint.h>

/* How long the lateness must have been below half the limit. */
enum { SHEDDING_CALM_MS = 500 };

struct shedding {
    uint64_t limit_ns; /* 0: it never begins */
    uint64_t late_ns;  /* when the lateness was last seen to be half the limit or more */
    bool active;
};

void shedding_init(struct shedding *shedding, unsigned limit_ms);

/* Takes note of a lateness and returns whether to shed now. `now_ns` does not go backwards. */
bool shedding_update(struct shedding *shedding, uint64_t now_ns, uint64_t lateness_ns);

#endif
