/* patient.h – a server that runs on a thread of its own, shown by its observer, while the test asks
 * both of them from outside with blocking clients (visitor.h). */
#ifndef OFFLOOP_TESTS_PATIENT_H
#define OFFLOOP_TESTS_PATIENT_H

#include "tests/support/harness.h"
#include "tests/support/visitor.h"

struct patient {
    struct harness harness;
    unsigned port, observer_port;
    uv_async_t ending;
    uv_thread_t thread;
    struct visitor visitor, observer; /* a connection to each */
};

/* Starts one with command line options, ended by NULL. The observer takes any free port. */
#define patient_start(patient, ...)     \
    (harness_open(&(patient)->harness), \
     harness_start(&(patient)->harness, "--observer=0", __VA_ARGS__), patient_run(patient))

/* What patient_start ends with. */
void patient_run(struct patient *patient);

/* Drains it; nothing may remain. */
void patient_end(struct patient *patient);

/* What the patient, and what its observer, answers. Valid until the next question. */
const struct answer *patient_ask(struct patient *patient, const char *target);
const struct answer *patient_observe(struct patient *patient, const char *target);

#endif
