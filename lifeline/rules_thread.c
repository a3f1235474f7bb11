/* Rules about what one thread does, one thing after the other, and about futures. */
#include "describe.h"
#include "rules.h"

static size_t now(const struct check *c)
{
    return c->m.at;
}

RULE(rule_thread)
{
    bool introduced = c->m.threads[ev->thread].introduced;

    (void)task;
    if (introduced == (ev->kind != TRACE_THREAD))
        return false;
    return complain(c, now(c), 0,
                    introduced ? "thread %u says a second time who it is"
                               : "thread %u does something before it has said who it is",
                    ev->thread);
}

/* ---- nesting */

static const char *frame_name(unsigned kind)
{
    switch (kind) {
    case TRACE_FUTURE_POLL_BEGIN:
        return "the poll of a future";
    case TRACE_TASK_POLL_BEGIN:
        return "the poll of a task";
    case TRACE_BLOCK_ON_BEGIN:
        return "block_on";
    case TRACE_RUN_BEGIN:
        return "the executor's run";
    case TRACE_WAKE_BEGIN:
        return "a wake";
    case TRACE_PARK_BEGIN:
        return "the executor's sleep";
    case TRACE_REGISTER_BEGIN:
        return "a registration";
    case TRACE_TURN_BEGIN:
        return "the reactor's turn";
    default:
        return "a system call";
    }
}

/* Whether the end belongs to what goes on. */
static bool frame_ends(const struct model_frame *frame, const struct event *ev)
{
    if (frame->kind != kind_begin_of(ev->kind) || frame->task != ev->task)
        return false;
    switch (ev->kind) {
    case TRACE_FUTURE_POLL_END:
    case TRACE_BLOCK_ON_END:
        return frame->b == ev->b;
    case TRACE_REGISTER_END:
    case TRACE_SYSCALL_END:
        return frame->a == ev->a;
    default:
        return true;
    }
}

RULE(rule_nesting)
{
    const struct model_frame *top = model_top(&c->m, ev->thread);
    uint32_t about = ev->task ? ev->task : model_task_of(&c->m, ev);

    (void)task;
    if (kind_begin_of(ev->kind)) {
        if (top && frame_ends(top, ev))
            return false;
        if (top)
            return complain(c, now(c), about, "%s ends, but %s, begun in event #%zu, goes on",
                            frame_name(kind_begin_of(ev->kind)), frame_name(top->kind), top->event + 1);
        return complain(c, now(c), about, "%s ends that never began", frame_name(kind_begin_of(ev->kind)));
    }
    return top && !model_allows(&c->m, top, ev) &&
           complain(c, now(c), about, "this happens in the middle of %s, which began in event #%zu and has not ended",
                    frame_name(top->kind), top->event + 1);
}

/* A helper thread may sleep when the program ends, but what the others began they have ended. */
void rule_unfinished_end(struct check *c)
{
    if (!c->complete)
        return;
    for (uint32_t i = 0; i <= c->rec->threads; i++) {
        const struct model_frame *top = model_top(&c->m, i);

        if (top && (top->kind != TRACE_SYSCALL_BEGIN || c->m.threads[i].runtime != MAP_NONE || i == 1))
            complain(c, top->event, top->task, "the program ended, but %s that begins here has not",
                     frame_name(top->kind));
    }
    for (uint32_t i = 0; i < c->m.lock_count; i++)
        if (c->m.locks[i].holder)
            complain(c, c->m.locks[i].taken, 0, "the program ended, but lock %llu, taken here, was never given back",
                     (unsigned long long)c->m.locks[i].number);
}

/* ---- futures */

static bool future_is_new(struct check *c, const struct event *ev)
{
    const struct model_future *known = model_future(&c->m, ev->b);

    if (ev->a == 0 || ev->a > c->rec->site_count)
        return complain(c, now(c), 0, "future %llu is made without a type", (unsigned long long)ev->b);
    return known && complain(c, now(c), known->task, "future %llu is made a second time", (unsigned long long)ev->b);
}

static bool future_is_spawnable(struct check *c, const struct event *ev, const struct model_future *future)
{
    if (future->type != ev->a)
        return complain(c, now(c), ev->task, "future %llu is spawned as another type than it was made",
                        (unsigned long long)ev->b);
    return future->task &&
           complain(c, now(c), ev->task, "future %llu is task %u already", (unsigned long long)ev->b, future->task);
}

static bool future_is_droppable(struct check *c, const struct event *ev, const struct model_future *future)
{
    if (future->type != ev->a)
        return complain(c, now(c), future->task, "future %llu is dropped as another type than it was made",
                        (unsigned long long)ev->b);
    return future->polled_by && complain(c, now(c), future->task, "future %llu is dropped in the middle of its poll",
                                         (unsigned long long)ev->b);
}

RULE(rule_futures)
{
    const struct model_future *future = model_future(&c->m, ev->b);
    unsigned long long number = ev->b;

    (void)task;
    if (ev->kind == TRACE_FUTURE_NEW)
        return future_is_new(c, ev);
    if (!future)
        return complain(c, now(c), ev->task, "future %llu was never made, but here something happens to it", number);
    if (future->dropped != NO_EVENT)
        return complain(c, now(c), future->task, "future %llu was dropped in event #%zu, but here it is still used",
                        number, future->dropped + 1);
    if (ev->kind == TRACE_FUTURE_POLL_BEGIN)
        return future->task && complain(c, now(c), future->task,
                                        "future %llu was spawned as task %u, but somebody "
                                        "polls it by hand",
                                        number, future->task);
    if (ev->kind == TRACE_FUTURE_POLL_END)
        return ev->a > 1 &&
               complain(c, now(c), future->task, "a poll returns pending (0) or ready (1), and not %u", ev->a);
    return ev->kind == TRACE_TASK_SPAWN ? future_is_spawnable(c, ev, future) : future_is_droppable(c, ev, future);
}

/* An executor that returns with a task that is not done abandons it. */
static bool leaves_a_task(struct check *c, const struct event *ev)
{
    const struct model_runtime *runtime = model_runtime_of(&c->m, ev->thread);

    for (uint32_t i = 0; runtime && i < c->m.task_count; i++) {
        const struct model_task *task = &c->m.tasks[i];

        if (task->ended == NO_EVENT && task->runtime == (uint32_t)(runtime - c->m.runtimes))
            return complain(c, now(c), task->number, "the executor's run returns before task %u is done", task->number);
    }
    return false;
}

RULE(rule_block_on)
{
    const struct model_future *future = model_future(&c->m, ev->b);
    const struct model_task *root = future && future->task ? model_task(&c->m, future->task) : NULL;

    (void)task;
    if (ev->kind == TRACE_RUN_END)
        return leaves_a_task(c, ev);
    if (!future)
        return complain(c, now(c), 0, "block_on gets future %llu, which was never made", (unsigned long long)ev->b);
    if (ev->kind == TRACE_BLOCK_ON_BEGIN)
        return root && complain(c, now(c), root->number, "block_on gets future %llu, which is task %u already",
                                (unsigned long long)ev->b, root->number);
    bool shared = root && (model_task_features(&c->m, root) & TRACE_HAS_STEALING);
    bool may_end_now = shared && root->polled_by && root->polled_by != ev->thread; /* and is recorded in a moment */

    return root && root->ended == NO_EVENT && !may_end_now &&
           complain(c, now(c), root->number, "block_on returns before its task %u is done", root->number);
}

/* ---- locks, sleep, the runtime */

RULE(rule_locks)
{
    const struct model_lock *lock = model_lock(&c->m, ev->b);
    uint32_t about = model_task_of(&c->m, ev);
    char name[DESCRIBE_SIZE], holder[DESCRIBE_SIZE];

    (void)task;
    describe_lock(ev->b, name, sizeof name);
    if (ev->kind == TRACE_GUARD_RELEASE)
        return (!lock || !lock->holder) && complain(c, now(c), about, "%s is given back, but nobody holds it", name);
    if (lock && lock->holder == ev->thread)
        return complain(c, now(c), about, "this thread takes %s, which it holds already", name);
    return lock && lock->holder &&
           complain(c, now(c), about, "this thread takes %s, which %s has not given back", name,
                    describe_thread(c->rec, lock->holder, holder, sizeof holder));
}

RULE(rule_park)
{
    const struct model_frame *top = model_top(&c->m, ev->thread);
    uint64_t features = model_features(&c->m, ev->thread);

    (void)task;
    if (features & (TRACE_HAS_WORKERS | TRACE_HAS_REACTOR))
        return false;
    if (ev->kind == TRACE_PARK_END)
        return top && (c->m.last_unpark == NO_EVENT || c->m.last_unpark < top->event) &&
               complain(c, now(c), 0, "the executor is awake again, but nobody woke it");
    for (uint32_t i = 0; i < c->m.queue_count; i++) {
        const struct model_queue *queue = &c->m.queues[i];

        if (queue->length > 0 && queue->popped_by == ev->thread && queue->runtime == c->m.threads[ev->thread].runtime)
            return complain(c, now(c), 0, "the executor goes to sleep with %llu tasks in its queue %u",
                            (unsigned long long)queue->length, queue->number);
    }
    return false;
}

RULE(rule_runtime)
{
    (void)task;
    if (ev->kind == TRACE_TASK_SPAWN)
        return !model_runtime_of(&c->m, ev->thread) &&
               complain(c, now(c), ev->task, "task %u is spawned, but no runtime has started", ev->task);
    return c->m.threads[ev->thread].runtime == MAP_NONE &&
           complain(c, now(c), 0, "a runtime is shut down that this thread never started");
}

void rule_runtime_end(struct check *c)
{
    if (!c->complete)
        return;
    for (uint32_t i = 0; i < c->m.runtime_count; i++)
        if (c->m.runtimes[i].ended == NO_EVENT)
            complain(c, c->m.runtimes[i].began, 0, "the runtime that starts here was never shut down");
}
