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
    executor_check(ex, "task_spawn", at);
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

static enum task_outcome task_poll(struct task *task)
{
    struct future *f = task_future(task);
    struct waker waker = task_lend_waker(task);
    struct context cx = {&waker};
    unsigned before;

    enum poll result = future_step(f, &cx, f->type->at);
    unsigned after = task_end_poll(task, result, &before);
    TRACE_AT(TASK_POLL_END, task->id, TRACE_STATES(before, after), result, f->type->at);
    if (after & TASK_DONE)
        return TASK_IS_OVER;
    return after & TASK_QUEUED ? TASK_IS_WOKEN : TASK_IS_IDLE;
}

enum task_outcome task_run(struct task *task)
{
    unsigned before;
    unsigned after = task_take(task, &before);
    enum task_outcome outcome;

    if (after & TASK_DONE) {
        TRACE(TASK_CANCELLED, task->id, TRACE_STATES(before, after), 0);
        future_drop(task_future(task));
        outcome = TASK_IS_OVER;
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
