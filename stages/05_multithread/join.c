/* Designs that were rejected:
 *   Look whether the task is over; if not, leave a waker. It may end between the two steps, finds no waker, and nobody
 *   is ever woken. So the waker is left first and announced afterwards, by the step that also learns whether it came
 *   too late.
 *   A lock in every task. It would do; but the two sides meet once in the life of a task, and the answer to all that
 *   they ask each other fits into three bits.
 *   The word that says whether the task is queued or runs (wake.h), with three bits more. Every wake writes to that
 *   word; these bits are nobody's business but the two sides'. */
#include "join.h"

#include "task.h"
#include "wait.h"

/* release: the finished future comes before it (partners: the acquires below). acquire: the waker that was left there
 * (partner: the release in join_announce), and that the taker has gone for good (partner: join_give_up). */
void join_finish(struct task *task)
{
    unsigned before = atomic_fetch_or_explicit(&task->join, JOIN_OVER, memory_order_acq_rel);

    if (before & JOIN_WAITED)
        wait_wake(&task->joiner, TRACE_SOURCE_JOIN, task->id, SITE(""));
    if (!(before & JOIN_WANTED))
        task_drop_output(task);
}

/* Says that a waker lies there. False: too late, the task is over and the waker is still ours. release: the waker
 * (partner: join_finish). acquire: the finished future, if it is there (partner: join_finish). */
static bool join_announce(struct task *task)
{
    unsigned before = atomic_fetch_or_explicit(&task->join, JOIN_WAITED, memory_order_acq_rel);
    return !(before & JOIN_OVER);
}

/* Takes the place for the waker back. False: too late, the task is over and what lies there is the executor's.
 * acquire: the finished future, if it is there (partner: join_finish). */
static bool join_retract(struct task *task)
{
    unsigned before = atomic_fetch_and_explicit(&task->join, ~JOIN_WAITED, memory_order_acquire);
    return !(before & JOIN_OVER);
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

/* acq_rel: as in the two above; release, as whatever the taker did with the task comes before the executor's drop. */
void join_give_up(struct task *task)
{
    unsigned before = atomic_fetch_and_explicit(&task->join, ~(JOIN_WANTED | JOIN_WAITED), memory_order_acq_rel);

    if (before & JOIN_OVER)
        task_drop_output(task);
    else
        wait_cancel(&task->joiner, TRACE_SOURCE_JOIN, task->id, SITE(""));
}
