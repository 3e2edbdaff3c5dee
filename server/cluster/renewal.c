/* renewal.c – see renewal.h. */
#include "server/cluster/renewal.h"

#include "server/log.h"

void renewal_init(struct renewal *renewal, struct slot *slots, unsigned size)
{
    *renewal = (struct renewal){.slots = slots, .size = size};
}

static void begin(struct renewal *renewal);

/* The old ones go on, as long as they live. */
static void give_up(struct renewal *renewal, const char *what, const char *why)
{
    struct slot *slot = renewal->at;
    renewal->at = NULL;
    log_event(LOG_ERROR, "restart_failed", NULL, "the members go on: the new member %u %s%s",
              slot->number, what, why);
    if (slot->current == NULL)
        slot_rest(slot);
    if (renewal->again)
        begin(renewal);
}

static void renew(struct renewal *renewal, struct slot *slot)
{
    renewal->at = slot;
    int rc = slot_renew(slot);
    if (rc != 0)
        give_up(renewal, "cannot be spawned: ", uv_strerror(rc));
}

static void begin(struct renewal *renewal)
{
    renewal->again = false;
    renew(renewal, renewal->slots);
}

static void go_on(struct renewal *renewal)
{
    struct slot *next = renewal->at + 1;
    if (next < renewal->slots + renewal->size) {
        renew(renewal, next);
    } else if (renewal->again) {
        begin(renewal);
    } else {
        renewal->at = NULL;
        log_event(LOG_INFO, "restarted", NULL, "every member was replaced");
    }
}

void renewal_ask(struct renewal *renewal)
{
    if (renewal->at != NULL) {
        renewal->again = true;
        return;
    }
    log_event(LOG_INFO, "restarting", NULL, "SIGHUP: replacing the members, one by one");
    begin(renewal);
}

void renewal_on_ready(struct renewal *renewal)
{
    if (!slot_promote(renewal->at))
        go_on(renewal);
}

void renewal_on_failed(struct renewal *renewal, const char *how)
{
    give_up(renewal, "", how);
}

void renewal_on_left(struct renewal *renewal)
{
    go_on(renewal);
}
