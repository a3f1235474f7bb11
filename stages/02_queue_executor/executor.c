#include "executor.h"

#include "trace.h"

#include <errno.h>
#include <string.h>

static _Thread_local struct executor *current;

struct executor *executor_current(void)
{
    return current;
}

int executor_init(struct executor *ex)
{
    *ex = (struct executor){0};
    queue_init(&ex->ready);
    TRACE(RUNTIME, 0, 2, 0);
    return 0;
}

static void executor_enter(struct executor *ex, const char *call, const struct site *at)
{
    if (current)
        misuse(at, "%s inside a task: it would block the thread that runs the task", call);
    current = ex;
}

void executor_adopt(struct executor *ex, struct task *task)
{
    ex->alive++;
    task->state = TASK_QUEUED;
    queue_push(&ex->ready, task);
}

/* The task is done: gives up the executor's share of it. */
static void executor_retire(struct executor *ex, struct task *task)
{
    ex->alive--;
    if (!task->output_wanted)
        task_drop_output(task);
    task_unref(task);
}

/* Polls the task at the front of the queue. */
static void executor_step(struct executor *ex)
{
    struct task *task = queue_pop(&ex->ready);

    if (task_poll(task) == POLL_READY)
        executor_retire(ex, task);
    else
        queue_push(&ex->ready, task);
}

void executor_run_at(struct executor *ex, const struct site *at)
{
    executor_enter(ex, "executor_run", at);
    TRACE_AT(RUN_BEGIN, 0, 0, 0, at);
    while (ex->alive > 0)
        executor_step(ex);
    TRACE_AT(RUN_END, 0, 0, 0, at);
    current = NULL;
}

/* block_on is an owner of the task, as a join handle would be, and takes its finished future out of it. */
static void executor_run_until_done(struct executor *ex, struct task *task, struct future *f)
{
    task->refs++;
    task->output_wanted = true;
    executor_adopt(ex, task);
    while (task->state != TASK_DONE)
        executor_step(ex);
    memcpy(f, task->future, task->future_size);
    task_unref(task);
}

int executor_block_on_at(struct executor *ex, struct future *f, size_t size, const struct site *at)
{
    executor_enter(ex, "executor_block_on", at);
    TRACE_AT(BLOCK_ON_BEGIN, 0, 0, f->id, at);
    struct task *task = task_new(ex, f, size, at);
    if (task)
        executor_run_until_done(ex, task, f);
    TRACE_AT(BLOCK_ON_END, 0, 0, f->id, at);
    current = NULL;
    return task ? 0 : -ENOMEM;
}

void executor_destroy_at(struct executor *ex, const struct site *at)
{
    executor_enter(ex, "executor_destroy", at);
    TRACE_AT(RUN_BEGIN, 0, 0, 1, at);
    for (struct task *task; ex->alive > 0 && (task = queue_pop(&ex->ready));) {
        task_cancel(task);
        executor_retire(ex, task);
    }
    TRACE_AT(RUN_END, 0, 0, 0, at);
    current = NULL;
    TRACE(RUNTIME_END, 0, 0, 0);
}
