/* The executor: polls tasks, one after the other, in the order of its run queue.
 *
 * It knows nothing about what tasks wait for. A task that is pending goes to the back of the queue and is asked again
 * on the next round, whether or not anything has changed: every wait is a busy wait. Stage 03 mends that. */
#ifndef EXECUTOR_H
#define EXECUTOR_H

#include "queue.h"
#include "task.h"

struct executor {
    struct queue ready;
    uint32_t alive; /* tasks that are not done; all of them are in the queue, but for the one that is polled */
};

/* 0. An executor belongs to the thread that runs it. */
int executor_init(struct executor *ex);

/* Drops the tasks that are left. Aborts with the caller's line when called by one of its own tasks. */
#define executor_destroy(ex) executor_destroy_at(ex, SITE(#ex))
void executor_destroy_at(struct executor *ex, const struct site *at);

/* Polls until no task is left. Aborts with the caller's line inside a task. */
#define executor_run(ex) executor_run_at(ex, SITE(#ex))
void executor_run_at(struct executor *ex, const struct site *at);

/* Runs *f as a task until it is ready, then moves it back: its output is read in *f, which the caller drops. Other
 * tasks run meanwhile; those that are left stay queued. 0, or -ENOMEM: then f is untouched.
 * Aborts with the caller's line inside a task: it would block the very thread that has to run what it waits for. */
#define executor_block_on(ex, f) executor_block_on_at(ex, &(f)->base, sizeof *(f), SITE(#f))
int executor_block_on_at(struct executor *ex, struct future *f, size_t size, const struct site *at);

/* The executor that runs on this thread, NULL outside of one: for tasks that spawn tasks. */
struct executor *executor_current(void);

/* Takes over a new task, for task_spawn. */
void executor_adopt(struct executor *ex, struct task *task);

#endif
