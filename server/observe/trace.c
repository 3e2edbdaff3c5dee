/* trace.c – see trace.h.
 *
 * The words are stored with release and loaded with acquire, which is free on x86: so a word is
 * never seen before the zero that announces it, nor the number before its words; nor the count of
 * what was written before the record itself, which a reader would take for overwritten. */
#include "server/observe/trace.h"

#include <string.h>

_Static_assert(sizeof(struct trace_record) % sizeof(uint64_t) == 0, "records are copied by words");

void trace_write(struct trace *trace, const struct trace_record *record)
{
    uint64_t words[TRACE_WORDS], number = counter_get(&trace->written) + 1;
    struct trace_slot *slot = &trace->slots[number % TRACE_SLOTS];
    memcpy(words, record, sizeof words);
    atomic_store_explicit(&slot->number, 0, memory_order_relaxed);
    for (size_t i = 0; i < TRACE_WORDS; i++)
        atomic_store_explicit(&slot->words[i], words[i], memory_order_release);
    atomic_store_explicit(&slot->number, number, memory_order_release);
    atomic_store_explicit(&trace->written.value, number, memory_order_release);
}

static bool copy(const struct trace_slot *slot, uint64_t number, struct trace_record *record)
{
    uint64_t words[TRACE_WORDS];
    if (atomic_load_explicit(&slot->number, memory_order_acquire) != number)
        return false;
    for (size_t i = 0; i < TRACE_WORDS; i++)
        words[i] = atomic_load_explicit(&slot->words[i], memory_order_acquire);
    if (atomic_load_explicit(&slot->number, memory_order_relaxed) != number)
        return false;
    memcpy(record, words, sizeof *record);
    return true;
}

bool trace_read(const struct trace *trace, uint64_t *cursor, struct trace_record *record,
                uint64_t *missed)
{
    for (;;) {
        uint64_t written = atomic_load_explicit(&trace->written.value, memory_order_acquire);
        if (*cursor >= written)
            return false;
        if (written - *cursor >= TRACE_SLOTS) { /* the oldest may be overwritten at any moment */
            uint64_t oldest = written - TRACE_SLOTS + 1;
            *missed += oldest - *cursor;
            *cursor = oldest;
        }
        uint64_t number = ++*cursor;
        if (copy(&trace->slots[number % TRACE_SLOTS], number, record))
            return true;
        ++*missed;
    }
}
