/* counter.h – a number that one thread counts and others read.
 *
 * The readers may be in other threads or, when the memory is shared, in other processes; they see a
 * value that was true a moment ago. With a single writer no locked instruction is needed: a relaxed
 * load and a relaxed store compile to a plain addition. Zero-filled memory is a counter at zero. */
#ifndef OFFLOOP_HTTP_COUNTER_H
#define OFFLOOP_HTTP_COUNTER_H

#include <stdatomic.h>
#include <stdint.h>

struct counter {
    _Atomic uint64_t value;
};

static inline uint64_t counter_get(const struct counter *counter)
{
    return atomic_load_explicit(&counter->value, memory_order_relaxed);
}

/* Only the counter's one writer may call these two. */
static inline void counter_set(struct counter *counter, uint64_t value)
{
    atomic_store_explicit(&counter->value, value, memory_order_relaxed);
}

static inline void counter_add(struct counter *counter, uint64_t n)
{
    counter_set(counter, counter_get(counter) + n);
}

/* For a counter with several writers; it costs a locked instruction. */
static inline void counter_add_shared(struct counter *counter, uint64_t n)
{
    atomic_fetch_add_explicit(&counter->value, n, memory_order_relaxed);
}

#endif
