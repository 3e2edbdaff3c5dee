/* window.c – see window.h. */
#include "server/observe/window.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct window_readings {
    struct histogram_snapshot past[WINDOW_READINGS], recent;
    unsigned oldest;
};

void window_init(struct window *window, const struct histogram *source)
{
    *window = (struct window){.source = source};
}

void window_close(struct window *window)
{
    free(window->readings);
    window->readings = NULL;
}

/* A source that was empty until now is all recent: its past readings are zero. */
static bool has_readings(struct window *window)
{
    if (window->readings == NULL && !histogram_is_empty(window->source))
        window->readings = calloc(1, sizeof *window->readings);
    return window->readings != NULL;
}

void window_step(struct window *window)
{
    struct histogram_snapshot now;
    if (!has_readings(window))
        return;
    histogram_read(window->source, &now);
    struct window_readings *readings = window->readings;
    readings->past[readings->oldest] = now;
    readings->oldest = (readings->oldest + 1) % WINDOW_READINGS;
}

const struct histogram_snapshot *window_read(struct window *window)
{
    struct histogram_snapshot now;
    if (!has_readings(window))
        return NULL;
    histogram_read(window->source, &now);
    histogram_subtract(&now, &window->readings->past[window->readings->oldest]);
    window->readings->recent = now;
    return &window->readings->recent;
}
