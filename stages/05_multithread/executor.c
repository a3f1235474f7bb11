/* How an executor that sleeps in the kernel misses no wake.
 *
 * The protocol: whoever wakes a task from another thread takes the lock, puts the task in the remote queue, and if
 * `asleep` is set clears it and nudges the reactor: one write to its eventfd. The executor takes the lock, looks into
 * the remote queue, and only if it is empty sets `asleep`; then it gives up the lock and waits in the reactor. After
 * that it takes the lock again and clears `asleep`, as an event or a timer may have ended the wait and not a nudge.
 *
 * Tasks that no executor has yet lie in the injection queue, under a lock of its own; there `idle` is what `asleep` is
 * here. The executor looks into both queues and makes both marks while it holds both locks (the injection queue's
 * first). So when a task is spawned, each worker either sleeps, with its mark made, or will look before it sleeps. The
 * one that is called looks into the injection queue before it runs anything, and takes one task; whoever leaves tasks
 * there leaves workers awake that will look, or none at all asleep.
 *
 * The race between giving up the lock and falling asleep is closed by the eventfd: a nudge that comes before the wait
 * has begun is kept by the kernel, and ends that wait at once. (A condition variable could not do that, but it could
 * not wait for descriptors either.)
 *
 * Designs that were rejected:
 *   Look, give up the lock, and then set `asleep`. A wake that comes in between finds it clear and nudges nobody, and
 *   the executor sleeps with a task in its queue. So the look and the mark are one critical section.
 *   Nudge with every wake. A system call for each, although one ends the wait for all of them.
 *   Look into the injection queue, and then, under the other lock, into `remote`. A task that is spawned in between
 *   finds no mark and calls nobody.
 *   Call all sleeping workers for each spawn. All but one find nothing, at the price of a system call each.
 *   Clear `asleep` only when the executor is awake again. Until it is, every wake would still nudge. */
#include "executor.h"

#include "runtime.h"
#include "trace.h"

/* So often, in tasks run, the executor looks at the other queues and into the reactor even though the local queue is not
 * empty: a task that always wakes itself must not shut the other threads and the kernel out. A prime, so that no
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
        misuse(at, "outside of a task: no reactor runs on this thread");
    return &current->reactor;
}

int executor_init(struct executor *ex, struct runtime *rt, unsigned number)
{
    *ex = (struct executor){.runtime = rt, .number = number, .lock = PTHREAD_MUTEX_INITIALIZER};
    queue_init(&ex->local);
    queue_init(&ex->remote);
    return reactor_init(&ex->reactor);
}

void executor_destroy(struct executor *ex)
{
    reactor_destroy(&ex->reactor);
    pthread_mutex_destroy(&ex->lock);
}

/* --- tasks come and go --- */

void executor_adopt(struct executor *ex, struct task *task)
{
    task->executor = ex;
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
    join_finish(task);
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

/* Moves what other threads have woken to the local queue. With its lock held. */
static void executor_take_remote(struct executor *ex)
{
    while (ex->remote.length > 0)
        queue_push(&ex->local, queue_pop(&ex->remote));
}

/* Takes over one task that has no executor yet. With the injection queue's lock held. */
static void executor_take_injected(struct executor *ex)
{
    struct queue *tasks = &ex->runtime->injection.tasks;

    if (tasks->length > 0)
        executor_adopt(ex, queue_pop(tasks));
}

static void executor_lock_both(struct executor *ex)
{
    pthread_mutex_lock(&ex->runtime->injection.lock);
    pthread_mutex_lock(&ex->lock);
}

static void executor_unlock_both(struct executor *ex)
{
    pthread_mutex_unlock(&ex->lock);
    pthread_mutex_unlock(&ex->runtime->injection.lock);
}

/* The runtime is being destroyed: no task of this executor is polled any more. */
static void executor_close(struct executor *ex)
{
    ex->closing = true;
    for (struct task *task = ex->all; task; task = task->alive_next)
        task_abort(task, SITE(""));
}

/* Says whether there is nothing to do but to wait. */
static bool executor_prepare_sleep(struct executor *ex)
{
    executor_lock_both(ex);
    executor_take_remote(ex);
    executor_take_injected(ex);
    if (ex->runtime->injection.closed && !ex->closing)
        executor_close(ex);
    ex->over = ex->closing && ex->alive == 0; /* then the injection queue is empty, too, and stays so */
    ex->asleep = ex->local.length == 0 && !ex->over;
    bool asleep = ex->asleep;
    if (asleep)
        ex->runtime->injection.idle |= UINT64_C(1) << ex->number;
    executor_unlock_both(ex);
    return asleep;
}

static void executor_end_sleep(struct executor *ex)
{
    executor_lock_both(ex);
    ex->runtime->injection.idle &= ~(UINT64_C(1) << ex->number);
    ex->asleep = false;
    executor_take_remote(ex);
    executor_take_injected(ex);
    executor_unlock_both(ex);
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

/* Takes the next task, sleeping until there is one. NULL: there will be none. */
static struct task *executor_next(struct executor *ex)
{
    struct task *task;

    if (++ex->ticks % EXECUTOR_LOOK_EVERY == 0)
        executor_look_outside(ex);
    while (!(task = queue_pop(&ex->local)) && !ex->over)
        executor_look_outside(ex);
    return task;
}

static void executor_step(struct executor *ex, struct task *task)
{
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

void executor_run(struct executor *ex)
{
    struct task *task;

    current = ex;
    while ((task = executor_next(ex)))
        executor_step(ex, task);
    current = NULL;
}
