/* report.h – what the page shows, as text: for those without a browser, and for SIGUSR2. */
#ifndef OFFLOOP_OBSERVE_REPORT_H
#define OFFLOOP_OBSERVE_REPORT_H

#include <stdio.h>

#include "server/observe/survey.h"
#include "server/observe/verdict.h"

/* Of the last look. Returns 0 or a negative errno. */
int report_write(FILE *out, struct survey *survey, const struct verdict *verdict);

#endif
