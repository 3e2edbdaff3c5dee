/* descriptors.h – how many descriptors this process may still open. */
#ifndef OFFLOOP_MACHINE_DESCRIPTORS_H
#define OFFLOOP_MACHINE_DESCRIPTORS_H

/* What RLIMIT_NOFILE allows less those that are open. Where /proc is not there, none is counted as
 * open. Any thread. */
unsigned descriptors_left(void);

#endif
