/* How an executor that sleeps in the kernel misses no wake.
 *
 * The protocol: whoever wakes a task from another thread takes the lock, puts the task in the remote queue, and if
 * `asleep` is set clears it and nudges the reactor: one write to its eventfd. The executor takes the lock, looks into
 * the remote queue, and only if it is empty sets `asleep`; then it gives up the lock and waits in the reactor. After
 * that it takes the lock again and clears `asleep`, as an event or a timer may have ended the wait and not a nudge.
 *
 * The race between giving up the lock and falling asleep is closed by the eventfd: a nudge that comes before the wait
 * has begun is kept by the kernel, and ends that wait at once. (A condition variable could not do that, but it could
 * not wait for descriptors either.)
 *
 * Designs that were rejected:
 *   Look, give up the lock, and then set `asleep`. A wake that comes in between finds it clear and nudges nobody, and
 *   the executor sleeps with a task in its queue. So the look and the mark are one critical section.
 *   Nudge with every wake. A system call for each, although one ends the wait for all of them.
 *   Clear `asleep` only when the executor is awake again. Until it is, every wake would still nudge. */
#include "executor.h"

#include "trace.h"

#include <errno.h>
#include <string.h>

/* So often, in tasks run, the executor looks at the remote queue and into the reactor even though the local queue is
 * not empty: a task that always wakes itself must not shut the other threads and the kernel out. A prime, so that no
 * rhythm of tasks is in step with it. */
enum { EXECUTOR_LOOK_EVERY = 61 };

static _Thread_local struct executor *current;

struct executor *executor_current(void)
{
    return current;
}

struct reactor *reactor_current(const struct site *at)
{
    if (!current)
        misuse(at, "polled outside of an executor: no reactor runs on this thread");
    return &current->reactor;
}

int executor_init(struct executor *ex)
{
    TRACE(RUNTIME, 0, 4, TRACE_HAS_WAKES | TRACE_HAS_REACTOR); /* first, as the system calls below are its own */
    *ex = (struct executor){.thread = pthread_self()};
    queue_init(&ex->local);
    queue_init(&ex->remote);
    int error = pthread_mutex_init(&ex->lock, NULL);
    if (error)
        return -error;
    error = reactor_init(&ex->reactor);
    if (error)
        pthread_mutex_destroy(&ex->lock);
    return error;
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
        ex->asleep = false;
        reactor_nudge(&ex->reactor);
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

/* Says whether there is nothing to do but to wait. */
static bool executor_prepare_sleep(struct executor *ex)
{
    pthread_mutex_lock(&ex->lock);
    executor_take_remote(ex);
    ex->asleep = ex->local.length == 0;
    bool asleep = ex->asleep;
    pthread_mutex_unlock(&ex->lock);
    return asleep;
}

static void executor_end_sleep(struct executor *ex)
{
    pthread_mutex_lock(&ex->lock);
    ex->asleep = false;
    executor_take_remote(ex);
    pthread_mutex_unlock(&ex->lock);
}

/* Takes in what other threads and the kernel have for us; sleeps until there is something, if nothing is queued. */
static void executor_look_outside(struct executor *ex)
{
    bool asleep = executor_prepare_sleep(ex);
    if (asleep || !reactor_is_unused(&ex->reactor))
        reactor_turn(&ex->reactor, asleep ? -1 : 0);
    if (asleep)
        executor_end_sleep(ex);
}

/* --- running --- */

/* Takes the next task, sleeping until there is one. */
static struct task *executor_next(struct executor *ex)
{
    struct task *task;

    if (++ex->ticks % EXECUTOR_LOOK_EVERY == 0)
        executor_look_outside(ex);
    while (!(task = queue_pop(&ex->local)))
        executor_look_outside(ex);
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
    reactor_destroy(&ex->reactor);
    pthread_mutex_destroy(&ex->lock);
    TRACE(RUNTIME_END, 0, 0, 0);
}
