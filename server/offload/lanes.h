/* lanes.h – how many lanes a strategy takes when the machine cannot give all that were asked for:
 * threads, processes and descriptors are others' too. For offload/ only, on the loop's thread. */
#ifndef OFFLOOP_OFFLOAD_LANES_H
#define OFFLOOP_OFFLOAD_LANES_H

#include "server/offload/offload.h"

/* How many lanes that need so many descriptors each may be had: half of what is left is for
 * clients. At least one. */
unsigned lanes_affordable(unsigned descriptors_each);

/* Of `had` lanes that could be made, how many to keep: all if that is what was wanted, otherwise
 * three quarters, and at least one. What was the last to be had is somebody else's next thread. */
unsigned lanes_kept(unsigned had, unsigned wanted);

/* Tells whoever listens (offload_options). */
void lanes_tell(const struct offload_options *options, const struct shortage *shortage);

#endif
