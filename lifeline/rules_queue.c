/* Rules about run queues. */
#include "rules.h"

static size_t now(const struct check *c)
{
    return c->m.at;
}

/* The wake that ends here found the task running, marked it, and queued it all the same. */
static bool queued_while_running(const struct check *c, const struct event *ev)
{
    const struct model_frame *wake = model_top(&c->m, ev->thread);

    return wake && wake->kind == TRACE_WAKE_BEGIN && wake->pushed != NO_EVENT &&
           (states_before(ev->a) & (TRACE_STATE_QUEUED | TRACE_STATE_RUNNING));
}

RULE(rule_one_queue)
{
    if (!task)
        return false;
    if (ev->kind == TRACE_WAKE_END)
        return queued_while_running(c, ev) &&
               complain(c, model_top(&c->m, ev->thread)->pushed, task->number,
                        "this wake queues task %u, which was queued or running already", task->number);
    return task->queue != NO_QUEUE &&
           complain(c, now(c), task->number, "task %u is queued while it lies in queue %u already", task->number,
                    task->queue);
}

static bool length_is_wrong(struct check *c, const struct event *ev, uint64_t length)
{
    return ev->b != length &&
           complain(c, now(c), ev->task, "queue %u holds %llu tasks now, but its length is given as %llu", ev->a,
                    (unsigned long long)length, (unsigned long long)ev->b);
}

RULE(rule_queue)
{
    const struct model_queue *queue = model_queue(&c->m, ev->a);
    uint64_t length = queue ? queue->length : 0;
    bool is_exact = !(model_features(&c->m, ev->thread) & TRACE_HAS_STEALING); /* thieves come and go meanwhile */

    if (ev->kind == TRACE_QUEUE_PUSH)
        return is_exact && length_is_wrong(c, ev, length + 1);
    if (ev->task == 0)
        return is_exact && (length > 0 || ev->b > 0) &&
               complain(c, now(c), 0, "nothing was taken from queue %u, but it is not empty", ev->a);
    if (!task)
        return false;
    if (task->queue != ev->a)
        return complain(c, now(c), task->number, "task %u is taken from queue %u, but it was not in there",
                        task->number, ev->a);
    return is_exact && length_is_wrong(c, ev, length - 1);
}

RULE(rule_steal)
{
    if (!task)
        return false;
    if (task->queue != ev->a)
        return complain(c, now(c), task->number, "task %u is stolen from queue %u, but it was not in there",
                        task->number, ev->a);
    return ev->b == ev->a && complain(c, now(c), task->number, "task %u is stolen from queue %u into the same queue",
                                      task->number, ev->a);
}
