/* progress.c – see progress.h. */
#include "kernel/cli/progress.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

double progress_clock_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

enum { BAR_CELLS = 30 };

static const double REDRAW_MS = 100;

struct progress progress_begin(void)
{
    const char *no_colour = getenv("NO_COLOR"), *terminal = getenv("TERM");
    bool plain = terminal == NULL || strcmp(terminal, "dumb") == 0;
    double started_ms = progress_clock_ms();
    return (struct progress){.shown = isatty(STDERR_FILENO) && !plain,
                             .coloured = no_colour == NULL || *no_colour == '\0',
                             .started_ms = started_ms,
                             .next_ms = started_ms + REDRAW_MS};
}

void progress_draw(struct progress *progress, const struct kernel_run *run)
{
    double now = progress_clock_ms();
    if (!progress->shown || now < progress->next_ms || run->done_units == 0)
        return;
    double share = (double)run->done_units / (double)run->total_units;
    double elapsed = (now - progress->started_ms) / 1e3;
    int cells = (int)(share * (double)BAR_CELLS);
    fprintf(stderr, "\r%s [%s%.*s%s%*s] %3.0f %%  %.1f s elapsed, %.1f s to go \033[K",
            run->kernel->name, progress->coloured ? "\033[38;5;166m" : "", cells,
            "##############################", progress->coloured ? "\033[0m" : "",
            BAR_CELLS - cells, "", share * 100, elapsed, elapsed / share - elapsed);
    progress->drawn = true;
    progress->next_ms = now + REDRAW_MS;
}

void progress_end(const struct progress *progress)
{
    if (progress->drawn)
        fprintf(stderr, "\r\033[K");
}
