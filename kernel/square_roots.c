/* square_roots.c – adds up the square roots of 1 to n.
 *
 * This is the loop of nearly every tutorial on blocking the event loop:
 *
 *     for (let i = 1; i <= n; i++) sum += Math.sqrt(i);
 *
 * It is here so that a student finds it again and can compare the two worlds: no memory, no
 * branches, every unit costs the same. The additions are made one after the other, in the order of
 * the tutorial, so the sum is the same double whatever the slicing, and the same as in any IEEE 754
 * language.
 *
 * Rejected: several partial sums (three times faster, another rounding); compensated summation (the
 * error is far below what anyone reads here: the tests hold the sum to the Euler–Maclaurin formula
 * 2/3 n^(3/2) + 1/2 n^(1/2) + ζ(-1/2) + 1/24 n^(-1/2), Knuth, The Art of Computer Programming 1,
 * section 1.2.11.2). */
#include "kernel/kernel.h"
#include "kernel/table.h"

#include <math.h>

#define SIZE_MAX_N \
    UINT64_C(10000000000) /* half a minute; every i up to here is exact in a double */

struct square_roots {
    uint64_t next, n;
    double sum;
};

static int square_roots_init(void *state, const struct kernel_arguments *arguments,
                             uint64_t *total_units)
{
    struct square_roots *roots = state;
    roots->n = arguments->values[0];
    roots->next = 1;
    *total_units = roots->n;
    return 0;
}

static uint64_t square_roots_step(void *state, uint64_t budget)
{
    struct square_roots *roots = state;
    uint64_t left = roots->n - roots->next + 1;
    uint64_t units = budget < left ? budget : left;
    uint64_t end = roots->next + units;
    double sum = roots->sum;
    for (uint64_t i = roots->next; i < end; i++)
        sum += sqrt((double)i);
    roots->sum = sum;
    roots->next = end;
    return units;
}

static int square_roots_finish(void *state, struct kernel_result *result)
{
    const struct square_roots *roots = state;
    result->numbers[0] =
        (struct kernel_number){.name = "sum", .type = KERNEL_REAL, .value.real = roots->sum};
    result->number_count = 1;
    return 0;
}

static void square_roots_close(void *state)
{
    (void)state;
}

static uint64_t square_roots_size_of(uint64_t units)
{
    return units < 1 ? 1 : units < SIZE_MAX_N ? units : SIZE_MAX_N;
}

const struct kernel kernel_square_roots = {
    .name = "square-roots",
    .help = "add up the square roots of 1 to n, as the tutorials do",
    .unit = "roots",
    .parameters = {{"n", "add up this many square roots", 1, SIZE_MAX_N, 100000000}},
    .step_units = 500000,
    .sample_size = 5000000,
    .size_of = square_roots_size_of,
    .state_bytes = sizeof(struct square_roots),
    .init = square_roots_init,
    .step = square_roots_step,
    .finish = square_roots_finish,
    .close = square_roots_close,
};
