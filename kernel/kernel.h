/* kernel.h – CPU-bound work that can be cut into steps.
 *
 * A kernel is resumable: `init` takes checked arguments, `step` does a bounded amount of work
 * counted in the kernel's own units (never in time), `finish` states the result. Whoever runs it
 * decides how long a step may be: one step for the whole work freezes a loop, a thousand of them
 * leave room for I/O, a progress bar or a cancellation in between. The result is the same bytes
 * whatever the slicing; tests/unit/kernel_contract_test.c holds every kernel of the table to that.
 *
 * Kernels do no I/O, read no clock, start no thread and know nobody outside this folder. There is
 * one honest exception: `sleep` blocks its thread, because blocking without computing is what it
 * shows.
 *
 * A run belongs to one thread at a time; it may move between threads between two steps. */
#ifndef OFFLOOP_KERNEL_H
#define OFFLOOP_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { KERNEL_PARAMETERS_MAX = 4, KERNEL_NUMBERS_MAX = 8 };

/* One integer argument. The first parameter of every kernel is its size; the cost grows with it. */
struct kernel_parameter {
    const char *name;
    const char *help;
    uint64_t min, max;
    uint64_t fallback; /* the value when none is given */
};

/* Values in the order of the kernel's parameters, and whether an image is wanted as well. */
struct kernel_arguments {
    uint64_t values[KERNEL_PARAMETERS_MAX];
    bool image;
};

/* What came out: named numbers, and an image where one was asked for. */
struct kernel_number {
    const char *name; /* static storage, or the result's `names` */
    enum { KERNEL_INTEGER, KERNEL_REAL } type;
    union {
        uint64_t integer;
        double real;
    } value;
};

struct kernel_result {
    struct kernel_number numbers[KERNEL_NUMBERS_MAX];
    size_t number_count;
    char *names;          /* malloc'ed, for a result that came from another process; else NULL */
    unsigned char *image; /* malloc'ed, NULL when none was asked for */
    size_t image_bytes;
    const char *image_type; /* a media type, "image/png"; static storage */
};

/* A row of the table. All members are mandatory, but for `image_type` (NULL: there is no image) and
 * `idles`. */
struct kernel {
    const char *name;
    const char *help; /* one line */
    const char *unit; /* what budgets and progress count, in the plural: "numbers", "pixels" */
    const char *image_type;
    struct kernel_parameter parameters[KERNEL_PARAMETERS_MAX]; /* ended by a NULL name, or full */
    bool idles;           /* takes time, and no CPU time: its speed is that of the clock */
    uint64_t step_units;  /* a budget that takes about a millisecond: how often to look up */
    uint64_t sample_size; /* a size whose run takes about 10 ms: what a calibration measures */
    /* The size whose work is nearest to this many units, each at what it costs in a run of
     * sample_size: where larger sizes cost more (or less) per unit, this allows for it. Within the
     * bounds, monotone. */
    uint64_t (*size_of)(uint64_t units);
    size_t state_bytes;
    /* Prepares zeroed state for checked arguments and sets *total_units (at least 1).
     * Returns 0 or a negative errno; after an error `close` is not called. */
    int (*init)(void *state, const struct kernel_arguments *arguments, uint64_t *total_units);
    /* Does at most `budget` units (budget ≥ 1), at least one if any is left; returns how many. */
    uint64_t (*step)(void *state, uint64_t budget);
    /* Called once, after the last unit. Returns 0 or a negative errno. */
    int (*finish)(void *state, struct kernel_result *result);
    /* Frees what `init` and `step` made. Called at any moment after a successful init. */
    void (*close)(void *state);
};

/* The kernel of this name, or NULL. */
const struct kernel *kernel_find(const char *name);

/* The rows of the table, in the order of the documentation; NULL behind the last one. The first is
 * the default. */
const struct kernel *kernel_at(size_t index);

/* Its row; the number of rows for a kernel that is not in the table. */
size_t kernel_index(const struct kernel *kernel);

/* "primes, square-roots, mandelbrot, sleep": for messages. Static storage. */
const char *kernel_names(void);

/* Sets every argument to its default. */
void kernel_arguments_init(struct kernel_arguments *arguments, const struct kernel *kernel);

/* Sets one argument from text: decimal digits only. Returns 0; -ENOENT when the kernel has no such
 * parameter; -EINVAL or -ERANGE with a sentence in `error` that names the parameter, its range and
 * the value given (which is shortened and stripped of control characters, and may be printed as it
 * stands). */
int kernel_argument_set(struct kernel_arguments *arguments, const struct kernel *kernel,
                        const char *name, const char *value, char *error, size_t error_bytes);

/* One run of one kernel. The caller owns the memory. */
struct kernel_run {
    const struct kernel *kernel;
    void *state;
    uint64_t done_units, total_units;
};

/* Returns 0 or a negative errno; after an error there is nothing to close. */
int kernel_run_init(struct kernel_run *run, const struct kernel *kernel,
                    const struct kernel_arguments *arguments);

/* Works on for at most `budget` units (at least 1). Returns true while work is left. */
bool kernel_run_step(struct kernel_run *run, uint64_t budget);

/* After kernel_run_step returned false. Returns 0, and the result is the caller's to close, or a
 * negative errno, and there is no result. */
int kernel_run_finish(struct kernel_run *run, struct kernel_result *result);

void kernel_run_close(struct kernel_run *run);
void kernel_result_close(struct kernel_result *result);

#endif
