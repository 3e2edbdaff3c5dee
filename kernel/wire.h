/* wire.h – a job and its result as bytes, between a server and a child process that runs kernels.
 *
 * A message is a head and a body; the head says what it is and how long the body
 * is, and is checked before a byte of the body is believed. Every length has a bound, every name is
 * of plain characters and is looked up or copied within its field: a child that went mad can say
 * nothing that harms its reader. Both ends are built from the same source for the same machine, so
 * numbers travel as they are.
 *
 *     server → child   WIRE_RUN      struct wire_job
 *                      WIRE_CANCEL   nothing: the job that runs is not wanted any more
 *     child → server   WIRE_RESULT   struct wire_result, and the image behind it
 *
 * Pure functions; any thread. */
#ifndef OFFLOOP_KERNEL_WIRE_H
#define OFFLOOP_KERNEL_WIRE_H

#include "kernel/kernel.h"

enum { WIRE_NAME_BYTES = 32, WIRE_IMAGE_BYTES_MAX = 64 << 20 };

enum wire_type { WIRE_RUN = 1, WIRE_CANCEL, WIRE_RESULT };

struct wire_head {
    uint32_t magic;
    uint32_t type; /* enum wire_type */
    uint64_t body_bytes;
};

struct wire_job {
    char kernel[WIRE_NAME_BYTES];
    uint64_t values[KERNEL_PARAMETERS_MAX];
    uint64_t image;
};

struct wire_number {
    char name[WIRE_NAME_BYTES];
    uint64_t type;
    uint64_t bits; /* an integer, or a double's */
};

struct wire_result {
    int64_t error;                    /* a negative errno: then there are no numbers */
    uint64_t started_ns, finished_ns; /* by the monotonic clock, which all processes share */
    uint64_t number_count;
    struct wire_number numbers[KERNEL_NUMBERS_MAX];
    uint64_t image_bytes;
};

/* A head for a message of this type. */
struct wire_head wire_head(enum wire_type type, uint64_t body_bytes);

/* Is this a head that may stand here: of the type that is awaited, with a body that such a message
 * can have? Returns 0 or -EBADMSG. */
int wire_head_check(const struct wire_head *head, enum wire_type awaited);

/* A job, there and back. wire_job_read returns 0, or -EBADMSG for a kernel or arguments that do not
 * exist. */
struct wire_job wire_job_from(const struct kernel *kernel,
                              const struct kernel_arguments *arguments);
int wire_job_read(const struct wire_job *wire, const struct kernel **kernel,
                  struct kernel_arguments *arguments);

/* A result, there and back, without the image's bytes; its error and its stamps are the caller's to
 * write and to judge. wire_result_read copies the names into memory of the result's own, and takes
 * the image (malloc'ed, of the kernel's image_type; or NULL) over if it returns 0; else -EBADMSG or
 * -ENOMEM. */
struct wire_result wire_result_from(const struct kernel_result *result);
int wire_result_read(const struct wire_result *wire, const char *image_type, unsigned char *image,
                     struct kernel_result *result);

#endif
