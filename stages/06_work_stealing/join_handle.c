#include "join_handle.h"

#include "task.h"
#include "trace.h"

static enum poll join_handle_poll(struct future *f, struct context *cx)
{
    struct join_handle *self = (struct join_handle *)f;

    if (join_poll(self->task, cx) == POLL_PENDING)
        return POLL_PENDING;
    TRACE(JOIN, self->task->id, 0, 0);
    return POLL_READY;
}

static void join_handle_drop(struct future *f)
{
    struct join_handle *self = (struct join_handle *)f;

    join_give_up(self->task);
}

FUTURE_TYPE(join_handle, join_handle_poll, join_handle_drop);

void join_handle_init(struct join_handle *handle, struct task *task, const struct site *at)
{
    *handle = (struct join_handle){.task = task};
    future_init_at(&handle->base, &join_handle_type, at);
}

/* Why the handle must not be used any more; NULL: it may be. */
static const char *join_handle_complaint(const struct join_handle *handle)
{
    switch (handle->base.phase) {
    case FUTURE_MOVED:
        return "after it was moved away";
    case FUTURE_DROPPED:
        return "after its drop";
    default:
        return NULL;
    }
}

void *join_handle_output_at(struct join_handle *handle, const struct site *at)
{
    const char *complaint = join_handle_complaint(handle);

    if (handle->base.phase != FUTURE_FINISHED)
        misuse(at, "the output of a join handle is read %s", complaint ? complaint : "before it is ready");
    struct future *output = task_future(handle->task);
    return output->phase == FUTURE_FINISHED ? output : NULL;
}

void join_handle_abort_at(struct join_handle *handle, const struct site *at)
{
    const char *complaint = join_handle_complaint(handle);

    if (complaint)
        misuse(at, "a task is aborted through a join handle %s", complaint);
    task_abort(handle->task, at);
}
