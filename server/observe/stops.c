/* stops.c – see stops.h. */
#include "server/observe/stops.h"

#include "server/observe/trip.h"

static const uint64_t MS = 1000000;

static uint64_t clock_ns(clockid_t clock)
{
    struct timespec time;
    if (clock_gettime(clock, &time) != 0)
        return 0;
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

struct stops_spent stops_spent(clockid_t loop)
{
    return (struct stops_spent){clock_ns(loop), clock_ns(CLOCK_PROCESS_CPUTIME_ID)};
}

/* For how long the process did not run until now, if it is for STOP_MS or longer; otherwise 0. */
static uint64_t silence(const struct stops *stops, uint64_t now_ns, struct stops_spent spent)
{
    uint64_t looked_ns = counter_get(&stops->looked_ns);
    uint64_t silent_ns = looked_ns != 0 ? trip_elapsed_ns(looked_ns, now_ns) : 0;
    if (silent_ns < STOP_MS * MS)
        return 0;
    uint64_t loop_ns = trip_elapsed_ns(counter_get(&stops->loop_ns), spent.loop_ns);
    uint64_t all_ns = trip_elapsed_ns(counter_get(&stops->all_ns), spent.all_ns);
    uint64_t still_ns = trip_elapsed_ns(loop_ns, silent_ns);
    return still_ns >= STOP_MS * MS && all_ns < silent_ns / 2 ? still_ns : 0;
}

void stops_begin(struct stops *stops, uint64_t now_ns, struct stops_spent spent)
{
    counter_set(&stops->loop_ns, spent.loop_ns);
    counter_set(&stops->all_ns, spent.all_ns);
    counter_set(&stops->looked_ns, now_ns);
}

uint64_t stops_look(struct stops *stops, uint64_t now_ns, struct stops_spent spent)
{
    uint64_t stopped_ns = silence(stops, now_ns, spent);
    if (stopped_ns > 0) {
        struct stop *stop = &stops->kept[counter_get(&stops->count) % STOPS_KEPT];
        counter_set(&stop->began_ns, now_ns - stopped_ns);
        counter_set(&stop->ended_ns, now_ns);
        counter_add(&stops->stopped_ns, stopped_ns);
        counter_add(&stops->count, 1);
    }
    stops_begin(stops, now_ns, spent);
    return stopped_ns;
}

static uint64_t overlap(const struct stop *stop, uint64_t from_ns, uint64_t to_ns)
{
    uint64_t began_ns = counter_get(&stop->began_ns), ended_ns = counter_get(&stop->ended_ns);
    return trip_elapsed_ns(began_ns > from_ns ? began_ns : from_ns,
                           ended_ns < to_ns ? ended_ns : to_ns);
}

/* The watchdog may be entering a stop while this looks: then it is found twice, and no more than
 * the whole time is answered. */
uint64_t stops_since(const struct stops *stops, uint64_t from_ns, uint64_t now_ns)
{
    uint64_t all_ns = trip_elapsed_ns(from_ns, now_ns);
    if (all_ns < STOP_MS * MS)
        return 0;
    uint64_t stopped_ns = silence(stops, now_ns, stops_spent(CLOCK_THREAD_CPUTIME_ID));
    if (stopped_ns > all_ns)
        return all_ns;
    for (unsigned i = 0; i < STOPS_KEPT; i++)
        stopped_ns += overlap(&stops->kept[i], from_ns, now_ns);
    return stopped_ns < all_ns ? stopped_ns : all_ns;
}
