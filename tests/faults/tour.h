/* tour.h – a short scenario that comes by everything: what a fault test runs again and again.
 *
 * Two servers live on one loop (the second starts a thread for each job). A tour sends them, one
 * connection after the other, every kind of request, whole and in pieces; some clients leave while
 * their job runs. It judges like a client: a step went well if every answer has the status that it
 * should have, badly if the connection ended early or the answer says 500, 502 or 503, and anything
 * else fails the test. Two more clients take no part: one is idle, one waits for its answer; they
 * are there to see that what hits others does not hit them. */
#ifndef OFFLOOP_TESTS_FAULTS_TOUR_H
#define OFFLOOP_TESTS_FAULTS_TOUR_H

#include "tests/support/harness.h"

struct tour {
    struct harness harness;
    struct app *app, *per_request;
    char database[160], kernel_program[512];
    struct client *idle, *waiting;
    int error;          /* of the start */
    const char *failed; /* the last step that went badly, or NULL */
    unsigned failures;  /* steps that did */
};

/* The steps come in parts, because n faults in n steps take n² time. */
enum tour_part {
    TOUR_HTTP,
    TOUR_QUERIES,
    TOUR_LOOP,
    TOUR_THREADS,
    TOUR_PROCESSES,
    TOUR_PARTS, /* how many */
};

/* The loop, and no server yet. With database NULL a new one will be made. */
void tour_open(struct tour *tour, const char *database);

/* Starts the servers that a part needs (TOUR_PARTS: both); tour->error tells whether they did. */
void tour_start(struct tour *tour, enum tour_part part);

/* Goes through the steps of a part. */
void tour_run(struct tour *tour, enum tour_part part);

/* Leaves jobs behind that run and that wait, and requests that are half sent. */
void tour_leave_unfinished(struct tour *tour);

/* Are the two that took no part still served? Ends their wait. No fault may be armed. */
void tour_check_bystanders(struct tour *tour);

/* Every job that went out has come home. No fault may be armed. */
void tour_check_jobs(struct tour *tour);

/* Drains and closes everything. */
void tour_close(struct tour *tour);

#endif
