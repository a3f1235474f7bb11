/* The rule that every event says what its kind has to say, and nothing else: docs/recording.md, trace/events.h. */
#include "rules.h"

static size_t now(const struct check *c)
{
    return c->m.at;
}

enum { TASK = 1, A = 2, B = 4 };

/* Which fields of a kind mean something. */
static unsigned fields_of(unsigned kind)
{
    switch (kind) {
    case TRACE_THREAD:
    case TRACE_TIMER_CANCEL:
        return A;
    case TRACE_RUNTIME:
    case TRACE_FUTURE_NEW:
    case TRACE_FUTURE_POLL_END:
    case TRACE_FUTURE_DROP:
    case TRACE_REGISTER_BEGIN:
    case TRACE_REGISTER_END:
    case TRACE_DEREGISTER:
    case TRACE_TURN_END:
    case TRACE_READY:
    case TRACE_TIMER_ADD:
    case TRACE_TIMER_FIRE:
    case TRACE_SYSCALL_BEGIN:
    case TRACE_SYSCALL_END:
        return A | B;
    case TRACE_NOTE:
    case TRACE_FUTURE_POLL_BEGIN:
    case TRACE_BLOCK_ON_BEGIN:
    case TRACE_BLOCK_ON_END:
    case TRACE_RUN_BEGIN:
    case TRACE_TURN_BEGIN:
    case TRACE_GUARD_ACQUIRE:
    case TRACE_GUARD_RELEASE:
    case TRACE_GUARD_WAIT:
        return B;
    case TRACE_RUNTIME_END:
    case TRACE_RUN_END:
    case TRACE_PARK_BEGIN:
    case TRACE_PARK_END:
    case TRACE_UNPARK:
        return 0;
    case TRACE_TASK_ABORT:
    case TRACE_TASK_CANCELLED:
        return TASK | A;
    case TRACE_TASK_FREE:
    case TRACE_JOIN:
    case TRACE_WAKER_CLONE:
    case TRACE_WAKER_DROP:
        return TASK;
    case TRACE_WAKE_BEGIN:
        return TASK | B;
    default: /* and kinds of a later version */
        return TASK | A | B;
    }
}

/* Where the kind does not need a task, the event may still name the one whose poll it is part of. */
static bool task_is_wrong(const struct check *c, const struct event *ev)
{
    const struct model_frame *poll = model_inside(&c->m, ev->thread, TRACE_TASK_POLL_BEGIN);

    return ev->task != 0 && (!poll || poll->task != ev->task);
}

RULE(rule_format)
{
    unsigned fields = fields_of(ev->kind);
    const char *name = event_kind_name(ev->kind);

    (void)task;
    if ((!(fields & A) && ev->a) || (!(fields & B) && ev->b))
        return complain(c, now(c), ev->task, "%s has no use for a = %u, b = %llu", name, ev->a,
                        (unsigned long long)ev->b);
    if ((!(fields & TASK) || ev->kind == TRACE_WAIT) && task_is_wrong(c, ev))
        return complain(c, now(c), ev->task, "%s names task %u, which is not the one being polled", name, ev->task);
    if (ev->kind == TRACE_RUN_BEGIN && ev->b > 1)
        return complain(c, now(c), ev->task, "an executor drops what is left (1) or not (0), and not %llu",
                        (unsigned long long)ev->b);
    return (ev->kind == TRACE_WAKE_BEGIN || ev->kind == TRACE_WAKE_END) && ev->b > 1 &&
           complain(c, now(c), ev->task, "a waker is consumed (1) or not (0), and not %llu", (unsigned long long)ev->b);
}
