/* queue.c – see queue.h. */
#include "server/offload/queue.h"

void job_queue_push(struct job_queue *queue, struct job *job)
{
    job->next = NULL;
    job->previous = queue->last;
    if (queue->last != NULL)
        queue->last->next = job;
    else
        queue->first = job;
    queue->last = job;
}

void job_queue_remove(struct job_queue *queue, struct job *job)
{
    if (job->previous != NULL)
        job->previous->next = job->next;
    else
        queue->first = job->next;
    if (job->next != NULL)
        job->next->previous = job->previous;
    else
        queue->last = job->previous;
    job->next = job->previous = NULL;
}

struct job *job_queue_pop(struct job_queue *queue)
{
    struct job *job = queue->first;
    if (job != NULL)
        job_queue_remove(queue, job);
    return job;
}
