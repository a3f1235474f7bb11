#include "task.h"

#include "executor.h"
#include "join_handle.h"
#include "trace.h"
#include "wait.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct task *task_new(struct executor *ex, struct future *f, size_t size, const struct site *at)
{
    static atomic_uint last_id;

    if (!ex)
        misuse(at, "future %u (%s) is spawned without an executor; outside of a task there is no current one", f->id,
               f->type->name);
    if (f->phase != FUTURE_FRESH)
        misuse(at, "future %u (%s) is spawned, but it was polled, moved or dropped before", f->id, f->type->name);
    struct task *task = malloc(sizeof *task + size);
    if (!task)
        return NULL;
    /* relaxed, no partner: the numbers need only differ */
    uint32_t id = atomic_fetch_add_explicit(&last_id, 1, memory_order_relaxed) + 1;
    *task = (struct task){.executor = ex, .id = id, .future_size = size};
    atomic_init(&task->state, TASK_QUEUED);
    atomic_init(&task->refs, 1);
    memcpy(task->future, f, size);
    f->phase = FUTURE_MOVED;
    TRACE_AT(TASK_SPAWN, task->id, trace_site_number(f->type->at), f->id, at);
    return task;
}

int task_spawn_at(struct executor *ex, struct future *f, size_t size, struct join_handle *handle, const struct site *at)
{
    struct task *task = task_new(ex, f, size, at);
    if (!task)
        return -ENOMEM;
    if (handle)
        join_handle_init(handle, task, at);
    executor_adopt(ex, task);
    return 0;
}

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
static unsigned task_take(struct task *task, unsigned *before)
{
    unsigned after;

    *before = atomic_load_explicit(&task->state, memory_order_relaxed); /* only a guess, the exchange checks it */
    do
        after = *before & TASK_ABORTED ? TASK_DONE | TASK_ABORTED : TASK_RUNNING;
    while (!atomic_compare_exchange_weak_explicit(&task->state, before, after, memory_order_acquire,
                                                  memory_order_relaxed));
    return after;
}

/* Clears RUNNING, and sets DONE if the future was ready; returns the state before. release: whoever queues the task next
 * sees what the executor and the poll wrote (partner: task_mark). What a wake during the poll published is acquired when
 * the task is taken again: a read-modify-write passes on the releases that came before it. */
static unsigned task_end_poll(struct task *task, enum poll result)
{
    unsigned flip = result == POLL_READY ? TASK_RUNNING | TASK_DONE : TASK_RUNNING;
    return atomic_fetch_xor_explicit(&task->state, flip, memory_order_release);
}

/* --- wakers --- */

static void task_wake_by_ref(void *data, const struct site *at)
{
    struct task *task = data;

    TRACE_AT(WAKE_BEGIN, task->id, 0, 0, at);
    unsigned before = task_mark(task, TASK_QUEUED);
    TRACE_AT(WAKE_END, task->id, TRACE_STATES(before, before | TASK_QUEUED), 0, at);
    (void)before;
}

static void task_wake(void *data, const struct site *at)
{
    struct task *task = data;

    TRACE_AT(WAKE_BEGIN, task->id, 0, 1, at);
    unsigned before = task_mark(task, TASK_QUEUED);
    TRACE_AT(WAKE_END, task->id, TRACE_STATES(before, before | TASK_QUEUED), 1, at);
    (void)before;
    task_unref(task);
}

static void task_waker_drop(void *data, const struct site *at)
{
    struct task *task = data;

    TRACE_AT(WAKER_DROP, task->id, 0, 0, at);
    (void)at;
    task_unref(task);
}

static struct waker task_waker_clone(void *data, const struct site *at);

static const struct waker_vtable task_waker = {task_waker_clone, task_wake, task_wake_by_ref, task_waker_drop};

static struct waker task_waker_clone(void *data, const struct site *at)
{
    struct task *task = data;

    TRACE_AT(WAKER_CLONE, task->id, 0, 0, at);
    (void)at;
    task_ref(task);
    return (struct waker){&task_waker, task};
}

void task_abort(struct task *task, const struct site *at)
{
    unsigned bits = TASK_QUEUED | TASK_ABORTED;
    unsigned before = task_mark(task, bits);
    TRACE_AT(TASK_ABORT, task->id, TRACE_STATES(before, before | bits), 0, at);
    (void)before, (void)at;
}

/* --- running --- */

static enum task_outcome task_poll(struct task *task)
{
    struct future *f = task_future(task);
    struct waker waker = {&task_waker, task}; /* lent to the poll: it has no share of the task */
    struct context cx = {&waker};

    enum poll result = future_step(f, &cx, f->type->at);
    unsigned before = task_end_poll(task, result);
    unsigned flip = result == POLL_READY ? TASK_RUNNING | TASK_DONE : TASK_RUNNING;
    TRACE_AT(TASK_POLL_END, task->id, TRACE_STATES(before, before ^ flip), result, f->type->at);
    if (result == POLL_READY)
        return TASK_IS_OVER;
    return before & TASK_QUEUED ? TASK_IS_WOKEN : TASK_IS_IDLE;
}

static enum task_outcome task_cancel(struct task *task)
{
    future_drop(task_future(task));
    return TASK_IS_OVER;
}

enum task_outcome task_run(struct task *task)
{
    unsigned before;
    unsigned after = task_take(task, &before);
    enum task_outcome outcome;

    if (after & TASK_DONE) {
        TRACE(TASK_CANCELLED, task->id, TRACE_STATES(before, after), 0);
        outcome = task_cancel(task);
    } else {
        task->polls++;
        TRACE(TASK_POLL_BEGIN, task->id, TRACE_STATES(before, after), task->polls);
        outcome = task_poll(task);
    }
    if (outcome == TASK_IS_OVER)
        wait_wake(&task->joiner, TRACE_SOURCE_JOIN, task->id, SITE(""));
    return outcome;
}

void task_drop_output(struct task *task)
{
    if (task_future(task)->phase == FUTURE_FINISHED)
        future_drop(task_future(task));
}

void task_ref(struct task *task)
{
    /* relaxed: whoever adds an owner is one, so the count cannot reach zero meanwhile */
    atomic_fetch_add_explicit(&task->refs, 1, memory_order_relaxed);
}

void task_unref(struct task *task)
{
    /* acq_rel: all that an owner did with the block comes before the last owner's free; its partner is itself */
    if (atomic_fetch_sub_explicit(&task->refs, 1, memory_order_acq_rel) > 1)
        return;
    TRACE(TASK_FREE, task->id, 0, 0);
    free(task);
}
