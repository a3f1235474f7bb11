#include "join_handle.h"

#include "task.h"
#include "trace.h"

static enum poll join_handle_poll(struct future *f, struct context *cx)
{
    struct join_handle *self = (struct join_handle *)f;

    (void)cx; /* nobody is woken in this stage: it is simply polled again */
    if (self->task->state != TASK_DONE)
        return POLL_PENDING;
    TRACE(JOIN, self->task->id, 0, 0);
    if (task_future(self->task)->phase == FUTURE_FINISHED)
        self->output = task_future(self->task);
    return POLL_READY;
}

static void join_handle_drop(struct future *f)
{
    struct join_handle *self = (struct join_handle *)f;

    if (self->task->state == TASK_DONE)
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
    task->refs++;
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
    return handle->output;
}
