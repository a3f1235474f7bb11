/* A worker's ring, with room for two tasks: its owner pushes and pops, two thieves steal. Every task is taken once.
 *
 * Who takes a task writes to it: were it taken twice, or read before it was published, that would be a data race.
 */
#include "explore.h"

#include "ring.h"
#include "task.h"

#include <pthread.h>

enum { TASKS = 3, THIEVES = 2 };

static struct ring ring;
static struct task tasks[TASKS];

static void take(struct task *task)
{
    EXPECT(task->id == 7);
    task->id = 8;
}

static void take_all(struct ring *from)
{
    struct task *task;

    while (ring_pop(from, &task, 1))
        take(task);
}

static void *steal(void *arg)
{
    struct ring own;

    ring_init(&own);
    ring_steal(&ring, &own);
    take_all(&own);
    return arg;
}

static void push(struct task *task)
{
    task->id = 7;
    if (!ring_push(&ring, task))
        take(task);
}

void model_run(void)
{
    pthread_t thieves[THIEVES];

    ring_init(&ring);
    for (int i = 0; i < THIEVES; i++)
        pthread_create(&thieves[i], NULL, steal, NULL);
    for (int i = 0; i < TASKS; i++)
        push(&tasks[i]);
    take_all(&ring);
    for (int i = 0; i < THIEVES; i++)
        pthread_join(thieves[i], NULL);
    for (int i = 0; i < TASKS; i++)
        EXPECT(tasks[i].id == 8);
}
