#include "wake.h"

#include "executor.h"
#include "task.h"
#include "trace.h"

/* --- the state word --- */

/* Sets QUEUED and more, queues the task if that is now up to the caller, and returns the state before. Afterwards only
 * a share of the caller's own keeps the task there.
 *
 * The read-modify-write is done even when QUEUED is set already. acq_rel: the release half publishes what the waker did
 * before to the poll that this wake leads to (partner: task_take); the acquire half makes a caller that queues the task
 * see what the executor wrote up to the end of the last poll (partner: task_end_poll). */
static unsigned task_mark(struct task *task, unsigned bits)
{
    unsigned before = atomic_fetch_or_explicit(&task->state, bits, memory_order_acq_rel);
    if (!(before & (TASK_QUEUED | TASK_RUNNING | TASK_DONE)))
        executor_queue(task->executor, task);
    return before;
}

/* QUEUED -> RUNNING, or DONE if the task was aborted; returns the new state. One step, so that an abort cannot fall in
 * between the look and the change. acquire: what all wakers published since the last time (partner: task_mark). */
unsigned task_take(struct task *task, unsigned *before)
{
    unsigned after;

    *before = atomic_load_explicit(&task->state, memory_order_relaxed); /* only a guess, the exchange checks it */
    do
        after = *before & TASK_ABORTED ? TASK_DONE | TASK_ABORTED : TASK_RUNNING;
    while (!atomic_compare_exchange_weak_explicit(&task->state, before, after, memory_order_acquire,
                                                  memory_order_relaxed));
    return after;
}

/* Clears RUNNING, and sets DONE if the future was ready; returns the new state. release: whoever queues the task next
 * sees what the executor and the poll wrote (partner: task_mark). What a wake during the poll published is acquired
 * when the task is taken again: a read-modify-write passes on the releases that came before it. */
unsigned task_end_poll(struct task *task, enum poll result, unsigned *before)
{
    unsigned flip = result == POLL_READY ? TASK_RUNNING | TASK_DONE : TASK_RUNNING;

    *before = atomic_fetch_xor_explicit(&task->state, flip, memory_order_release);
    return *before ^ flip;
}

/* --- wakers --- */

static void task_wake_by_ref(void *data, const struct site *at)
{
    struct task *task = data;

    TRACE_AT(WAKE_BEGIN, task->id, 0, 0, at);
    unsigned before = task_mark(task, TASK_QUEUED);
    TRACE_AT(WAKE_END, task->id, TRACE_STATES(before, before | TASK_QUEUED), 0, at);
}

static void task_wake(void *data, const struct site *at)
{
    struct task *task = data;

    TRACE_AT(WAKE_BEGIN, task->id, 0, 1, at);
    unsigned before = task_mark(task, TASK_QUEUED);
    TRACE_AT(WAKE_END, task->id, TRACE_STATES(before, before | TASK_QUEUED), 1, at);
    task_unref(task);
}

static void task_waker_drop(void *data, const struct site *at)
{
    struct task *task = data;

    TRACE_AT(WAKER_DROP, task->id, 0, 0, at);
    task_unref(task);
}

static struct waker task_waker_clone(void *data, const struct site *at);

static const struct waker_vtable task_waker = {task_waker_clone, task_wake, task_wake_by_ref, task_waker_drop};

static struct waker task_waker_clone(void *data, const struct site *at)
{
    struct task *task = data;

    TRACE_AT(WAKER_CLONE, task->id, 0, 0, at);
    task_ref(task);
    return (struct waker){&task_waker, task};
}

struct waker task_lend_waker(struct task *task)
{
    return (struct waker){&task_waker, task};
}

void task_abort(struct task *task, const struct site *at)
{
    unsigned bits = TASK_QUEUED | TASK_ABORTED;
    unsigned before = task_mark(task, bits);
    TRACE_AT(TASK_ABORT, task->id, TRACE_STATES(before, before | bits), 0, at);
}
