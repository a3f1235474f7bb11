/* Designs that were rejected:
 *   Look whether the task is over; if not, leave a waker. It may end between the two steps, finds no waker, and nobody
 *   is ever woken. So the waker is left first and announced afterwards, by the step that also learns whether it came
 *   too late.
 *   A lock in every task. It would do; but the two sides meet once in the life of a task, and the answer to all that
 *   they ask each other fits into three bits.
 *   A word of its own for these bits, as in stage 05. The last poll, the end and the owner's share are one step now
 *   (task_end_ready), and a handle that comes when all is over needs none. */
#include "join.h"

#include "task.h"
#include "trace.h"
#include "wait.h"

void join_finish(struct task *task, unsigned word)
{
    if (word & TASK_WAITED)
        wait_wake(&task->joiner, TRACE_SOURCE_JOIN, task->id, SITE(""));
    if (!(word & TASK_WANTED))
        task_drop_output(task);
    task_unref_runtime(task);
}

/* acq_rel: as in task_end_ready. */
void join_end_cancelled(struct task *task)
{
    join_finish(task, atomic_fetch_or_explicit(&task->state, TASK_OVER, memory_order_acq_rel));
}

/* Says that a waker lies there. False: too late, the task is over and the waker is still ours. release: the waker
 * (partner: task_end_ready). acquire: the finished future, if it is there (partner: task_end_ready). */
static bool join_announce(struct task *task)
{
    return !(atomic_fetch_or_explicit(&task->state, TASK_WAITED, memory_order_acq_rel) & TASK_OVER);
}

/* Takes the place for the waker back. False: too late, the task is over and what lies there is the worker's. acquire:
 * the finished future, if it is there (partner: task_end_ready). */
static bool join_retract(struct task *task)
{
    unsigned word = atomic_load_explicit(&task->state, memory_order_acquire);

    if (word & TASK_WAITED)
        word = atomic_fetch_and_explicit(&task->state, ~(unsigned)TASK_WAITED, memory_order_acquire);
    return !(word & TASK_OVER);
}

enum poll join_poll(struct task *task, struct context *cx)
{
    if (!join_retract(task))
        return POLL_READY;
    wait_start(&task->joiner, cx, TRACE_SOURCE_JOIN, task->id, SITE(""));
    if (join_announce(task))
        return POLL_PENDING;
    wait_cancel(&task->joiner, TRACE_SOURCE_JOIN, task->id, SITE(""));
    return POLL_READY;
}

/* acq_rel: as in the two above; release, as whatever the taker did with the task comes before the worker's drop. */
void join_give_up(struct task *task)
{
    unsigned word = atomic_load_explicit(&task->state, memory_order_acquire);

    if (!(word & TASK_OVER))
        word = atomic_fetch_and_explicit(&task->state, ~(unsigned)(TASK_WANTED | TASK_WAITED), memory_order_acq_rel);
    if (word & TASK_OVER)
        task_drop_output(task);
    else
        wait_cancel(&task->joiner, TRACE_SOURCE_JOIN, task->id, SITE(""));
    task_unref(task);
}
