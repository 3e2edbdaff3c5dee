/* diagnosis.h – from surveys to a verdict: what the last five seconds were like. On the observer's
 * thread. */
#ifndef OFFLOOP_OBSERVE_DIAGNOSIS_H
#define OFFLOOP_OBSERVE_DIAGNOSIS_H

#include "server/observe/survey.h"
#include "server/observe/verdict.h"

enum { DIAGNOSIS_LOOKS = SURVEY_LOOKS_JUDGED, DIAGNOSIS_STALLS = 128, DIAGNOSIS_BY_BYTES = 112 };

/* Totals at the time of a look. */
struct diagnosis_past {
    uint64_t at_ns, requests;
    uint64_t refused[RECORDING_WORKS], lost[RECORDING_WORKS];
    uint64_t answers[RECORDING_ROUTES], errors[RECORDING_ROUTES]; /* of them, those of status 5xx */
};

struct diagnosis {
    struct diagnosis_past past[DIAGNOSIS_LOOKS];
    uint64_t looks;
    unsigned cores;                                /* now and then looked up: a quota may change */
    struct survey_record stalls[DIAGNOSIS_STALLS]; /* the last ones */
    uint64_t stall_count;
    char by[DIAGNOSIS_BY_BYTES]; /* the culprit of the verdict */
};

void diagnosis_init(struct diagnosis *diagnosis);

/* To be called after each look. */
void diagnosis_make(struct diagnosis *diagnosis, const struct survey *survey,
                    struct verdict *verdict);

#endif
