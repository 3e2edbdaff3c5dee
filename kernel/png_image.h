/* png_image.h – a PNG in memory, written row by row, with a palette of up to 256 colours.
 *
 * The only user of libpng in this folder. Any thread, one at a time. */
#ifndef OFFLOOP_PNG_IMAGE_H
#define OFFLOOP_PNG_IMAGE_H

#include <stddef.h>
#include <stdint.h>

enum { PNG_IMAGE_COLOURS = 256 };

struct png_image_colour {
    unsigned char red, green, blue;
};

struct png_image; /* opaque */

/* Begins an image. Returns 0, and the image is the caller's to close, or -ENOMEM. */
int png_image_open(struct png_image **image, uint32_t width, uint32_t height,
                   const struct png_image_colour palette[PNG_IMAGE_COLOURS]);

/* Appends one row: a palette index for each pixel. An error stays and shows in png_image_finish. */
void png_image_row(struct png_image *image, const unsigned char *indices);

/* After the last row. Returns 0, and the bytes are the caller's to free, or -ENOMEM. */
int png_image_finish(struct png_image *image, unsigned char **bytes, size_t *size);

/* At any moment after a successful open. NULL is allowed. */
void png_image_close(struct png_image *image);

#endif
