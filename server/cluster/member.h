/* member.h – the member's side of a cluster: who am I, what does the parent want?
 *
 * A member is this program, started by its parent (child.c) with these descriptors:
 *
 *     3   its end of the channel (channel.h)
 *     4   memory for its recording (observation.h), unless recording is switched off
 *     5   the listener of its slot; only where the kernel spreads the connections (sched none)
 *
 * and with its number and that of its recording in the environment. The end of the channel means:
 * drain. The parent says it so, and the kernel says it for a parent that was killed: no member
 * outlives its cluster. */
#ifndef OFFLOOP_CLUSTER_MEMBER_H
#define OFFLOOP_CLUSTER_MEMBER_H

#include <stdbool.h>
#include <uv.h>

enum { MEMBER_CHANNEL_FD = 3, MEMBER_RECORDINGS_FD = 4, MEMBER_LISTENER_FD = 5 };

#define MEMBER_VARIABLE           "OFFLOOP_MEMBER"
#define MEMBER_RECORDING_VARIABLE "OFFLOOP_RECORDING"

/* What comes from the parent, on the loop's thread. */
struct member_events {
    /* A connection, to be taken over. Returns 0, or a negative code: then the parent gives it to
     * another member. */
    int (*on_connection)(void *data, int fd);
    /* To drain, and then to end. Once. */
    void (*on_end)(void *data);
};

/* Members are for member.c. The caller owns the memory, until the loop has closed the handle. */
struct member {
    uv_poll_t channel;
    const struct member_events *events;
    void *data;
    bool joined;
    bool told; /* that it shall drain */
};

/* This process's number in its cluster, from 1; 0 for a process that is in none. */
unsigned member_number(void);

/* Has its parent lent it a recording, and which one: its index. */
bool member_is_lent_recording(void);
unsigned member_recording(void);

/* The listener of its slot, with sched none. From then on the processes that this one starts do not
 * inherit it. */
int member_listener_fd(void);

/* Listens to the parent. Returns 0 or a negative UV_E… code; then there is nothing to leave. */
int member_join(struct member *member, uv_loop_t *loop, const struct member_events *events,
                void *data);

/* Tells the parent that this member serves. */
void member_tell_ready(struct member *member);

/* Takes nothing more from the parent, and tells it so. Does nothing if it was not joined. */
void member_leave(struct member *member);

#endif
