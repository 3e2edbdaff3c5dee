/* png_image.c – libpng behind four functions.
 *
 * libpng reports errors by longjmp. Here every call into it is made by `guarded`, which holds the
 * only setjmp and no local variable that a jump could spoil; the jump leaves nothing but a sticky
 * error. The bytes grow in memory that doubles: an image of 4096 × 4096 takes a few megabytes.
 *
 * A palette instead of true colour: a third of the bytes to compress, and a Mandelbrot image has
 * one dimension of colour anyway.
 *
 * Rejected: libpng's simplified API (it wants the whole image at once, so the work could not be cut
 * into steps); open_memstream (its stdio buffer hides the error until the end).
 *
 * Source: libpng-manual.txt, sections IV "Writing" and V "Modifying/Customizing libpng". */
#include "kernel/png_image.h"

#include <errno.h>
#include <png.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

struct png_image {
    png_structp png;
    png_infop info;
    unsigned char *bytes;
    size_t size, capacity;
    uint32_t width, height;
    const struct png_image_colour *palette; /* valid during png_image_open only */
    int error;                              /* sticky */
};

/* ---------------------------------------------------------------- libpng's callbacks */

static void on_error(png_structp png, png_const_charp message)
{
    (void)message;
    png_longjmp(png, 1);
}

static void on_warning(png_structp png, png_const_charp message)
{
    (void)png;
    (void)message;
}

static void on_write(png_structp png, png_bytep data, size_t length)
{
    struct png_image *image = png_get_io_ptr(png);
    if (length > image->capacity - image->size) {
        size_t capacity = 2 * image->capacity + length + 4096;
        unsigned char *bytes = realloc(image->bytes, capacity);
        if (bytes == NULL)
            png_error(png, "out of memory");
        image->bytes = bytes;
        image->capacity = capacity;
    }
    memcpy(image->bytes + image->size, data, length);
    image->size += length;
}

static void on_flush(png_structp png)
{
    (void)png;
}

/* ---------------------------------------------------------------- what runs under the guard */

static void write_head(struct png_image *image, const unsigned char *unused)
{
    png_color palette[PNG_IMAGE_COLOURS];
    (void)unused;
    for (size_t i = 0; i < PNG_IMAGE_COLOURS; i++)
        palette[i] = (png_color){.red = image->palette[i].red,
                                 .green = image->palette[i].green,
                                 .blue = image->palette[i].blue};
    png_set_write_fn(image->png, image, on_write, on_flush);
    png_set_IHDR(image->png, image->info, image->width, image->height, 8, PNG_COLOR_TYPE_PALETTE,
                 PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_set_PLTE(image->png, image->info, palette, PNG_IMAGE_COLOURS);
    png_write_info(image->png, image->info);
}

static void write_row(struct png_image *image, const unsigned char *indices)
{
    png_write_row(image->png, indices);
}

static void write_end(struct png_image *image, const unsigned char *unused)
{
    (void)unused;
    png_write_end(image->png, NULL);
}

static int guarded(struct png_image *image,
                   void (*action)(struct png_image *image, const unsigned char *indices),
                   const unsigned char *indices)
{
    if (image->error != 0)
        return image->error;
    if (setjmp(png_jmpbuf(image->png)) == 0)
        action(image, indices);
    else
        image->error = -ENOMEM;
    return image->error;
}

/* ---------------------------------------------------------------- the interface */

static int create_structures(struct png_image *image)
{
    image->png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, on_error, on_warning);
    if (image->png != NULL)
        image->info = png_create_info_struct(image->png);
    return image->info != NULL ? 0 : -ENOMEM;
}

int png_image_open(struct png_image **image, uint32_t width, uint32_t height,
                   const struct png_image_colour palette[PNG_IMAGE_COLOURS])
{
    struct png_image *opened = calloc(1, sizeof *opened);
    if (opened == NULL)
        return -ENOMEM;
    opened->width = width;
    opened->height = height;
    opened->palette = palette;
    int status = create_structures(opened);
    if (status == 0)
        status = guarded(opened, write_head, NULL);
    opened->palette = NULL;
    if (status == 0)
        *image = opened;
    else
        png_image_close(opened);
    return status;
}

void png_image_row(struct png_image *image, const unsigned char *indices)
{
    guarded(image, write_row, indices);
}

int png_image_finish(struct png_image *image, unsigned char **bytes, size_t *size)
{
    int status = guarded(image, write_end, NULL);
    if (status != 0)
        return status;
    *bytes = image->bytes;
    *size = image->size;
    image->bytes = NULL;
    image->size = image->capacity = 0;
    return 0;
}

void png_image_close(struct png_image *image)
{
    if (image == NULL)
        return;
    png_destroy_write_struct(&image->png, &image->info);
    free(image->bytes);
    free(image);
}
