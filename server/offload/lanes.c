/* lanes.c – see lanes.h. */
#include "server/offload/lanes.h"

#include "server/machine/descriptors.h"

unsigned lanes_affordable(unsigned descriptors_each)
{
    unsigned count = descriptors_left() / 2 / descriptors_each;
    return count > 0 ? count : 1;
}

unsigned lanes_kept(unsigned had, unsigned wanted)
{
    return had >= wanted ? had : had - had / 4;
}

void lanes_tell(const struct offload_options *options, const struct shortage *shortage)
{
    if (options->on_shortage != NULL)
        options->on_shortage(options->shortage_data, shortage);
}
