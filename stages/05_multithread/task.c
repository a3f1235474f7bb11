#include "task.h"

#include "join_handle.h"
#include "runtime.h"
#include "trace.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void task_init(struct task *task, struct future *f, size_t size, bool joined, const struct site *at)
{
    static atomic_uint last_id;

    /* relaxed, no partner: the numbers need only differ */
    *task = (struct task){.id = atomic_fetch_add_explicit(&last_id, 1, memory_order_relaxed) + 1};
    atomic_init(&task->state, TASK_QUEUED);
    atomic_init(&task->join, joined ? JOIN_WANTED : 0);
    atomic_init(&task->refs, joined ? 2 : 1);
    memcpy(task->future, f, size);
    f->phase = FUTURE_MOVED;
    TRACE_AT(TASK_SPAWN, task->id, trace_site_number(f->type->at), f->id, at);
}

static void check_spawn(const struct runtime *rt, const struct future *f, const struct site *at)
{
    if (!rt)
        misuse(at, "future %u (%s) is spawned without a runtime; outside of a task there is no current one", f->id,
               f->type->name);
    if (f->phase != FUTURE_FRESH)
        misuse(at, "future %u (%s) is spawned, but it was polled, moved or dropped before", f->id, f->type->name);
}

int task_start(struct runtime *rt, struct future *f, size_t size, bool joined, struct task **task,
               const struct site *at)
{
    check_spawn(rt, f, at);
    *task = malloc(sizeof **task + size);
    if (!*task)
        return -ENOMEM;
    int error = runtime_begin_spawn(rt);
    if (error) {
        free(*task);
        return error;
    }
    task_init(*task, f, size, joined, at);
    runtime_end_spawn(rt, *task);
    return 0;
}

int task_spawn_at(struct runtime *rt, struct future *f, size_t size, struct join_handle *handle, const struct site *at)
{
    struct task *task;
    int error = task_start(rt, f, size, handle != NULL, &task, at);

    if (!error && handle)
        join_handle_init(handle, task, at);
    return error;
}

static enum task_outcome task_poll(struct task *task)
{
    struct future *f = task_future(task);
    struct waker waker = task_lend_waker(task);
    struct context cx = {&waker};
    unsigned before;

    const struct site *at = f->type->at;
    enum poll result = future_step(f, &cx, at);
    unsigned after = task_end_poll(task, result, &before);
    TRACE_AT(TASK_POLL_END, task->id, TRACE_STATES(before, after), result, at);
    if (after & TASK_DONE)
        return TASK_IS_OVER;
    return after & TASK_QUEUED ? TASK_IS_WOKEN : TASK_IS_IDLE;
}

enum task_outcome task_run(struct task *task)
{
    unsigned before;
    unsigned after = task_take(task, &before);

    if (after & TASK_DONE) {
        TRACE(TASK_CANCELLED, task->id, TRACE_STATES(before, after), 0);
        future_drop(task_future(task));
        return TASK_IS_OVER;
    }
    task->polls++;
    TRACE(TASK_POLL_BEGIN, task->id, TRACE_STATES(before, after), task->polls);
    return task_poll(task);
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
