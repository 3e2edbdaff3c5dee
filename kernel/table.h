/* table.h – the rows of the kernel table, for kernel.c and for the files that define them.
 *
 * To add a kernel: write kernel/<id>.c with its `const struct kernel kernel_<id>`, add a row here,
 * and run the tests: the contract suite takes every row by itself. The order is that of the
 * documentation; the first row is the default. */
#ifndef OFFLOOP_KERNEL_TABLE_H
#define OFFLOOP_KERNEL_TABLE_H

#include "kernel/kernel.h"

/*      identifier    name */
#define KERNEL_TABLE(row)                                                                 \
    row(primes, "primes") row(square_roots, "square-roots") row(mandelbrot, "mandelbrot") \
        row(sleep, "sleep")

#define KERNEL_DECLARE(id, name) extern const struct kernel kernel_##id;
KERNEL_TABLE(KERNEL_DECLARE)
#undef KERNEL_DECLARE

#endif
