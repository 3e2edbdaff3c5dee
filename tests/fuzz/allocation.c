/* allocation.c – see allocation.h. */
#include "tests/fuzz/allocation.h"

#include <malloc.h>
#include <stdlib.h>

static struct {
    bool watched, has_failed;
    size_t live;
    unsigned fail_at;
} state;

void *__real_malloc(size_t bytes);
void *__real_calloc(size_t count, size_t bytes);
void *__real_realloc(void *memory, size_t bytes);
void __real_free(void *memory);
void *__wrap_malloc(size_t bytes);
void *__wrap_calloc(size_t count, size_t bytes);
void *__wrap_realloc(void *memory, size_t bytes);
void __wrap_free(void *memory);

void allocation_watch(void)
{
    state.watched = true;
    state.has_failed = false;
    state.live = 0;
    state.fail_at = 0;
}

void allocation_unwatch(void)
{
    state.watched = false;
    state.fail_at = 0;
}

size_t allocation_live(void)
{
    return state.live;
}

void allocation_fail_at(unsigned n)
{
    state.fail_at = n;
}

bool allocation_has_failed(void)
{
    return state.has_failed;
}

void *unwatched_realloc(void *memory, size_t bytes)
{
    void *moved = __real_realloc(memory, bytes);
    if (moved == NULL)
        abort();
    return moved;
}

void unwatched_free(void *memory)
{
    __real_free(memory);
}

static bool is_short(void)
{
    if (!state.watched || state.fail_at == 0 || --state.fail_at > 0)
        return false;
    state.has_failed = true;
    return true;
}

static void *count(void *memory)
{
    if (state.watched && memory != NULL)
        state.live += malloc_usable_size(memory);
    return memory;
}

static void uncount(void *memory)
{
    if (state.watched && memory != NULL)
        state.live -= malloc_usable_size(memory);
}

void *__wrap_malloc(size_t bytes)
{
    return is_short() ? NULL : count(__real_malloc(bytes));
}

void *__wrap_calloc(size_t number, size_t bytes)
{
    return is_short() ? NULL : count(__real_calloc(number, bytes));
}

void *__wrap_realloc(void *memory, size_t bytes)
{
    if (is_short())
        return NULL;
    uncount(memory);
    return count(__real_realloc(memory, bytes));
}

void __wrap_free(void *memory)
{
    uncount(memory);
    __real_free(memory);
}
