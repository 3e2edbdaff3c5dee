/* probe_target.h – where the load goes: the addresses of a name, and why one was not reached. */
#ifndef OFFLOOP_PROBE_TARGET_H
#define OFFLOOP_PROBE_TARGET_H

#include <stddef.h>
#include <sys/socket.h>

enum { TARGETS_MAX = 16 };

struct target {
    struct sockaddr_storage address;
    int error; /* why it was not reached, a negative UV_E… code; 0 if it was, or was not tried */
};

/* The addresses of a host, in the order in which they should be tried (RFC 6724). `targets` has
 * room for TARGETS_MAX; those beyond are left out. Blocks until the name is resolved. Returns 0
 * and their number in *count, or a negative UV_E… code. */
int targets_resolve(struct target *targets, size_t *count, const char *host, const char *port);

/* What became of those that were tried: "::1: connection refused, 127.0.0.1: connection refused".
 * An address is not repeated if it is the only one and the host was called by it. */
void targets_explain(const struct target *targets, size_t count, const char *host, char *text,
                     size_t size);

#endif
