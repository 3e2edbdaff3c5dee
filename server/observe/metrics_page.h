/* metrics_page.h – all metrics for Prometheus: Node's names (prom-client's) where Node has the
 * same, offloop_ before the rest. */
#ifndef OFFLOOP_OBSERVE_METRICS_PAGE_H
#define OFFLOOP_OBSERVE_METRICS_PAGE_H

#include <stdio.h>

#include "server/observe/exposition.h"
#include "server/observe/survey.h"

/* Returns 0 or a negative errno. */
int metrics_page_write(FILE *out, enum exposition_format format, struct survey *survey);

#endif
