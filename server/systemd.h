/* systemd.h – the two small protocols of a service manager, without its library.
 *
 * Socket activation (sd_listen_fds(3)): the manager has made the listening sockets and passes them
 * from descriptor 3 on, so a restart loses no connection. Notification (sd_notify(3)): datagrams
 * that say how the service is. Where the environment names no manager, all of this does nothing. */
#ifndef OFFLOOP_SYSTEMD_H
#define OFFLOOP_SYSTEMD_H

#include <stddef.h>
#include <stdint.h>

enum { SYSTEMD_FIRST_FD = 3 };

/* How many listening sockets were passed to this process: the descriptors from SYSTEMD_FIRST_FD on,
 * which the processes that it starts do not inherit. 0 if none were. If they are more than `most`,
 * or one of them is no listening TCP socket, returns -EINVAL and puts a sentence into `error`. */
int systemd_listen_fds(unsigned most, char *error, size_t size);

/* Sends one notification, "READY=1". Returns 0, also without a manager; or a negative errno. */
int systemd_notify(const char *state);

/* How often the manager wants to hear WATCHDOG=1, in milliseconds: half of what it tolerates. 0:
 * not at all. */
uint64_t systemd_watchdog_ms(void);

#endif
