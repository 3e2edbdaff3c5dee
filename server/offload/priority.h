/* priority.h – threads that compute must not take the loop's core from it. For offload/ only.
 *
 * A lowered thread can lose its core anywhere: nothing that the loop waits for may depend on it. */
#ifndef OFFLOOP_OFFLOAD_PRIORITY_H
#define OFFLOOP_OFFLOAD_PRIORITY_H

/* Gives the calling thread this nice value (0 to 19; 19 yields most), once: it cannot be taken back
 * without privileges, so later calls from the same thread do nothing. Where the call is not
 * permitted nothing changes. */
void priority_lower(unsigned nice_value);

/* The same for a child process. */
void priority_lower_process(int pid, unsigned nice_value);

#endif
