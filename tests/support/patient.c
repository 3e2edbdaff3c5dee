/* patient.c – see patient.h. */
#include "tests/support/patient.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static void on_ending(uv_async_t *ending)
{
    const struct patient *patient = ending->data;
    uv_close((uv_handle_t *)ending, NULL);
    app_drain(patient->harness.apps[0]);
}

static void run_loop(void *data)
{
    struct patient *patient = data;
    uv_run(&patient->harness.loop, UV_RUN_DEFAULT);
}

void patient_run(struct patient *patient)
{
    struct app *app = patient->harness.apps[0];
    uv_loop_t *loop = &patient->harness.loop;
    assert_int_equal(app_show(app), 0);
    patient->port = app_port(app);
    patient->observer_port = app_observer_port(app);
    patient->ending.data = patient;
    assert_int_equal(uv_async_init(loop, &patient->ending, on_ending), 0);
    assert_int_equal(uv_thread_create(&patient->thread, run_loop, patient), 0);
    visitor_open(&patient->visitor, patient->port);
    visitor_open(&patient->observer, patient->observer_port);
}

void patient_end(struct patient *patient)
{
    visitor_close(&patient->visitor);
    visitor_close(&patient->observer);
    uv_async_send(&patient->ending);
    uv_thread_join(&patient->thread);
    harness_close(&patient->harness);
}

const struct answer *patient_ask(struct patient *patient, const char *target)
{
    return visitor_ask(&patient->visitor, target);
}

const struct answer *patient_observe(struct patient *patient, const char *target)
{
    return visitor_ask(&patient->observer, target);
}
