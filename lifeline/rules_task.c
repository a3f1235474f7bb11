/* Rules about one task: its life, its polls, its wakers. That about its state word: rules_states.c. */
#include "describe.h"
#include "rules.h"

static size_t now(const struct check *c)
{
    return c->m.at;
}

/* Where workers steal, RUNNING says that a worker holds the task, whether it polls it or has it in its queue. */
static bool has_held_tasks(const struct check *c, const struct model_task *task)
{
    return model_task_features(&c->m, task) & TRACE_HAS_STEALING;
}

RULE(rule_spawned)
{
    if (ev->kind == TRACE_TASK_SPAWN) {
        bool alive = task && task->freed == NO_EVENT;

        if (ev->task == 0)
            return complain(c, now(c), 0, "a task is spawned without a number");
        return alive && complain(c, now(c), ev->task, "task %u is spawned a second time", ev->task);
    }
    if (ev->task && !task)
        return complain(c, now(c), ev->task, "task %u was never spawned, but here something happens to it", ev->task);
    if (!ev->task && ev->kind != TRACE_QUEUE_POP && ev->kind != TRACE_WAIT && ev->kind != TRACE_WAIT_END)
        return complain(c, now(c), 0, "this event does not say which task it is about");
    return false;
}

RULE(rule_after_free)
{
    (void)ev;
    return task && task->freed != NO_EVENT &&
           complain(c, now(c), task->number, "task %u was given back in event #%zu, but here it is still used",
                    task->number, task->freed + 1);
}

RULE(rule_poll_after_ready)
{
    if (ev->kind == TRACE_FUTURE_POLL_BEGIN) {
        const struct model_future *future = model_future(&c->m, ev->b);

        return future && future->ready &&
               complain(c, now(c), model_task_of(&c->m, ev), "future %llu was ready already, and is polled again",
                        (unsigned long long)ev->b);
    }
    return task && task->ended != NO_EVENT &&
           complain(c, now(c), task->number, "task %u ended in event #%zu, and is %s again", task->number,
                    task->ended + 1, ev->kind == TRACE_QUEUE_PUSH ? "queued" : "polled");
}

RULE(rule_one_poll)
{
    char words[DESCRIBE_SIZE];

    if (ev->kind == TRACE_FUTURE_POLL_BEGIN) {
        const struct model_future *future = model_future(&c->m, ev->b);

        return future && future->polled_by &&
               complain(c, now(c), model_task_of(&c->m, ev), "future %llu is polled while a poll of it goes on",
                        (unsigned long long)ev->b);
    }
    return task && task->polled_by &&
           complain(c, now(c), task->number, "task %u is polled while %s still polls it", task->number,
                    describe_thread(c->rec, task->polled_by, words, sizeof words));
}

RULE(rule_taken)
{
    if (!task || task->held_by == ev->thread)
        return false;
    if (task->queue != NO_QUEUE)
        return complain(c, now(c), task->number, "task %u is run while it still lies in queue %u", task->number,
                        task->queue);
    return complain(c, now(c), task->number, "task %u is run by a thread that did not take it from a queue",
                    task->number);
}

/* A push that nothing has explained so far may belong to an abort, which is recorded behind it; see check.c. */
static bool push_is_explained(const struct check *c, const struct event *ev, const struct model_task *task)
{
    const struct model_frame *wake = model_inside(&c->m, ev->thread, TRACE_WAKE_BEGIN);

    return task->pushed == NO_EVENT || task->held_by == ev->thread || c->debts[ev->thread].owes == task->number ||
           (wake && wake->task == task->number);
}

/* Where workers steal, other tasks may be moved to make room for one that is queued. */
static bool makes_room(const struct check *c, const struct event *ev, uint32_t queued)
{
    bool moves = ev->kind == TRACE_QUEUE_PUSH || ev->kind == TRACE_QUEUE_POP || ev->kind == TRACE_QUEUE_STEAL;

    return moves && ev->task != 0 && ev->task != queued && (model_features(&c->m, ev->thread) & TRACE_HAS_STEALING);
}

static bool belongs_to_push(const struct check *c, const struct event *ev)
{
    return makes_room(c, ev, c->debts[ev->thread].pushed) || ev->kind == TRACE_UNPARK ||
           ev->kind == TRACE_SYSCALL_BEGIN || ev->kind == TRACE_SYSCALL_END || ev->kind == TRACE_NOTE;
}

/* Where workers steal, a worker may hold on to a task after its poll, but only if somebody asks for the next one. */
static bool holds_on_without_wake(const struct check *c, const struct event *ev, const struct model_task *task)
{
    bool was_asked = (states_before(ev->a) & (TRACE_STATE_QUEUED | TRACE_STATE_ABORTED)) || task->woken ||
                     task->wakes_begun > 0;

    return ev->kind == TRACE_TASK_POLL_END && !ev->b && (states_after(ev->a) & TRACE_STATE_RUNNING) &&
           has_held_tasks(c, task) && !was_asked;
}

RULE(rule_poll_without_wake)
{
    const struct debt *debt = &c->debts[ev->thread];
    bool is_reason = ev->kind == TRACE_TASK_ABORT && ev->task == debt->pushed;

    if (debt->pushed && !is_reason && !belongs_to_push(c, ev))
        return complain(c, debt->pushed_at, debt->pushed, "task %u is queued, but nobody woke it", debt->pushed);
    if (task && holds_on_without_wake(c, ev, task))
        return complain(c, now(c), task->number, "task %u is to be polled again, but nobody woke it during this poll",
                        task->number);
    return ev->kind == TRACE_TASK_POLL_BEGIN && task && !task->woken && task->wakes_begun == 0 &&
           (model_task_features(&c->m, task) & TRACE_HAS_WAKES) &&
           complain(c, now(c), task->number, "task %u is polled, but nobody woke it since its last poll", task->number);
}

RULE(rule_poll_number)
{
    return task && ev->b != 0 && ev->b != (uint64_t)task->polls + 1 &&
           complain(c, now(c), task->number, "this is poll %u of task %u, but it is counted as number %llu",
                    task->polls + 1, task->number, (unsigned long long)ev->b);
}

/* Whether the wake or abort that ends here has queued the task already. */
static bool pushed_since(const struct check *c, const struct event *ev, const struct model_task *task)
{
    const struct model_frame *wake = model_top(&c->m, ev->thread);

    if (ev->kind == TRACE_TASK_ABORT)
        return c->debts[ev->thread].pushed == task->number;
    return wake && wake->kind == TRACE_WAKE_BEGIN && wake->pushed != NO_EVENT;
}

static const unsigned not_idle = TRACE_STATE_QUEUED | TRACE_STATE_RUNNING | TRACE_STATE_DONE;

/* The wake of an idle task left it so that somebody will poll it. (A plain word that says running would be broken: the
 * rule about states sees to that.) */
static bool leaves_idle(unsigned before, unsigned after)
{
    return !(before & not_idle) && (after & (TRACE_STATE_QUEUED | TRACE_STATE_RUNNING));
}

/* Whoever marks an idle task as queued, or as held, and nobody else, must queue it; and so must the end of a poll
 * that finds the mark. */
static bool must_queue(const struct event *ev)
{
    unsigned before = states_before(ev->a), after = states_after(ev->a);

    if (ev->kind == TRACE_TASK_POLL_END)
        return (after & (TRACE_STATE_QUEUED | TRACE_STATE_RUNNING)) && !(after & TRACE_STATE_DONE);
    return (ev->kind == TRACE_WAKE_END || ev->kind == TRACE_TASK_ABORT) && leaves_idle(before, after);
}

/* Between a spawn and its push the join handle is made, which is a future. */
static bool leaves_debt(const struct check *c, const struct event *ev)
{
    return ev->kind == TRACE_NOTE || ev->kind == TRACE_FUTURE_NEW || makes_room(c, ev, c->debts[ev->thread].owes);
}

/* Whoever is to queue a task does so, or, holding it, finds that it was aborted. */
static bool pays_debt(const struct event *ev, const struct debt *debt)
{
    return (ev->kind == TRACE_QUEUE_PUSH || ev->kind == TRACE_TASK_CANCELLED) && ev->task == debt->owes;
}

/* A task that wakes itself need not mark its word: the worker that polls it holds it. */
static bool wakes_itself(const struct check *c, const struct event *ev, const struct model_task *task)
{
    return has_held_tasks(c, task) && task->polled_by == ev->thread && (states_after(ev->a) & TRACE_STATE_RUNNING);
}

/* The poll ends in a state that nobody polls the task in, although something asked for that. */
static bool forgets_a_wake(const struct check *c, const struct event *ev, const struct model_task *task)
{
    unsigned before = states_before(ev->a), after = states_after(ev->a);
    bool was_asked = (before & TRACE_STATE_QUEUED) || (has_held_tasks(c, task) && task->woken);

    return ev->kind == TRACE_TASK_POLL_END && !ev->b && was_asked &&
           !(after & (TRACE_STATE_QUEUED | TRACE_STATE_RUNNING));
}

RULE(rule_lost_wake)
{
    const struct debt *debt = &c->debts[ev->thread];
    unsigned after = states_after(ev->a);

    if (debt->owes && !pays_debt(ev, debt) && !leaves_debt(c, ev))
        return complain(c, debt->owes_since, debt->owes, "task %u is to be polled again, but nobody puts it in a queue",
                        debt->owes);
    if (!task)
        return false;
    if (ev->kind == TRACE_WAKE_END && !(after & (TRACE_STATE_QUEUED | TRACE_STATE_DONE)) &&
        !leaves_idle(states_before(ev->a), after) && !wakes_itself(c, ev, task))
        return complain(c, now(c), task->number, "the wake of task %u left no mark: it will not be polled for it",
                        task->number);
    return forgets_a_wake(c, ev, task) &&
           complain(c, now(c), task->number, "task %u was woken during this poll, and the poll's end forgets it",
                    task->number);
}

void rules_follow(struct check *c, const struct event *ev, const struct model_task *task)
{
    struct debt *debt = &c->debts[ev->thread];
    bool unexplained = ev->kind == TRACE_QUEUE_PUSH && task && task->queue == NO_QUEUE &&
                       !push_is_explained(c, ev, task);
    bool unpaid = ev->kind == TRACE_TASK_SPAWN || (task && must_queue(ev) && !pushed_since(c, ev, task));

    if (!leaves_debt(c, ev))
        debt->owes = 0;
    if (!belongs_to_push(c, ev))
        debt->pushed = 0;
    if (unexplained) {
        debt->pushed = task->number;
        debt->pushed_at = now(c);
    }
    if (unpaid) {
        debt->owes = ev->task;
        debt->owes_since = now(c);
    }
}

RULE(rule_pending_without_waker)
{
    if (!task || ev->b || !(model_task_features(&c->m, task) & TRACE_HAS_WAKES))
        return false;
    return task->wakers == 0 && task->wakes_begun == 0 &&
           !(states_after(ev->a) & (TRACE_STATE_QUEUED | TRACE_STATE_RUNNING)) &&
           complain(c, now(c), task->number,
                    "task %u can never be woken again: its poll returned Pending, but no waker "
                    "of it is left anywhere",
                    task->number);
}

RULE(rule_wakers)
{
    const struct model_frame *wake = model_top(&c->m, ev->thread);
    bool consumes = ev->kind == TRACE_WAKER_DROP || (ev->kind == TRACE_WAKE_END && ev->b);

    if (!task)
        return false;
    if (ev->kind == TRACE_WAKE_END && wake && wake->b != ev->b)
        return complain(c, now(c), task->number,
                        "a wake of task %u says at its begin and at its end differently "
                        "whether it consumes the waker",
                        task->number);
    if (consumes && task->wakers == 0)
        return complain(c, now(c), task->number, "a waker of task %u is given up, but there is none", task->number);
    return ev->kind == TRACE_TASK_FREE && task->wakers > 0 &&
           complain(c, now(c), task->number, "task %u is given back while %u of its wakers still exist", task->number,
                    task->wakers);
}

static bool wait_begins(struct check *c, const struct event *ev)
{
    uint32_t number = model_task_of(&c->m, ev);
    const struct model_task *task = model_task(&c->m, number);
    char words[DESCRIBE_SIZE];

    if (ev->a < TRACE_SOURCE_READ || ev->a > TRACE_SOURCE_OTHER)
        return complain(c, now(c), number, "there is no source of kind %u to leave a waker with", ev->a);
    return task && task->waits >= task->wakers &&
           complain(c, now(c), number, "a waker of task %u is left with %s, but all that exist are elsewhere", number,
                    describe_source(ev->a, ev->b, words, sizeof words));
}

static bool wait_ends(struct check *c, const struct event *ev)
{
    char words[DESCRIBE_SIZE];

    return !model_wait(&c->m, ev->a, ev->b) &&
           complain(c, now(c), model_task_of(&c->m, ev), "no waker was left with %s, so it cannot let go of one",
                    describe_source(ev->a, ev->b, words, sizeof words));
}

RULE(rule_waits)
{
    bool consumes = ev->kind == TRACE_WAKER_DROP || (ev->kind == TRACE_WAKE_END && ev->b);

    if (ev->kind == TRACE_WAIT)
        return wait_begins(c, ev);
    if (ev->kind == TRACE_WAIT_END)
        return wait_ends(c, ev);
    return consumes && task && task->waits >= task->wakers &&
           complain(c, now(c), task->number,
                    "a waker of task %u is used up while every one of them still waits at a "
                    "source",
                    task->number);
}

RULE(rule_join)
{
    const struct model_task *joined = task;
    bool may_end_now = joined && joined->polled_by && joined->polled_by != ev->thread;

    if (!joined)
        return false;
    if (joined->ended == NO_EVENT && !may_end_now)
        return complain(c, now(c), joined->number, "the output of task %u is taken before it is done", joined->number);
    return joined->joined &&
           complain(c, now(c), joined->number, "the output of task %u is taken twice", joined->number);
}
