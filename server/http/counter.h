/* counter.h – a number that one thread counts up while any thread or process reads it.
 *
 * All zero is a counter at zero, so counters can lie in a zero-filled shared mapping. Every access
 * is relaxed: a counter orders nothing but itself, and two counters that are read one after the
 * other need not be of the same moment.
 *
 * Most counters have a single writer, and then an addition is a plain load and a plain store. That
 * spares the locked instruction of a read-modify-write, some 5 ns on x86, at every request.
 * Rejected: volatile, which is a data race; a lock, which a frozen or killed process would keep. */
#ifndef OFFLOOP_HTTP_COUNTER_H
#define OFFLOOP_HTTP_COUNTER_H

#include <stdatomic.h>
#include <stdint.h>

struct counter {
    _Atomic uint64_t value;
};

/* A lock would belong to one process only. */
_Static_assert(ATOMIC_LLONG_LOCK_FREE == 2, "64-bit counters need lock-free atomics");

/* Any thread of any process that maps it. */
static inline uint64_t counter_get(const struct counter *counter)
{
    return atomic_load_explicit(&counter->value, memory_order_relaxed);
}

/* Only its one writer: what another thread sets or adds meanwhile may be lost. */
static inline void counter_set(struct counter *counter, uint64_t value)
{
    atomic_store_explicit(&counter->value, value, memory_order_relaxed);
}

/* Only its one writer, as counter_set. No lock prefix: the addition itself is not atomic. */
static inline void counter_add(struct counter *counter, uint64_t n)
{
    counter_set(counter, counter_get(counter) + n);
}

/* Any number of writers, if all of them use this. */
static inline void counter_add_shared(struct counter *counter, uint64_t n)
{
    atomic_fetch_add_explicit(&counter->value, n, memory_order_relaxed);
}

#endif
