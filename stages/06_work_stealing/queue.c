#include "queue.h"

#include "ids.h"
#include "task.h"
#include "trace.h"

#include <stddef.h>

uint32_t queue_new_id(void)
{
    return id_new(ID_QUEUE);
}

void queue_init(struct queue *q)
{
    *q = (struct queue){.id = queue_new_id()};
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
