/* The executor: polls the tasks that were woken, one after the other, and sleeps while there are none.
 *
 * It has two queues. `local` belongs to its own thread and needs no lock: spawns, and wakes by its own tasks, go there.
 * `remote` is where every other thread puts the tasks that it wakes; it has a lock, and a condition to sleep on. */
#ifndef EXECUTOR_H
#define EXECUTOR_H

#include "queue.h"
#include "task.h"

#include <pthread.h>

struct executor {
    pthread_t thread; /* its own: the one that made it */

    /* its own thread */
    struct queue local;
    struct task *all; /* tasks that are not done, wherever they are: queued, or asleep with a waker somewhere */
    uint32_t alive;   /* how many */
    uint32_t ticks;   /* tasks run, to look at the remote queue now and then */
    bool closing;     /* it is being destroyed, or was: what drops spawn meanwhile is aborted at once */

    /* any thread, under lock */
    pthread_mutex_t lock;
    pthread_cond_t not_empty; /* of remote */
    struct queue remote;
    bool asleep; /* the executor waits on not_empty, or is about to */
};

/* 0 or -errno. An executor belongs to the thread that makes it: there it is run, given tasks and destroyed. */
int executor_init(struct executor *ex);

/* Aborts the tasks that are left, and any that their drops spawn, and waits until they have been dropped. Wakers that
 * are still about stay valid and do nothing. Aborts with the caller's line when called by one of its own tasks. */
#define executor_destroy(ex) executor_destroy_at(ex, SITE(#ex))
void executor_destroy_at(struct executor *ex, const struct site *at);

/* Runs until no task is left. Aborts with the caller's line inside a task. */
#define executor_run(ex) executor_run_at(ex, SITE(#ex))
void executor_run_at(struct executor *ex, const struct site *at);

/* Runs *f as a task until it is ready, then moves it back: its output is read in *f, which the caller drops. Other
 * tasks run meanwhile; those that are left stay as they are. 0, or -ENOMEM: then f is untouched.
 * Aborts with the caller's line inside a task: it would block the very thread that has to run what it waits for. */
#define executor_block_on(ex, f) executor_block_on_at(ex, &(f)->base, sizeof *(f), SITE(#f))
int executor_block_on_at(struct executor *ex, struct future *f, size_t size, const struct site *at);

/* The executor that runs on this thread, NULL outside of one: for tasks that spawn tasks. */
struct executor *executor_current(void);

/* Aborts with the caller's line on any thread but the executor's, and after its end. call: what was tried. */
void executor_check(const struct executor *ex, const char *call, const struct site *at);

/* Takes over a new task, for task_spawn. */
void executor_adopt(struct executor *ex, struct task *task);

/* Queues a task whose QUEUED the caller has just set. Any thread. */
void executor_queue(struct executor *ex, struct task *task);

#endif
