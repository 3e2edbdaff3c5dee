/* signals.h – which signals a program hears, and which it survives.
 *
 * SIGHUP, SIGUSR1 and SIGUSR2 are sent to all processes of a service, or of a name, when one of
 * them is meant (`systemctl kill -s HUP`, `pkill -USR2 offloop`). By default they kill. Only who
 * knows such a signal acts on it; everybody else survives it, at any moment of its life. */
#ifndef OFFLOOP_PROCESS_SIGNALS_H
#define OFFLOOP_PROCESS_SIGNALS_H

#include <signal.h>

enum signals_role {
    SIGNALS_SERVER, /* these three stay blocked, in all threads, but where somebody listens */
    SIGNALS_TOOL,   /* somebody's at a terminal: SIGHUP ends it, unless it was started by nohup */
    SIGNALS_CHILD,  /* the server's: what ends servers is for the server, too */
};

/* Near the beginning of main, before there are threads: from here on the program has the signals of
 * this role, whatever its starter has blocked or ignored. */
void signals_begin(enum signals_role role);

/* Those with which a server starts its children blocked: what a child does not know shall not kill
 * it before its main has begun. Its signals_begin ends that. */
void signals_of_newborns(sigset_t *set);

#endif
