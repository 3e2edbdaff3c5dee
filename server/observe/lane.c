/* lane.c – see lane.h. */
#include "server/observe/lane.h"

#include <stdio.h>

const char *lane_kind_name(enum lane_kind kind)
{
    static const char *const names[] = {
#define LANE_KIND_NAME(kind, name) name,
        LANE_KINDS(LANE_KIND_NAME)
#undef LANE_KIND_NAME
    };
    return names[kind];
}

void lane_name(struct lane lane, char *name, size_t size)
{
    if (lane.number == 0)
        snprintf(name, size, "%s", lane_kind_name(lane.kind));
    else
        snprintf(name, size, "%s %u", lane_kind_name(lane.kind), lane.number);
}

/* The loop, then the three kinds that are numbered, LANE_NUMBER_MAX of each. */
int lane_index(struct lane lane)
{
    if (lane.kind == LANE_LOOP)
        return 0;
    if (lane.kind < LANE_POOL || lane.kind > LANE_CHILD || lane.number < 1 ||
        lane.number > LANE_NUMBER_MAX)
        return -1;
    return (int)((lane.kind - LANE_POOL) * LANE_NUMBER_MAX + lane.number);
}

struct lane lane_at(int index)
{
    if (index == 0)
        return LANE_THE_LOOP;
    unsigned behind = (unsigned)index - 1;
    return (struct lane){.kind = (enum lane_kind)(LANE_POOL + behind / LANE_NUMBER_MAX),
                         .number = behind % LANE_NUMBER_MAX + 1};
}
