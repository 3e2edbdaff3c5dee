/* plain.c – the Mandelbrot set as everybody writes it first: one pixel after the other, one double
 * after the other. Compiled with the same flags, it is what kernel/mandelbrot.c is held against;
 * the pixels, the radius and the iterations are the kernel's, so it counts the same work.
 *
 *     plain SIDE ITERATIONS      prints the number of pixels inside */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

static uint32_t iterate(double c_re, double c_im, uint32_t iterations)
{
    double re = 0, im = 0;
    uint32_t count = 0;
    while (count < iterations && re * re + im * im <= 64) {
        double next = re * re - im * im + c_re;
        im = 2 * re * im + c_im;
        re = next;
        count++;
    }
    return count;
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "Usage: plain SIDE ITERATIONS\n");
        return 2;
    }
    uint32_t side = (uint32_t)strtoul(argv[1], NULL, 10);
    uint32_t iterations = (uint32_t)strtoul(argv[2], NULL, 10);
    uint64_t inside = 0;
    for (uint32_t y = 0; y < side; y++) {
        for (uint32_t x = 0; x < side; x++) {
            double c_re = -2.0 + (x + 0.5) * 2.5 / side, c_im = 1.25 - (y + 0.5) * 2.5 / side;
            inside += iterate(c_re, c_im, iterations) == iterations;
        }
    }
    printf("%llu\n", (unsigned long long)inside);
    return 0;
}
