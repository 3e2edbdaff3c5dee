/* queue.h – a queue of jobs, linked through their next and previous. For offload/ only; for one
 * thread. */
#ifndef OFFLOOP_OFFLOAD_QUEUE_H
#define OFFLOOP_OFFLOAD_QUEUE_H

#include "server/offload/offload.h"

struct job_queue {
    struct job *first, *last;
};

void job_queue_push(struct job_queue *queue, struct job *job);
struct job *job_queue_pop(struct job_queue *queue);              /* NULL when empty */
void job_queue_remove(struct job_queue *queue, struct job *job); /* which is in it */

#endif
