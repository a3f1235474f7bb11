/* A queue of tasks, first in, first out. The link is in the task, so nothing is allocated and pushing cannot fail; a
 * task can be in one queue at a time. */
#ifndef QUEUE_H
#define QUEUE_H

#include <stdint.h>

struct task;

struct queue {
    struct task *head;
    struct task *tail;
    uint32_t length;
    uint32_t id; /* its number in recordings, from 1 */
};

uint32_t queue_new_id(void); /* for whatever holds tasks: a number in recordings */
void queue_init(struct queue *q);
void queue_push(struct queue *q, struct task *task);
struct task *queue_pop(struct queue *q); /* NULL: empty */

#endif
