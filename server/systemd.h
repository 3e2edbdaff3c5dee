/* systemd.h – the two small protocols of a service manager, without its library.
 *
 * Socket activation (sd_listen_fds(3)): the manager has made the listening socket and passes it as
 * descriptor 3, so a restart loses no connection. Notification (sd_notify(3)): datagrams that say
 * how the service is. Where the environment names no manager, all of this does nothing. */
#ifndef OFFLOOP_SYSTEMD_H
#define OFFLOOP_SYSTEMD_H

#include <stdint.h>

/* The listening socket that was passed to this process, or -1. When several were passed it is the
 * first. */
int systemd_listen_fd(void);

/* Sends one notification, "READY=1". Returns 0, also without a manager; or a negative errno. */
int systemd_notify(const char *state);

/* How often the manager wants to hear WATCHDOG=1, in milliseconds: half of what it tolerates. 0:
 * not at all. */
uint64_t systemd_watchdog_ms(void);

#endif
