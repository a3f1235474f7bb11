/* The executor of one worker: polls the tasks that were woken, one after the other, and sleeps in its reactor while there
 * are none.
 *
 * It has two queues of its own. `local` belongs to its thread and needs no lock: spawns and wakes by its own tasks go
 * there. `remote` is where every other thread puts the tasks that it wakes; it has a lock. Tasks that have no executor
 * yet it takes from the runtime's injection queue. */
#ifndef EXECUTOR_H
#define EXECUTOR_H

#include "queue.h"
#include "reactor.h"
#include "task.h"

#include <pthread.h>

struct runtime;

struct executor {
    /* set once */
    struct runtime *runtime;
    unsigned number; /* from 0, its bit in the injection queue's `idle` */

    /* its own thread */
    struct queue local;
    struct task *all; /* tasks that are not done, wherever they are: queued, or asleep with a waker somewhere */
    uint32_t alive;   /* how many */
    uint32_t ticks;   /* tasks run, to look at the other queues and the reactor now and then */
    bool closing;     /* the runtime is being destroyed: tasks are aborted */
    bool over;        /* it is closing, and there is no task left and none will come */
    struct reactor reactor;

    /* any thread, under lock */
    pthread_mutex_t lock;
    struct queue remote;
    bool asleep; /* the executor waits in its reactor, or is about to, and nobody has nudged it yet */
};

/* 0 or -errno */
int executor_init(struct executor *ex, struct runtime *rt, unsigned number);

/* After its thread has ended, or before it has started. */
void executor_destroy(struct executor *ex);

/* What a worker thread does: runs tasks until the runtime is closed and the executor has none left. */
void executor_run(struct executor *ex);

/* The executor that runs on this thread, NULL outside of one. */
struct executor *executor_current(void);

/* Takes over a new task. Its own thread. */
void executor_adopt(struct executor *ex, struct task *task);

/* Queues a task of its own whose QUEUED the caller has just set. Any thread. */
void executor_queue(struct executor *ex, struct task *task);

#endif
