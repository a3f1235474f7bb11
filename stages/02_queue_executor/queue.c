#include "queue.h"

#include "task.h"
#include "trace.h"

#include <stddef.h>

void queue_init(struct queue *q, uint32_t id)
{
    *q = (struct queue){.id = id};
}

void queue_push(struct queue *q, struct task *task)
{
    TRACE(QUEUE_PUSH, task->id, q->id, q->length + 1);
    task->next = NULL;
    if (q->tail)
        q->tail->next = task;
    else
        q->head = task;
    q->tail = task;
    q->length++;
}

struct task *queue_pop(struct queue *q)
{
    struct task *task = q->head;
    if (task) {
        q->head = task->next;
        if (!q->head)
            q->tail = NULL;
        q->length--;
    }
    TRACE(QUEUE_POP, task ? task->id : 0, q->id, q->length);
    return task;
}
