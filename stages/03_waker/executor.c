/* How an executor that sleeps misses no wake.
 *
 * The protocol: whoever wakes a task from another thread takes the lock, puts the task in the remote queue, and signals
 * if `asleep` is set. The executor takes the lock, looks into the remote queue, and only if it is empty sets `asleep`
 * and waits, which gives the lock up and falls asleep in one step.
 *
 * Designs that were rejected:
 *   Stop when the queue is empty. Then a task that waits for a helper thread is never polled again: nobody is there
 *   when its wake comes. (demos/lost_task.c shows it.)
 *   Let every thread have a queue of its own, and wake into "the current thread's". A wake from a helper thread then
 *   lands in a queue that nobody runs. (demos/lost_task.c again.) So a task knows its executor.
 *   Look without the lock, then sleep. A wake that comes after the look and before the sleep signals nobody, and the
 *   executor sleeps with a task in its queue. The race is closed because look and sleep are one critical section: the
 *   wake comes before the look, which sees the task, or after the sleep has begun, and then its signal is heard. */
#include "executor.h"

#include "trace.h"

#include <errno.h>
#include <string.h>

/* So often, in tasks run, the executor looks at the remote queue even though the local one is not empty: a task that
 * always wakes itself must not shut the other threads out. A prime, so that no rhythm of tasks is in step with it. */
enum { EXECUTOR_LOOK_EVERY = 61 };

static _Thread_local struct executor *current;

struct executor *executor_current(void)
{
    return current;
}

int executor_init(struct executor *ex)
{
    *ex = (struct executor){.thread = pthread_self()};
    queue_init(&ex->local);
    queue_init(&ex->remote);
    int error = pthread_mutex_init(&ex->lock, NULL);
    if (error)
        return -error;
    error = pthread_cond_init(&ex->not_empty, NULL);
    if (error) {
        pthread_mutex_destroy(&ex->lock);
        return -error;
    }
    TRACE(RUNTIME, 0, 3, TRACE_HAS_WAKES);
    return 0;
}

void executor_check(const struct executor *ex, const char *call, const struct site *at)
{
    if (!pthread_equal(ex->thread, pthread_self()))
        misuse(at, "%s on a thread that is not the executor's", call);
    if (ex->closing && current != ex)
        misuse(at, "%s after the executor was destroyed", call);
}

static void executor_enter(struct executor *ex, const char *call, const struct site *at)
{
    if (current)
        misuse(at, "%s inside a task: it would block the thread that runs the task", call);
    executor_check(ex, call, at);
    current = ex;
}

/* --- tasks come and go --- */

void executor_adopt(struct executor *ex, struct task *task)
{
    task->alive_prev = NULL;
    task->alive_next = ex->all;
    if (ex->all)
        ex->all->alive_prev = task;
    ex->all = task;
    ex->alive++;
    queue_push(&ex->local, task);
    if (ex->closing)
        task_abort(task, SITE(""));
}

/* The task is done: gives up the executor's share of it. */
static void executor_retire(struct executor *ex, struct task *task)
{
    if (task->alive_prev)
        task->alive_prev->alive_next = task->alive_next;
    else
        ex->all = task->alive_next;
    if (task->alive_next)
        task->alive_next->alive_prev = task->alive_prev;
    ex->alive--;
    if (!task->output_wanted)
        task_drop_output(task);
    task_unref(task);
}

/* --- the queues --- */

static void executor_queue_remote(struct executor *ex, struct task *task)
{
    pthread_mutex_lock(&ex->lock);
    queue_push(&ex->remote, task);
    if (ex->asleep) {
        TRACE(UNPARK, 0, 0, 0);
        pthread_cond_signal(&ex->not_empty);
    }
    /* The executor may run the task and be destroyed as soon as the lock is free: nothing of it is touched after. */
    pthread_mutex_unlock(&ex->lock);
}

void executor_queue(struct executor *ex, struct task *task)
{
    if (current == ex)
        queue_push(&ex->local, task);
    else
        executor_queue_remote(ex, task);
}

/* Moves what other threads have woken to the local queue; the caller holds the lock. */
static void executor_take_remote(struct executor *ex)
{
    while (ex->remote.length > 0)
        queue_push(&ex->local, queue_pop(&ex->remote));
}

static void executor_look_at_remote(struct executor *ex)
{
    pthread_mutex_lock(&ex->lock);
    executor_take_remote(ex);
    pthread_mutex_unlock(&ex->lock);
}

/* Sleeps until another thread has woken a task. */
static void executor_park(struct executor *ex)
{
    pthread_mutex_lock(&ex->lock);
    if (ex->remote.length == 0) {
        TRACE(PARK_BEGIN, 0, 0, 0);
        ex->asleep = true;
        while (ex->remote.length == 0)
            pthread_cond_wait(&ex->not_empty, &ex->lock);
        ex->asleep = false;
        TRACE(PARK_END, 0, 0, 0);
    }
    executor_take_remote(ex);
    pthread_mutex_unlock(&ex->lock);
}

/* --- running --- */

/* Takes the next task, sleeping until there is one. */
static struct task *executor_next(struct executor *ex)
{
    struct task *task;

    if (++ex->ticks % EXECUTOR_LOOK_EVERY == 0)
        executor_look_at_remote(ex);
    while (!(task = queue_pop(&ex->local)))
        executor_park(ex);
    return task;
}

static void executor_step(struct executor *ex)
{
    struct task *task = executor_next(ex);

    switch (task_run(task)) {
    case TASK_IS_OVER:
        executor_retire(ex, task);
        break;
    case TASK_IS_WOKEN:
        queue_push(&ex->local, task);
        break;
    case TASK_IS_IDLE: /* its waker is with somebody else now, who may queue it at any moment */
        break;
    }
}

void executor_run_at(struct executor *ex, const struct site *at)
{
    executor_enter(ex, "executor_run", at);
    TRACE_AT(RUN_BEGIN, 0, 0, 0, at);
    while (ex->alive > 0)
        executor_step(ex);
    TRACE_AT(RUN_END, 0, 0, 0, at);
    current = NULL;
}

/* block_on is an owner of the task, as a join handle would be, and takes its finished future out of it. */
static void executor_run_until_done(struct executor *ex, struct task *task, struct future *f)
{
    task_ref(task);
    task->output_wanted = true;
    executor_adopt(ex, task);
    while (!task_is_done(task))
        executor_step(ex);
    memcpy(f, task->future, task->future_size);
    task_unref(task);
}

int executor_block_on_at(struct executor *ex, struct future *f, size_t size, const struct site *at)
{
    executor_enter(ex, "executor_block_on", at);
    TRACE_AT(BLOCK_ON_BEGIN, 0, 0, f->id, at);
    struct task *task = task_new(ex, f, size, at);
    if (task)
        executor_run_until_done(ex, task, f);
    TRACE_AT(BLOCK_ON_END, 0, 0, f->id, at);
    current = NULL;
    return task ? 0 : -ENOMEM;
}

void executor_destroy_at(struct executor *ex, const struct site *at)
{
    executor_enter(ex, "executor_destroy", at);
    TRACE_AT(RUN_BEGIN, 0, 0, 1, at);
    ex->closing = true;
    for (struct task *task = ex->all; task; task = task->alive_next)
        task_abort(task, at);
    while (ex->alive > 0)
        executor_step(ex);
    TRACE_AT(RUN_END, 0, 0, 0, at);
    current = NULL;
    pthread_cond_destroy(&ex->not_empty);
    pthread_mutex_destroy(&ex->lock);
    TRACE(RUNTIME_END, 0, 0, 0);
}
