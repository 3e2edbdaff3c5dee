/* channel.h – what a cluster's parent and a member say to each other: words of one byte, and with a
 * word perhaps a descriptor.
 *
 * A pair of connected stream sockets, read byte by byte: a descriptor travels with its byte
 * (SCM_RIGHTS), so words and descriptors keep their order, and one end's shutdown is read after
 * everything that was said before it. That order is why "drain" is no signal but the end of the
 * channel: a member has seen every connection that was dealt to it when it hears that it should
 * end. Not SOCK_SEQPACKET: Linux lets only net.unix.max_dgram_qlen, usually 10, messages wait. */
#ifndef OFFLOOP_CLUSTER_CHANNEL_H
#define OFFLOOP_CLUSTER_CHANNEL_H

enum channel_word {
    CHANNEL_READY = 'R',      /* member: serves from now on */
    CHANNEL_CONNECTION = 'C', /* parent: a connection, with its descriptor */
    CHANNEL_DRAIN = 'D',      /* parent: the end that follows is meant, and I am not dead */
    CHANNEL_TAKEN = 'T',      /* member: has it */
    CHANNEL_REFUSED = 'N',    /* member: has it not, and has closed its descriptor */
};

/* Makes both ends: non-blocking, closed by exec. Returns 0 or a negative errno. */
int channel_pair(int ends[2]);

/* Says a word, with a descriptor, which stays the caller's, or -1. Does not block. Returns 0 or a
 * negative errno. */
int channel_say(int channel, enum channel_word word, int descriptor);

/* Takes the next word. Returns 1; sets *descriptor, which is the caller's then, or to -1: the word
 * came alone, or this process has no room for what came with it, and that is closed. Returns 0 if
 * there is none now; a negative errno if there will be none any more (-EPIPE: the other end said
 * so, or is gone). */
int channel_hear(int channel, enum channel_word *word, int *descriptor);

/* Says nothing more: the other end hears the end. This end can still hear. */
void channel_end(int channel);

#endif
