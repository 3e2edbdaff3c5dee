/* mandelbrot.c – the Mandelbrot set, counted and, if wanted, painted.
 *
 * The kernel whose result can be seen: an image that arrives late, in pieces, or not at all says at
 * a glance what an event loop did. It is also the one whose answer is not small, so it shows what
 * it costs to bring a result back from a thread, a process or another machine.
 *
 * The square from -2 - 1.25i to 0.5 + 1.25i holds the whole set. Each pixel stands for its centre
 * c; z ← z² + c runs from 0 until |z| passes a bound or the iterations run out. Eight pixels go
 * side by side through plain loops that gcc and clang turn into vector instructions at -O2; a pixel
 * that has escaped goes on computing towards infinity with its neighbours, and only its count
 * stands still. Every pixel is computed by the same instructions wherever a step ends, so slicing
 * changes nothing.
 *
 * Painting uses the normalised iteration count (continuous, so no bands) and a cycle of blue, white
 * and orange, which differs in lightness as well as hue: all common kinds of colour blindness keep
 * it apart. The set itself is black.
 *
 * The cost of a pixel depends on where it lies, but the whole square on average costs the same per
 * pixel whatever its size. With 10000 iterations it costs up to twenty times the default, and so
 * does a step; n and iterations are bounded so that the worst image takes about a minute.
 *
 * Rejected: the tests for the cardioid and the period-2 disc (they save the honest work that this
 * is for); mirroring the lower half (the same); vector extensions (plain loops are as fast and
 * portable); true colour (three times the bytes to compress).
 *
 * Sources: B. Mandelbrot (1980); the area, 1.5065918849(28), is OEIS A098403 (T. Förstemann 2012);
 * the normalised count is F. García et al., "Coloring dynamical systems in the complex plane"
 * (2009). */
#include "kernel/kernel.h"
#include "kernel/png_image.h"
#include "kernel/table.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    LANES = 16,
    BURST = 8, /* iterations between two looks at who is left; see `burst` */
    SIDE_MAX = 4096,
    SAMPLE_SIZE = 300,
    ITERATIONS_MAX = 10000,
    INTERIOR = 0, /* palette index; the others are the cycle */
    CYCLE = PNG_IMAGE_COLOURS - 1,
};

#define LEFT        (-2.0)
#define HEIGHT_HALF 1.25
#define SIDE        (2 * HEIGHT_HALF)
#define RADIUS      8.0 /* more than the 2 that decides: the colours get smooth */

/* Pixels side by side; z stops changing some iterations after the escape, the count at once. */
struct lanes {
    double c_re[LANES], c_im[LANES];
    double z_re[LANES], z_im[LANES];
    double count[LANES];
};

struct mandelbrot {
    uint32_t side, iterations;
    uint32_t x, y; /* the next pixel */
    uint64_t inside, total_iterations;
    struct png_image *image; /* NULL: only count */
    unsigned char row[SIDE_MAX];
};

/* ---------------------------------------------------------------- iterating */

static inline bool is_bounded(double re, double im)
{
    return re * re + im * im <= RADIUS * RADIUS; /* false for NaN, which infinities become */
}

/* Up to BURST iterations of all lanes. A lane that was within the radius before takes its new z,
 * even if it escaped on the way; at four iterations it cannot get beyond 2^128, so its logarithm is
 * good. */
static void burst(struct lanes *restrict lanes, uint32_t iterations)
{
    double re[LANES], im[LANES];
    memcpy(re, lanes->z_re, sizeof re);
    memcpy(im, lanes->z_im, sizeof im);
    for (uint32_t i = 0; i < iterations; i++) {
        for (int lane = 0; lane < LANES; lane++) {
            double re_squared = re[lane] * re[lane], im_squared = im[lane] * im[lane];
            lanes->count[lane] += re_squared + im_squared <= RADIUS * RADIUS ? 1.0 : 0.0;
            im[lane] = 2 * re[lane] * im[lane] + lanes->c_im[lane];
            re[lane] = re_squared - im_squared + lanes->c_re[lane];
        }
    }
    for (int lane = 0; lane < LANES; lane++) {
        double old_re = lanes->z_re[lane], new_re = re[lane];
        double old_im = lanes->z_im[lane], new_im = im[lane];
        double old_squared = old_re * old_re + old_im * old_im;
        lanes->z_re[lane] = old_squared <= RADIUS * RADIUS ? new_re : old_re;
        lanes->z_im[lane] = old_squared <= RADIUS * RADIUS ? new_im : old_im;
    }
}

static bool any_bounded(const struct lanes *lanes)
{
    for (int lane = 0; lane < LANES; lane++)
        if (is_bounded(lanes->z_re[lane], lanes->z_im[lane]))
            return true;
    return false;
}

static void iterate(struct lanes *lanes, uint32_t iterations)
{
    for (uint32_t done = 0; done < iterations && any_bounded(lanes); done += BURST)
        burst(lanes, iterations - done < BURST ? iterations - done : BURST);
}

/* ---------------------------------------------------------------- painting */

/* The stops of the cycle, evenly spaced; blues and oranges of the Okabe–Ito palette. */
static const struct png_image_colour stops[] = {{0, 16, 48},     {0, 114, 178}, {86, 180, 233},
                                                {247, 247, 247}, {230, 159, 0}, {110, 40, 0}};

enum { STOPS = sizeof stops / sizeof *stops };

static unsigned char blend(unsigned char from, unsigned char to, double share)
{
    return (unsigned char)lround(from + share * (to - from));
}

static void fill_palette(struct png_image_colour palette[PNG_IMAGE_COLOURS])
{
    palette[INTERIOR] = (struct png_image_colour){0, 0, 0};
    for (int i = 0; i < CYCLE; i++) {
        double position = (double)(i * (int)STOPS) / (double)CYCLE;
        int stop = (int)position;
        double share = (1 - cos((position - stop) * acos(-1))) / 2;
        struct png_image_colour from = stops[stop], to = stops[(stop + 1) % STOPS];
        palette[1 + i] = (struct png_image_colour){blend(from.red, to.red, share),
                                                   blend(from.green, to.green, share),
                                                   blend(from.blue, to.blue, share)};
    }
}

/* The normalised count n - log2(log|z_n| / log R) does not depend on which z_n beyond the radius it
 * is taken from, so the one at the end of the burst will do. */
static double smooth_count(const struct lanes *lanes, int lane, uint32_t iterations)
{
    uint32_t count = (uint32_t)lanes->count[lane];
    uint32_t burst_end = (count + BURST - 1) / BURST * BURST;
    double taken_at = burst_end < iterations ? burst_end : iterations;
    double modulus = hypot(lanes->z_re[lane], lanes->z_im[lane]);
    return fmax(taken_at - log2(log(modulus) / log(RADIUS)), 0);
}

/* The square root spreads the colours, for near the set the counts run away; the offset lets the
 * far corners start in dark blue. */
static unsigned char colour_of(const struct lanes *lanes, int lane, uint32_t iterations)
{
    if ((uint32_t)lanes->count[lane] == iterations)
        return INTERIOR;
    double turns = 0.35 + 0.45 * sqrt(smooth_count(lanes, lane, iterations));
    return (unsigned char)(1 + (uint32_t)((double)CYCLE * turns) % CYCLE);
}

/* ---------------------------------------------------------------- pixels */

/* Centres of pixels. The second is written so that rows y and side - 1 - y are exact mirror images.
 */
static double re_of(const struct mandelbrot *set, uint32_t x)
{
    return LEFT + (x + 0.5) * (SIDE / set->side);
}

static double im_of(const struct mandelbrot *set, uint32_t y)
{
    return ((double)set->side - (2.0 * y + 1)) * (HEIGHT_HALF / set->side);
}

static void record(struct mandelbrot *set, const struct lanes *lanes, uint32_t pixels)
{
    for (uint32_t i = 0; i < pixels; i++) {
        uint32_t count = (uint32_t)lanes->count[i];
        set->total_iterations += count;
        set->inside += count == set->iterations;
        if (set->image != NULL)
            set->row[set->x + i] = colour_of(lanes, (int)i, set->iterations);
    }
}

/* The next pixels of this row, at most LANES; surplus lanes start outside and cost nothing more. */
static void compute(struct mandelbrot *set, uint32_t pixels)
{
    struct lanes lanes = {0};
    for (uint32_t i = 0; i < LANES; i++) {
        lanes.c_re[i] = re_of(set, set->x + i);
        lanes.c_im[i] = im_of(set, set->y);
        lanes.z_re[i] = i < pixels ? 0 : 2 * RADIUS;
    }
    iterate(&lanes, set->iterations);
    record(set, &lanes, pixels);
    set->x += pixels;
}

static void end_row(struct mandelbrot *set)
{
    if (set->image != NULL)
        png_image_row(set->image, set->row);
    set->x = 0;
    set->y++;
}

/* ---------------------------------------------------------------- the kernel */

static int mandelbrot_init(void *state, const struct kernel_arguments *arguments,
                           uint64_t *total_units)
{
    struct mandelbrot *set = state;
    set->side = (uint32_t)arguments->values[0];
    set->iterations = (uint32_t)arguments->values[1];
    *total_units = (uint64_t)set->side * set->side;
    if (!arguments->image)
        return 0;
    struct png_image_colour palette[PNG_IMAGE_COLOURS];
    fill_palette(palette);
    return png_image_open(&set->image, set->side, set->side, palette);
}

static uint64_t mandelbrot_step(void *state, uint64_t budget)
{
    struct mandelbrot *set = state;
    uint64_t done = 0;
    while (done < budget && set->y < set->side) {
        uint64_t pixels = budget - done < LANES ? budget - done : LANES;
        if (pixels > set->side - set->x)
            pixels = set->side - set->x;
        compute(set, (uint32_t)pixels);
        done += pixels;
        if (set->x == set->side)
            end_row(set);
    }
    return done;
}

static int mandelbrot_finish(void *state, struct kernel_result *result)
{
    struct mandelbrot *set = state;
    double pixels = (double)set->side * set->side;
    result->numbers[0] = (struct kernel_number){
        .name = "inside", .type = KERNEL_INTEGER, .value.integer = set->inside};
    result->numbers[1] =
        (struct kernel_number){.name = "area",
                               .type = KERNEL_REAL,
                               .value.real = SIDE * SIDE * (double)set->inside / pixels};
    result->numbers[2] = (struct kernel_number){
        .name = "total_iterations", .type = KERNEL_INTEGER, .value.integer = set->total_iterations};
    result->number_count = 3;
    if (set->image == NULL)
        return 0;
    result->image_type = "image/png";
    return png_image_finish(set->image, &result->image, &result->image_bytes);
}

static void mandelbrot_close(void *state)
{
    struct mandelbrot *set = state;
    png_image_close(set->image);
}

/* At the border of the set lanes wait for each other; the finer the image, the fewer of its pixels
 * lie there. Measured, a row costs about 60 pixels on top of its own, so the work is n² + 60 n.
 * Units are taken at what they cost in the sample. */
static uint64_t mandelbrot_size_of(uint64_t units)
{
    const double row_cost = 60, sample_cost = 1 + row_cost / (double)SAMPLE_SIZE;
    double half = row_cost / 2;
    double side = round(sqrt(half * half + sample_cost * (double)units) - half);
    return side < 1 ? 1 : side < (double)SIDE_MAX ? (uint64_t)side : SIDE_MAX;
}

const struct kernel kernel_mandelbrot = {
    .name = "mandelbrot",
    .help = "compute the Mandelbrot set in a square of n by n pixels",
    .unit = "pixels",
    .image_type = "image/png",
    .parameters = {{"n", "side of the square in pixels", 1, SIDE_MAX, 1024},
                   {"iterations", "give up on a pixel after this many", 1, ITERATIONS_MAX, 500}},
    .step_units = 4096,
    .sample_size = SAMPLE_SIZE,
    .size_of = mandelbrot_size_of,
    .state_bytes = sizeof(struct mandelbrot),
    .init = mandelbrot_init,
    .step = mandelbrot_step,
    .finish = mandelbrot_finish,
    .close = mandelbrot_close,
};
