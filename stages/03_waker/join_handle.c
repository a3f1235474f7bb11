#include "join_handle.h"

#include "task.h"
#include "trace.h"

/* Leaves the caller's waker with the task, in place of one that an earlier poll left. */
static void join_handle_wait(struct task *task, struct context *cx)
{
    struct waker earlier = task->joiner;

    task->joiner = waker_clone(cx->waker);
    if (earlier.vtable) {
        TRACE(WAIT_END, 0, TRACE_SOURCE_JOIN, task->id);
        waker_drop(earlier);
    }
    TRACE(WAIT, 0, TRACE_SOURCE_JOIN, task->id);
}

static enum poll join_handle_poll(struct future *f, struct context *cx)
{
    struct join_handle *self = (struct join_handle *)f;

    if (!task_is_done(self->task)) {
        join_handle_wait(self->task, cx);
        return POLL_PENDING;
    }
    TRACE(JOIN, self->task->id, 0, 0);
    if (task_future(self->task)->phase == FUTURE_FINISHED)
        self->output = task_future(self->task);
    return POLL_READY;
}

static void join_handle_drop(struct future *f)
{
    struct join_handle *self = (struct join_handle *)f;
    struct waker joiner = self->task->joiner;

    if (joiner.vtable) {
        self->task->joiner = (struct waker){0};
        TRACE(WAIT_END, 0, TRACE_SOURCE_JOIN, self->task->id);
        waker_drop(joiner);
    }
    if (task_is_done(self->task))
        task_drop_output(self->task);
    self->task->output_wanted = false;
    task_unref(self->task);
}

FUTURE_TYPE(join_handle, join_handle_poll, join_handle_drop);

void join_handle_init(struct join_handle *handle, struct task *task, const struct site *at)
{
    *handle = (struct join_handle){.task = task};
    future_init_at(&handle->base, &join_handle_type, at);
    task->output_wanted = true;
    task_ref(task);
}

void *join_handle_output_at(struct join_handle *handle, const struct site *at)
{
    if (handle->base.phase != FUTURE_FINISHED)
        misuse(at, "the output of a join handle is read %s",
               handle->base.phase == FUTURE_DROPPED ? "after its drop" : "before it is ready");
    return handle->output;
}

void join_handle_abort_at(struct join_handle *handle, const struct site *at)
{
    if (handle->base.phase == FUTURE_DROPPED)
        misuse(at, "a task is aborted through a join handle that was dropped");
    task_abort(handle->task, at);
}
