/* kernel_mandelbrot_test.c – the area, the symmetry, and an image that another reader understands.
 *
 * The area of the set is 1.5065918849(28), OEIS A098403. Counting pixels with finite iterations
 * finds a little more. */
#include "kernel/kernel.h"

#include <math.h>
#include <png.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { INSIDE, AREA, TOTAL_ITERATIONS };

static void run(struct kernel_result *result, uint64_t side, uint64_t iterations, bool image)
{
    const struct kernel *kernel = kernel_find("mandelbrot");
    struct kernel_arguments arguments = {.values = {side, iterations}, .image = image};
    struct kernel_run run;
    assert_int_equal(kernel_run_init(&run, kernel, &arguments), 0);
    while (kernel_run_step(&run, 1000))
        continue;
    assert_int_equal(kernel_run_finish(&run, result), 0);
    kernel_run_close(&run);
    assert_int_equal(result->number_count, 3);
    assert_string_equal(result->numbers[INSIDE].name, "inside");
    assert_string_equal(result->numbers[AREA].name, "area");
    assert_string_equal(result->numbers[TOTAL_ITERATIONS].name, "total_iterations");
}

/* Runs and decodes: side × side pixels of red, green, blue; the caller frees them. */
static unsigned char *paint(uint32_t side, uint64_t iterations)
{
    struct kernel_result result;
    run(&result, side, iterations, true);
    assert_string_equal(result.image_type, "image/png");
    png_image decoder = {.version = PNG_IMAGE_VERSION};
    assert_true(png_image_begin_read_from_memory(&decoder, result.image, result.image_bytes) != 0);
    assert_int_equal(decoder.width, side);
    assert_int_equal(decoder.height, side);
    decoder.format = PNG_FORMAT_RGB;
    unsigned char *pixels = malloc(PNG_IMAGE_SIZE(decoder));
    assert_non_null(pixels);
    assert_true(png_image_finish_read(&decoder, NULL, pixels, 0, NULL) != 0);
    assert_int_equal(decoder.warning_or_error, 0);
    kernel_result_close(&result);
    return pixels;
}

/* The textbook loop with radius 2 on the same grid. */
static uint64_t naive_inside(int side, int iterations)
{
    uint64_t inside = 0;
    for (int y = 0; y < side; y++) {
        for (int x = 0; x < side; x++) {
            double c_re = -2 + 2.5 * (x + 0.5) / side, c_im = 1.25 - 2.5 * (y + 0.5) / side;
            double re = 0, im = 0;
            int i = 0;
            for (; i < iterations && re * re + im * im <= 4; i++) {
                double next = re * re - im * im + c_re;
                im = 2 * re * im + c_im;
                re = next;
            }
            inside += i == iterations;
        }
    }
    return inside;
}

static void test_area(void **state)
{
    struct kernel_result result;
    (void)state;
    run(&result, 512, 1000, false);
    assert_null(result.image);
    assert_true(fabs(result.numbers[AREA].value.real - 1.5065918849) < 0.01);
}

/* The larger radius finds a few pixels that were about to leave when the iterations ran out. */
static void test_against_the_textbook(void **state)
{
    (void)state;
    for (int side = 1; side <= 128; side = side * 2 + 1) {
        struct kernel_result result;
        run(&result, (uint64_t)side, 200, false);
        uint64_t pixels = (uint64_t)side * (uint64_t)side;
        uint64_t inside = result.numbers[INSIDE].value.integer, naive = naive_inside(side, 200);
        assert_in_range(inside, naive, naive + pixels / 500);
        assert_true(result.numbers[TOTAL_ITERATIONS].value.integer >= inside * 200);
        assert_true(result.numbers[TOTAL_ITERATIONS].value.integer <= pixels * 200);
    }
}

static void test_image_is_symmetric(void **state)
{
    (void)state;
    for (size_t side = 63; side <= 64; side++) {
        unsigned char *pixels = paint((uint32_t)side, 100);
        for (size_t y = 0; y < side / 2; y++)
            assert_memory_equal(pixels + 3 * side * y, pixels + 3 * side * (side - 1 - y),
                                3 * side);
        free(pixels);
    }
}

static void test_inside_is_black_and_outside_is_not(void **state)
{
    static const unsigned char black[3] = {0, 0, 0};
    const size_t side = 100;
    unsigned char *pixels = paint((uint32_t)side, 500);
    (void)state;
    assert_memory_equal(pixels + 3 * (50 * side + 80), black, 3); /* c = 0 */
    assert_memory_equal(pixels + 3 * (50 * side + 40), black, 3); /* c = -1 */
    assert_memory_not_equal(pixels, black, 3);
    assert_memory_not_equal(pixels + 3 * (50 * side + 99), black, 3); /* c = 0.5 */
    free(pixels);
}

/* The image shows what the numbers count: black where and only where the set is. */
static void test_image_agrees_with_the_count(void **state)
{
    const uint32_t side = 200;
    struct kernel_result result;
    uint64_t black = 0;
    (void)state;
    run(&result, side, 50, false);
    unsigned char *pixels = paint(side, 50);
    for (size_t i = 0; i < side * side; i++)
        black += pixels[3 * i] == 0 && pixels[3 * i + 1] == 0 && pixels[3 * i + 2] == 0;
    free(pixels);
    assert_int_equal(black, result.numbers[INSIDE].value.integer);
}

/* Far from the set neighbours have nearly the same colour: no bands where the counts change. */
static void test_colours_are_smooth(void **state)
{
    const size_t side = 512;
    unsigned char *pixels = paint((uint32_t)side, 100);
    (void)state;
    for (size_t i = 3; i < 3 * side; i++)
        assert_in_range(abs(pixels[i] - pixels[i - 3]), 0, 8);
    free(pixels);
}

static void test_smallest_image(void **state)
{
    (void)state;
    free(paint(1, 1));
    free(paint(17, 9));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_area),
        cmocka_unit_test(test_against_the_textbook),
        cmocka_unit_test(test_image_is_symmetric),
        cmocka_unit_test(test_inside_is_black_and_outside_is_not),
        cmocka_unit_test(test_image_agrees_with_the_count),
        cmocka_unit_test(test_colours_are_smooth),
        cmocka_unit_test(test_smallest_image),
    };
    return cmocka_run_group_tests_name("kernel_mandelbrot", tests, NULL, NULL);
}
