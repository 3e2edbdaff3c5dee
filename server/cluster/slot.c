/* slot.c – see slot.h. */
#include "server/cluster/slot.h"

#include "server/log.h"

enum { REST_MIN_MS = 100, REST_MAX_MS = 5000, STEADY_MS = 5000 };

void slot_init(struct slot *slot, void *cluster, const struct child_plan *plan, unsigned number)
{
    *slot = (struct slot){.cluster = cluster, .plan = plan, .number = number, .listener = -1};
    uv_timer_init(plan->loop, &slot->rest);
    slot->rest.data = slot;
}

/* Two processes of a slot may live at a time, and each of them has one of the slot's two
 * recordings.
 */
static unsigned free_recording(const struct slot *slot)
{
    const struct child *children[] = {slot->current, slot->successor, slot->leaving};
    unsigned first = slot->number - 1, second = first + slot->plan->members;
    for (size_t i = 0; i < sizeof children / sizeof *children; i++) {
        if (children[i] != NULL && children[i]->recording == first)
            return second;
    }
    return first;
}

static int spawn(struct slot *slot, struct child **place)
{
    const struct child_identity identity = {slot->number, free_recording(slot), slot->listener};
    return child_spawn(place, slot->plan, &identity, slot);
}

int slot_fill(struct slot *slot)
{
    return spawn(slot, &slot->current);
}

int slot_renew(struct slot *slot)
{
    uv_timer_stop(&slot->rest);
    return spawn(slot, &slot->successor);
}

/* ------------------------------------------------------------------ after a death */

static unsigned take_rest(struct slot *slot)
{
    unsigned rest_ms = slot->rest_ms, doubled = 2 * rest_ms;
    slot->rest_ms = doubled < REST_MIN_MS   ? REST_MIN_MS
                    : doubled > REST_MAX_MS ? REST_MAX_MS
                                            : doubled;
    return rest_ms;
}

static void on_rested(uv_timer_t *timer)
{
    struct slot *slot = timer->data;
    int rc = slot_fill(slot);
    if (rc == 0)
        return;
    log_event(LOG_WARNING, "spawn_failed", NULL, "member %u cannot be started: %s", slot->number,
              uv_strerror(rc));
    slot_rest(slot);
}

static void begin_rest(struct slot *slot, unsigned rest_ms)
{
    uv_timer_start(&slot->rest, on_rested, rest_ms, 0);
}

void slot_rest(struct slot *slot)
{
    begin_rest(slot, take_rest(slot));
}

static void log_death(const struct slot *slot, int pid, const char *how, unsigned rest_ms)
{
    char when[40] = "at once";
    cJSON *fields = cJSON_CreateObject();
    cJSON_AddNumberToObject(fields, "member", slot->number);
    cJSON_AddNumberToObject(fields, "pid", pid);
    cJSON_AddNumberToObject(fields, "rest_ms", rest_ms);
    if (rest_ms > 0)
        snprintf(when, sizeof when, "in %u ms", rest_ms);
    log_event(LOG_WARNING, "member_died", fields, "member %u (pid %d) %s; a new one starts %s",
              slot->number, pid, how, when);
}

void slot_refill(struct slot *slot, const struct child *dead, const char *how)
{
    bool steady = dead->ready_ms != 0 && uv_now(slot->plan->loop) - dead->ready_ms >= STEADY_MS;
    if (steady)
        slot->rest_ms = 0;
    unsigned rest_ms = take_rest(slot);
    log_death(slot, dead->process.pid, how, rest_ms);
    if (slot->successor == NULL)
        begin_rest(slot, rest_ms);
}

/* ------------------------------------------------------------------ replacing one that lives */

bool slot_promote(struct slot *slot)
{
    slot->leaving = slot->current;
    slot->current = slot->successor;
    slot->successor = NULL;
    if (slot->leaving != NULL)
        child_drain(slot->leaving);
    return slot->leaving != NULL;
}

enum slot_place slot_forget(struct slot *slot, const struct child *child)
{
    struct child **places[] = {&slot->current, &slot->successor, &slot->leaving};
    enum slot_place place = SLOT_CURRENT;
    while (place < SLOT_LEAVING && *places[place] != child)
        place++;
    *places[place] = NULL;
    return place;
}

bool slot_is_empty(const struct slot *slot)
{
    return slot->current == NULL && slot->successor == NULL && slot->leaving == NULL;
}

void slot_each(struct slot *slot, void (*visit)(struct child *child))
{
    struct child *children[] = {slot->current, slot->successor, slot->leaving};
    for (size_t i = 0; i < sizeof children / sizeof *children; i++) {
        if (children[i] != NULL)
            visit(children[i]);
    }
}

void slot_close(struct slot *slot)
{
    uv_close((uv_handle_t *)&slot->rest, NULL);
}
