/* The rule about a task's state word. There are two kinds of word (docs/recording.md, STATES): the plain one, in which
 * RUNNING means that the task is being polled; and that of a runtime in which workers steal, where it means that a
 * worker holds the task: polls it, or has it in a queue, new or put back. */
#include "describe.h"
#include "rules.h"

#define QUEUED  (unsigned)TRACE_STATE_QUEUED
#define RUNNING (unsigned)TRACE_STATE_RUNNING
#define DONE    (unsigned)TRACE_STATE_DONE
#define ABORTED (unsigned)TRACE_STATE_ABORTED

static size_t now(const struct check *c)
{
    return c->m.at;
}

/* ---- the shape of each transition: which bits it may change */

static bool wake_fits(unsigned before, unsigned after)
{
    return (after | QUEUED) == (before | QUEUED) && after >= before;
}

static bool plain_fits(const struct event *ev, bool has_wakes)
{
    unsigned before = states_before(ev->a), after = states_after(ev->a);

    switch (ev->kind) {
    case TRACE_TASK_POLL_BEGIN:
        return before == QUEUED && after == RUNNING;
    case TRACE_TASK_POLL_END:
        if (!(before & RUNNING) || (before & DONE) || ev->b > 1)
            return false;
        if (ev->b)
            return after == ((before & ~RUNNING) | DONE);
        return has_wakes ? after == (before & ~RUNNING) : after == QUEUED;
    case TRACE_TASK_ABORT:
        return (after & ~QUEUED) == ((before & ~QUEUED) | ABORTED) && ((after & QUEUED) || (before & DONE));
    case TRACE_TASK_CANCELLED:
        return (before & QUEUED) && !(before & (RUNNING | DONE)) && (!has_wakes || (before & ABORTED)) &&
               after == ((before & ABORTED) | DONE);
    default:
        return wake_fits(before, after);
    }
}

/* A pending poll ends with the task idle, or still held; a mark that a wake left is used up then, or stays. */
static bool held_poll_end_fits(unsigned before, unsigned after, uint64_t ready)
{
    if (!(before & RUNNING) || (before & DONE) || ready > 1)
        return false;
    if (ready)
        return (after & ~QUEUED) == ((before & ~(RUNNING | QUEUED)) | DONE) && !(after & ~before & QUEUED);
    return (after & ~(RUNNING | QUEUED)) == (before & ABORTED) && !(after & ~before & QUEUED);
}

/* Whoever wakes or aborts an idle task may hold it at once, on its way to a queue. */
static bool takes_hold(unsigned before, unsigned after, unsigned more)
{
    return !(before & (QUEUED | RUNNING | DONE)) && after == (before | RUNNING | more);
}

static bool held_fits(const struct event *ev)
{
    unsigned before = states_before(ev->a), after = states_after(ev->a);

    switch (ev->kind) {
    case TRACE_TASK_POLL_BEGIN:
        return (before & (QUEUED | RUNNING)) && !(before & (DONE | ABORTED)) && after == RUNNING;
    case TRACE_TASK_POLL_END:
        return held_poll_end_fits(before, after, ev->b);
    case TRACE_TASK_ABORT:
        return takes_hold(before, after, ABORTED) ||
               ((after & ~QUEUED) == ((before & ~QUEUED) | ABORTED) && (after & ~ABORTED) >= (before & ~ABORTED) &&
                ((after & QUEUED) || (before & (RUNNING | DONE))));
    case TRACE_TASK_CANCELLED:
        return (before & (QUEUED | RUNNING)) && (before & ABORTED) && !(before & DONE) &&
               (after & ~QUEUED) == (ABORTED | DONE) && !(after & ~before & QUEUED);
    default:
        return wake_fits(before, after) || takes_hold(before, after, 0);
    }
}

/* ---- the rule */

/* An abort has no begin: a thread that was killed in the middle of one has left no trace of it. */
static bool abort_is_missing(const struct check *c, const struct event *ev, const struct model_task *task)
{
    return !c->complete && (states_before(ev->a) & ~task->state & ABORTED);
}

/* What a spawn leaves in the word is not recorded: QUEUED, or RUNNING where whoever spawns a task holds it. */
static bool is_born_held(const struct event *ev, const struct model_task *task)
{
    return !task->moved && states_before(ev->a) == RUNNING;
}

static bool says_as_it_is(const struct check *c, const struct event *ev, const struct model_task *task)
{
    if (states_before(ev->a) == task->state || abort_is_missing(c, ev, task))
        return true;
    if (!(model_task_features(&c->m, task) & TRACE_HAS_STEALING))
        return false;
    return is_born_held(ev, task) || (event_leaves_state(ev) && (task->state & RUNNING));
}

RULE(rule_states)
{
    uint64_t features = task ? model_task_features(&c->m, task) : 0;
    char is[64], said[64];

    if (!task)
        return false;
    if (!says_as_it_is(c, ev, task))
        return complain(c, now(c), task->number, "task %u is %s, but this event says that it was %s", task->number,
                        describe_state(task->state, is, sizeof is),
                        describe_state(states_before(ev->a), said, sizeof said));
    bool fits = features & TRACE_HAS_STEALING ? held_fits(ev) : plain_fits(ev, features & TRACE_HAS_WAKES);
    return !fits && complain(c, now(c), task->number, "task %u may not go from %s to %s here", task->number,
                             describe_state(states_before(ev->a), is, sizeof is),
                             describe_state(states_after(ev->a), said, sizeof said));
}
