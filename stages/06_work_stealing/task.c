#include "task.h"

#include "ids.h"
#include "join_handle.h"
#include "runtime.h"
#include "trace.h"

#include <errno.h>
#include <string.h>

static void task_init(struct task *task, struct future *f, size_t size, bool joined, const struct site *at)
{
    task->id = id_new(ID_TASK);
    task->next = NULL;
    task->joiner = (struct waker){0};
    memcpy(task->future, f, size);
    f->phase = FUTURE_MOVED;
    TRACE_AT(TASK_SPAWN, task->id, trace_site_number(future_type(f)->at), f->id, at);
    /* relaxed: the queue publishes it */
    atomic_store_explicit(&task->state, TASK_RUNNING | TASK_RUNTIME | (joined ? TASK_WANTED | TASK_OWNER : 0),
                          memory_order_relaxed);
}

static void check_spawn(const struct runtime *rt, const struct future *f, const struct site *at)
{
    if (!rt)
        misuse(at, "future %u (%s) is spawned without a runtime; outside of a task there is no current one", f->id,
               future_type(f)->name);
    if (f->phase != FUTURE_FRESH)
        misuse(at, "future %u (%s) is spawned, but it was polled, moved or dropped before", f->id,
               future_type(f)->name);
}

int task_start(struct runtime *rt, struct future *f, size_t size, bool joined, struct task **task,
               const struct site *at)
{
    struct slab *slab;

    check_spawn(rt, f, at);
    int error = runtime_begin_spawn(rt, &slab);
    if (error)
        return error;
    *task = slab_alloc(slab, sizeof **task + size);
    if (*task)
        task_init(*task, f, size, joined, at);
    runtime_end_spawn(rt, *task);
    return *task ? 0 : -ENOMEM;
}

int task_spawn_at(struct runtime *rt, struct future *f, size_t size, struct join_handle *handle, const struct site *at)
{
    struct task *task;
    int error = task_start(rt, f, size, handle != NULL, &task, at);

    if (!error && handle)
        join_handle_init(handle, task, at);
    return error;
}

/* It is the worker's still. */
static enum task_outcome task_after_yield(struct task *task, unsigned clones, const struct site *at)
{
    if (clones > 0)
        task_count_clones(task, clones);
    TRACE_AT(TASK_POLL_END, task->id, TASK_STATES(TASK_RUNNING, TASK_RUNNING), POLL_PENDING, at);
    return TASK_IS_WOKEN;
}

/* The task is not touched once the state word says that it may be somebody else's. */
static enum task_outcome task_after_pending(struct task *task, unsigned clones, const struct site *at)
{
    uint32_t id = task->id;
    unsigned before;
    unsigned after = task_end_pending(task, clones, &before);

    TRACE_AT(TASK_POLL_END, id, TASK_STATES(before, after), POLL_PENDING, at);
    return after & TASK_RUNNING ? TASK_IS_WOKEN : TASK_IS_IDLE;
}

static enum task_outcome task_after_ready(struct task *task, unsigned clones, const struct site *at)
{
    uint32_t id = task->id;
    unsigned before;
    bool gone;
    unsigned after = task_end_ready(task, clones, &before, &gone);

    TRACE_AT(TASK_POLL_END, id, TASK_STATES(before, after), POLL_READY, at);
    if (!gone)
        join_finish(task, before);
    return TASK_IS_OVER;
}

static enum task_outcome task_poll(struct task *task, struct executor *ex)
{
    struct future *f = task_future(task);
    const struct site *at = future_type(f)->at;
    struct waker waker = {&task_waker, task};
    struct context cx = {&waker};

    executor_begin_poll(ex, task);
    enum poll result = future_step(f, &cx, at);
    bool gave_way = executor_end_poll(ex);
    if (result == POLL_READY)
        return task_after_ready(task, ex->clones, at);
    return gave_way ? task_after_yield(task, ex->clones, at) : task_after_pending(task, ex->clones, at);
}

/* The mark of a wake is only seen if it is there already; one that comes later stays for the end of the poll. */
static unsigned task_take(struct task *task, unsigned *before)
{
    /* relaxed: a task without a mark comes with all that the worker needs, from the queue */
    *before = atomic_load_explicit(&task->state, memory_order_relaxed);
    return *before & (TASK_WOKEN | TASK_ABORTED) ? task_take_marked(task, before) : *before;
}

enum task_outcome task_run(struct task *task, struct executor *ex)
{
    unsigned before;
    unsigned after = task_take(task, &before);

    if (after & TASK_DONE) {
        TRACE(TASK_CANCELLED, task->id, TASK_STATES(before, after), 0);
        future_drop(task_future(task));
        join_end_cancelled(task);
        return TASK_IS_OVER;
    }
    TRACE(TASK_POLL_BEGIN, task->id, TASK_STATES(before, after), 0);
    return task_poll(task, ex);
}

void task_drop_output(struct task *task)
{
    if (task_future(task)->phase == FUTURE_FINISHED)
        future_drop(task_future(task));
}

void task_free(struct task *task)
{
    struct executor *ex = executor_current();

    TRACE(TASK_FREE, task->id, 0, 0);
    /* relaxed: the mark of free memory, for slab_each; nobody else knows the task any more */
    atomic_store_explicit(&task->state, 0, memory_order_relaxed);
    slab_free(task, ex ? ex->slab : NULL);
}
