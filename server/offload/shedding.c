/* shedding.c – see shedding.h.
 *
 *                     lateness ≥ limit
 *          TAKES ─────────────────────────▶ SHEDS
 *            ▲                                │  lateness < limit / 2, and it has not been seen
 *            └────────────────────────────────┘  above that for SHEDDING_CALM_MS
 *
 * Two thresholds, because a single one would flap: what is shed makes the server less late, so it
 * would take work again at once, and be late again. And a time, because lateness comes in
 * saw-teeth: between two kernels a blocked loop is in time for a moment, and means nothing by it.
 * The state moves only when somebody asks. Whoever asks after a long silence is not judged by what
 * was before: then no lateness has been seen for long enough. */
#include "server/offload/shedding.h"

enum { NS_PER_MS = 1000000 };

void shedding_init(struct shedding *shedding, unsigned limit_ms)
{
    *shedding = (struct shedding){.limit_ns = (uint64_t)limit_ms * NS_PER_MS};
}

bool shedding_update(struct shedding *shedding, uint64_t now_ns, uint64_t lateness_ns)
{
    if (shedding->limit_ns == 0)
        return false;
    if (lateness_ns >= shedding->limit_ns / 2)
        shedding->late_ns = now_ns;
    if (lateness_ns >= shedding->limit_ns)
        shedding->active = true;
    else if (now_ns >= shedding->late_ns + (uint64_t)SHEDDING_CALM_MS * NS_PER_MS)
        shedding->active = false;
    return shedding->active;
}
