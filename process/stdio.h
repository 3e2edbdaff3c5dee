/* stdio.h – the three standard streams of a program, from its first line to its last. */
#ifndef OFFLOOP_PROCESS_STDIO_H
#define OFFLOOP_PROCESS_STDIO_H

/* First of all in main: what the starter has closed of the descriptors 0, 1 and 2 is opened, so
 * that nothing else lands there. On them every read and write fails, as it would if they were
 * closed. Returns 0, or -1 after a word on standard error, if there is one: then `program` must not
 * go on. */
int stdio_begin(const char *program);

/* Has everything got through that was written to standard output? Returns 0, or -1 after a word on
 * standard error, which `program` begins. Nothing may be written afterwards. */
int stdio_end(const char *program);

#endif
