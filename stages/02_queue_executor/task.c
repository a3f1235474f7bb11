#include "task.h"

#include "executor.h"
#include "join_handle.h"
#include "trace.h"

#include <errno.h>
#include <stdatomic.h>
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
    *task = (struct task){.executor = ex, .id = id, .refs = 1, .future_size = size};
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

/* A queued task is polled: QUEUED -> RUNNING -> QUEUED (pending: it goes to the back of the queue) or DONE. */
enum poll task_poll(struct task *task)
{
    struct future *f = task_future(task);
    struct waker nobody = waker_noop();
    struct context cx = {&nobody};

    task->state = TASK_RUNNING;
    task->polls++;
    TRACE(TASK_POLL_BEGIN, task->id, TRACE_STATES(TASK_QUEUED, TASK_RUNNING), task->polls);
    enum poll result = future_step(f, &cx, f->type->at);
    task->state = result == POLL_READY ? TASK_DONE : TASK_QUEUED;
    TRACE_AT(TASK_POLL_END, task->id, TRACE_STATES(TASK_RUNNING, task->state), result, f->type->at);
    return result;
}

void task_cancel(struct task *task)
{
    task->state = TASK_DONE;
    TRACE(TASK_CANCELLED, task->id, TRACE_STATES(TASK_QUEUED, TASK_DONE), 0);
    future_drop(task_future(task));
}

void task_drop_output(struct task *task)
{
    if (task_future(task)->phase == FUTURE_FINISHED)
        future_drop(task_future(task));
}

void task_unref(struct task *task)
{
    if (--task->refs > 0)
        return;
    TRACE(TASK_FREE, task->id, 0, 0);
    free(task);
}
