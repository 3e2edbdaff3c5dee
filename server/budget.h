/* budget.h – how many descriptors this process may have, and how many of them are for whom.
 *
 * Whoever takes the last one silences everybody else: clients of the server the observer, clients
 * of the observer the database, children both. So each has a share, computed from the limit when
 * the process starts. The two servers accept no more clients than theirs, and lanes that would need
 * more than a quarter of all descriptors become fewer. A cluster's members inherit the limit and
 * compute the same; their parent has the observer. */
#ifndef OFFLOOP_BUDGET_H
#define OFFLOOP_BUDGET_H

#include <stdbool.h>

#include "server/options.h"

struct budget {
    unsigned connections;      /* clients of the server, at most as many as were asked for; or those
                                  that a cluster's parent may hold until a member takes them */
    unsigned refused;          /* more of them, who are told that they are too many */
    unsigned observer;         /* clients of the observer */
    unsigned observer_refused; /* likewise */
};

/* Raises the soft limit to the hard one: it is there for programs that use select. Returns the
 * limit. */
unsigned budget_raise_limit(void);

/* The limit of this process as it is. */
unsigned budget_limit(void);

/* The shares under a limit, of a server or of a cluster's parent. No share is ever 0; under a limit
 * of less than 64 they are more than there is. */
struct budget budget_shares(unsigned limit, const struct options *options, bool is_parent);

/* Lowers what was asked for (connections, lanes) to what fits under the limit. */
void budget_fit(struct options *options, unsigned limit);

/* Logs what budget_fit has lowered, if somebody asked for it, or if there are so few that it
 * matters. To be said once: by a server that is alone, or by a cluster's parent. */
void budget_tell(const struct options *asked, const struct options *fitting, unsigned limit);

#endif
