/* batch.h – a survey as JSON: what the page gets ten times a second. docs/observer.md describes it.
 */
#ifndef OFFLOOP_OBSERVE_BATCH_H
#define OFFLOOP_OBSERVE_BATCH_H

#include "server/observe/survey.h"
#include "server/observe/verdict.h"

/* Returns the text, to be freed with cJSON_free; NULL when memory is short. */
char *batch_json(struct survey *survey, const struct verdict *verdict);

#endif
