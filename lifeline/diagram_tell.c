/* What each kind of event becomes in the story: its rows, and what its thread is in the middle of from then on. */
#define _GNU_SOURCE /* strerrorname_np */
#include "describe.h"
#include "diagram_builder.h"

#include <inttypes.h>
#include <string.h>

static void tell_runtime(struct builder *b)
{
    bool begins = b->ev->kind == TRACE_RUNTIME;
    int user = actor_user(b), runs = b->survey.workers ? user : actor_executor(b);
    if (begins && runs != user)
        actor_lives_here(b, runs);
    struct row *row = say(b, STYLE_CALL, user, runs, "%s", begins ? "runtime starts" : "runtime ends");
    if (begins)
        step_mark(row, 1, 0, "the runtime starts");
}

static void tell_note(struct builder *b)
{
    int now = actor_now(b);
    const char *text = event_place(b->rec, b->ev)->label;
    struct row *row = b->ev->b ? say(b, STYLE_CALL, now, now, "%s: %" PRIu64, text, b->ev->b)
                               : say(b, STYLE_CALL, now, now, "%s", text);
    row->kind = ROW_NOTE;
    if (row_index(b, row) != NO_EVENT) {
        row->number = 0;
        b->d->messages--;
    }
}

static const char *future_label(struct builder *b)
{
    const struct survey_future *f = survey_future(&b->survey, b->ev->b);

    if (!f)
        return "future";
    if (survey_future_alike(&b->survey, b->ev->b))
        return pool_format(&b->d->pool, "%s %" PRIu64, type_name(b, f->type), b->ev->b);
    return type_name(b, f->type);
}

/* Its own column, or the task's that it belongs to, or whoever acts right now. */
static int future_home(struct builder *b)
{
    int home = actor_future(b, b->ev->b);

    return home == NOBODY ? actor_now(b) : home;
}

static void tell_future_new(struct builder *b)
{
    int now = actor_now(b);
    actor_lives_here(b, now);
    say(b, STYLE_CALL, now, future_home(b), "new %s", future_label(b));
}

static void tell_future_poll(struct builder *b)
{
    struct frame polled;

    if (b->ev->kind == TRACE_FUTURE_POLL_BEGIN) {
        int now = actor_now(b), home = future_home(b);
        struct row *row = now == home ? say(b, STYLE_CALL, now, home, "poll %s", future_label(b))
                                      : say(b, STYLE_CALL, now, home, "poll()");
        row_opens(row);
        frame_push(b, FRAME_FUTURE, home);
        return;
    }
    bool known = frame_pop(b, FRAME_FUTURE, &polled);
    int home = known ? polled.actor : future_home(b), now = actor_now(b);
    const char *what = b->ev->a == 1 ? "READY" : "PENDING";
    struct row *row = now == home ? say(b, STYLE_REPLY, home, now, "%s: %s", future_label(b), what)
                                  : say(b, STYLE_REPLY, home, now, "%s", what);
    if (known)
        row_closes(row);
}

static void tell_future_drop(struct builder *b)
{
    int home = future_home(b), now = actor_now(b);
    say(b, STYLE_CALL, now, home, "drop %s", future_label(b));
}

static void tell_spawn(struct builder *b)
{
    int now = actor_now(b);
    actor_lives_here(b, now);
    struct row *row = say(b, STYLE_CALL, now, actor_task(b, b->ev->task), "spawn task %" PRIu32, b->ev->task);
    step_mark(row, 2, b->ev->task, "spawn to the queue");
}

static const char *ordinal_poll(struct builder *b, uint64_t poll)
{
    static const char *const words[] = {"", "first", "second", "third", "fourth", "fifth"};

    return poll < 6 ? pool_format(&b->d->pool, "%s poll", words[poll])
                    : pool_format(&b->d->pool, "poll %" PRIu64, poll);
}

static void tell_poll_begin(struct builder *b)
{
    uint32_t task = b->ev->task;

    int executor = actor_executor(b), actor = actor_task(b, task);
    actor_lives_here(b, executor);
    b->queued[survey_task(&b->survey, task)] = b->in_hand[survey_task(&b->survey, task)] = false;
    uint64_t poll = ++b->polls[survey_task(&b->survey, task)];
    struct row *row = say(b, STYLE_CALL, executor, actor, "poll #%" PRIu64 " of task %" PRIu32, poll, task);
    row_opens(row);
    if (poll == 1)
        step_mark(row, 4, task, "first poll");
    else
        step_mark(row, 12, task, ordinal_poll(b, poll));
    struct frame *frame = frame_push(b, FRAME_POLL, actor);
    frame->task = task;
    frame->row = row_index(b, row);
}

static void tell_poll_end(struct builder *b)
{
    bool ready = b->ev->b == 1;
    struct frame poll;

    bool known = frame_pop(b, FRAME_POLL, &poll);
    struct row *row = say(b, STYLE_REPLY, actor_task(b, b->ev->task), actor_executor(b), "%s",
                          ready ? "READY" : "PENDING");
    if (known)
        row_closes(row);
    if (ready)
        step_mark(row, 13, b->ev->task, "Ready and drop");
    else
        step_mark(row, 7, b->ev->task, "Pending");
}

static void tell_task_event(struct builder *b)
{
    const char *what = b->ev->kind == TRACE_TASK_ABORT ? "abort" : b->ev->kind == TRACE_TASK_FREE ? "free" : "cancel";
    int task = actor_task(b, b->ev->task);

    say(b, STYLE_CALL, actor_now(b), task, "%s task %" PRIu32, what, b->ev->task);
}

static void tell_join(struct builder *b)
{
    int task = actor_task(b, b->ev->task);

    say(b, STYLE_REPLY, task, actor_now(b), "output of task %" PRIu32, b->ev->task);
}

/* Either the caller runs an executor, or it only waits, and workers run theirs. */
static void tell_block_on(struct builder *b)
{
    struct frame run;

    if (b->ev->kind == TRACE_BLOCK_ON_BEGIN) {
        int user = actor_now(b), runs = b->survey.workers ? user : actor_executor(b);
        actor_lives_here(b, user);
        row_opens(say(b, STYLE_CALL, user, runs, "block_on"));
        frame_push(b, FRAME_RUN, runs);
        return;
    }
    bool known = frame_pop(b, FRAME_RUN, &run);
    int user = actor_now(b), runs = b->survey.workers ? user : actor_executor(b);
    struct row *row = say(b, STYLE_REPLY, runs, user, "block_on returns");
    if (known)
        row_closes(row);
}

static const char *run_name(const struct builder *b, size_t begin)
{
    return b->rec->events[begin].b ? "shut down" : "run";
}

/* An executor's run; one that has nothing to drop is not worth an arrow. */
static void tell_run(struct builder *b)
{
    size_t next = b->survey.next[b->at];
    struct frame run;

    if (b->ev->kind == TRACE_RUN_END) {
        if (frame_pop(b, FRAME_RUN, &run))
            row_closes(say(b, STYLE_REPLY, run.actor, actor_now(b), "%s returns", run_name(b, run.begin)));
        return;
    }
    if (b->ev->b && next != NO_EVENT && b->rec->events[next].kind == TRACE_RUN_END)
        return;
    int user = actor_now(b), executor = actor_executor(b);
    actor_lives_here(b, user);
    row_opens(say(b, STYLE_CALL, user, executor, "%s", run_name(b, b->at)));
    frame_push(b, FRAME_RUN, executor);
}

static void tell_push(struct builder *b)
{
    int now = actor_now(b), queue = actor_queue(b, b->ev->a);
    size_t task = survey_task(&b->survey, b->ev->task);
    bool moves = b->in_hand[task] && b->d->actors[queue].kind == ACTOR_EXECUTOR;

    b->in_hand[task] = false;
    if (moves) { /* a worker only puts a task into another queue of its own */
        b->d->not_drawn += b->shown;
        return;
    }
    if (b->d->actors[queue].kind == ACTOR_QUEUE)
        actor_lives_here(b, queue);
    struct row *row = say(b, STYLE_CALL, now, queue, "push task %" PRIu32, b->ev->task);
    if (b->polls[task] && !b->queued[task])
        step_mark(row, 11, b->ev->task, "it is queued again");
    b->queued[task] = true;
}

/* From a queue with a column of its own, or from one that is the executor's. */
static struct row *say_pop(struct builder *b, int queue, int executor)
{
    uint32_t task = b->ev->task;

    if (queue == executor)
        return task ? say(b, STYLE_CALL, executor, executor, "pop: task %" PRIu32, task)
                    : say(b, STYLE_CALL, executor, executor, "pop: empty");
    say(b, STYLE_CALL, executor, queue, "pop");
    return task ? say(b, STYLE_REPLY, queue, executor, "task %" PRIu32, task)
                : say(b, STYLE_REPLY, queue, executor, "empty");
}

/* From one of its own queues to another: in the middle of something else, a worker takes nothing to run it. */
static bool moves_on(struct builder *b)
{
    size_t next = b->survey.next[b->at];
    const struct event *push = next == NO_EVENT ? NULL : &b->rec->events[next];

    return b->ev->task && (frame_top(b) || (push && push->kind == TRACE_QUEUE_PUSH && push->task == b->ev->task));
}

static void tell_pop(struct builder *b)
{
    uint32_t task = b->ev->task;
    int queue = actor_queue(b, b->ev->a), executor = actor_executor(b);
    bool *taken = &b->taken[survey_task(&b->survey, task)];

    b->in_hand[survey_task(&b->survey, task)] = task > 0;
    if (queue == executor && moves_on(b)) {
        say(b, STYLE_CALL, executor, executor, "moves task %" PRIu32, task);
        return;
    }
    if (queue != executor)
        actor_lives_here(b, queue);
    struct row *row = say_pop(b, queue, executor);
    if (task && !*taken)
        step_mark(row, 3, task, b->survey.workers ? "a worker takes the task" : "the executor takes the task");
    *taken |= task > 0;
}

static void tell_steal(struct builder *b)
{
    int from = actor_queue(b, b->ev->a), to = actor_queue(b, b->ev->b);

    if (from == to)
        say(b, STYLE_CALL, from, to, "moves task %" PRIu32, b->ev->task);
    else
        say(b, STYLE_CALL, from, to, "task %" PRIu32 "%s", b->ev->task,
            b->d->actors[to].kind == ACTOR_EXECUTOR ? " is stolen" : "");
}

static void tell_wake(struct builder *b)
{
    struct frame wake;

    if (b->ev->kind == TRACE_WAKE_BEGIN) {
        int now = actor_now(b);
        struct frame *top = frame_find(b, FRAME_TURN);
        if (top)
            top->wakes++;
        struct row *row = say(b, STYLE_WAKE, now, actor_task(b, b->ev->task), "wake task %" PRIu32, b->ev->task);
        step_mark(row, 10, b->ev->task,
                  pool_format(&b->d->pool, "%s wakes the task", top ? "the reactor" : b->d->actors[now].name));
        frame_push(b, FRAME_WAKE, now)->task = b->ev->task;
        return;
    }
    frame_pop(b, FRAME_WAKE, &wake);
    struct frame *poll = frame_find(b, FRAME_POLL);
    if (poll && poll->task == b->ev->task && event_leaves_state(b->ev) && poll->wakes++ == 0)
        return; /* it asks for another poll of a task that is held already */
    if ((b->ev->a & 0xffff) == b->ev->a >> 16)
        say(b, STYLE_REPLY, actor_task(b, b->ev->task), actor_now(b), "%s",
            b->ev->a & TRACE_STATE_DONE ? "it is over already" : "it is awake already");
}

/* The thread whose reactor watches the descriptor, where that is known; 0 where not. */
static uint16_t *fd_reactor(struct builder *b, int64_t fd)
{
    static uint16_t ignored;

    ignored = 0;
    return fd >= 0 && fd < SURVEY_MAX_FD ? &b->fd_reactor[fd] : &ignored;
}

static unsigned timer_reactor(const struct builder *b, uint64_t timer)
{
    uint32_t thread = map_get(&b->timer_reactor, timer);

    return thread == MAP_NONE ? 0 : thread;
}

/* Where a WAIT leaves its waker, and its WAIT_END takes it from. Whoever acts now, if it has no column of its own. */
static int wait_source(struct builder *b)
{
    int source = NOBODY;

    switch (b->ev->a) {
    case TRACE_SOURCE_READ:
    case TRACE_SOURCE_WRITE:
        source = actor_reactor_of(b, *fd_reactor(b, (int64_t)b->ev->b));
        break;
    case TRACE_SOURCE_TIMER:
        source = actor_reactor_of(b, timer_reactor(b, b->ev->b));
        break;
    case TRACE_SOURCE_JOIN:
        source = actor_task(b, (uint32_t)b->ev->b);
        break;
    case TRACE_SOURCE_THREAD:
        source = actor_helper(b, map_get(&b->survey.helpers, b->ev->b));
        break;
    default:
        break;
    }
    return source == NOBODY ? actor_now(b) : source;
}

static const char *wait_text(struct builder *b)
{
    struct pool *pool = &b->d->pool;

    switch (b->ev->a) {
    case TRACE_SOURCE_READ:
        return pool_format(pool, "wait(fd %" PRIu64 " readable)", b->ev->b);
    case TRACE_SOURCE_WRITE:
        return pool_format(pool, "wait(fd %" PRIu64 " writable)", b->ev->b);
    case TRACE_SOURCE_TIMER:
        return pool_format(pool, "wait(timer %" PRIu64 ")", b->ev->b);
    case TRACE_SOURCE_JOIN:
        return pool_format(pool, "wait(end of task %" PRIu64 ")", b->ev->b);
    case TRACE_SOURCE_THREAD:
        return "wait(helper thread)";
    default:
        return "leaves its waker";
    }
}

static uint64_t wait_key(const struct event *ev)
{
    return ev->b << 8 | ev->a;
}

static void tell_wait(struct builder *b)
{
    int now = actor_now(b);

    map_put(&b->waiters, wait_key(b->ev), frame_find(b, FRAME_POLL) ? 0 : b->ev->thread);
    say(b, STYLE_CALL, now, wait_source(b), "%s", wait_text(b));
}

/* What may lie between taking wakers and using them: they are collected under a lock, and used when it is free. */
static bool comes_before_wakes(unsigned kind)
{
    switch (kind) {
    case TRACE_WAIT_END:
    case TRACE_READY:
    case TRACE_TIMER_FIRE:
    case TRACE_GUARD_RELEASE:
    case TRACE_WAKE_END:
    case TRACE_QUEUE_PUSH:
    case TRACE_QUEUE_POP:
    case TRACE_UNPARK:
    case TRACE_SYSCALL_BEGIN:
    case TRACE_SYSCALL_END:
        return true;
    default:
        return false;
    }
}

/* The WAKE_BEGIN that the waker of the present WAIT_END is used for, or NULL: it is dropped. Of several that were taken
 * together, the first is used first. */
static const struct event *wait_end_wake(const struct builder *b)
{
    unsigned before = b->thread->let_go;

    for (size_t i = b->survey.next[b->at]; i != NO_EVENT; i = b->survey.next[i]) {
        const struct event *ev = &b->rec->events[i];

        if (ev->kind == TRACE_WAKE_BEGIN || ev->kind == TRACE_WAKER_DROP) {
            if (before-- == 0)
                return ev->kind == TRACE_WAKE_BEGIN ? ev : NULL;
        } else if (!comes_before_wakes(ev->kind)) {
            return NULL;
        }
    }
    return NULL;
}

/* Whether the thread sleeps where the present UNPARK is heard: in that epoll set, or parked otherwise, be it in a futex. */
static bool hears_unpark(const struct builder *b, const struct thread_state *thread)
{
    const struct frame *top = thread->depth ? &thread->frames[thread->depth - 1] : NULL;
    unsigned set = b->survey.epoll_of[b->at];

    if (!top)
        return false;
    if (top->kind != FRAME_CALL)
        return !set && top->kind == FRAME_PARK;
    bool parked = thread->depth > 1 && top[-1].kind == FRAME_PARK;
    return b->survey.epoll_of[top->begin] == set && (set || parked);
}

/* The thread that hears the present UNPARK and goes on first after it; 0: none. */
static unsigned parked_thread(const struct builder *b)
{
    unsigned found = 0;
    size_t first = NO_EVENT;

    for (unsigned t = 1; t <= b->rec->threads; t++) {
        const struct thread_state *thread = &b->threads[t];
        size_t end = hears_unpark(b, thread) ? b->survey.next[thread->last - 1] : NO_EVENT;

        if (end != NO_EVENT && end < first) {
            first = end;
            found = t;
        }
    }
    return found;
}

static void tell_wait_end(struct builder *b)
{
    int now = actor_now(b), source = wait_source(b);
    const struct event *wake = wait_end_wake(b);
    bool fd = b->ev->a == TRACE_SOURCE_READ || b->ev->a == TRACE_SOURCE_WRITE;

    uint32_t waiter = map_get(&b->waiters, wait_key(b->ev));
    if (waiter != MAP_NONE && waiter != 0 && waiter != b->ev->thread)
        say(b, STYLE_CALL, now, now, "take the waker of %s", b->d->actors[actor_helper(b, waiter)].name);
    else if (!wake && (b->d->actors[now].kind == ACTOR_REACTOR || b->d->actors[now].kind == ACTOR_HELPER))
        say(b, STYLE_CALL, now, now, "lets go of a waker");
    else if (!wake)
        say(b, STYLE_CALL, now, source, "takes its waker back");
    else if (fd)
        say(b, STYLE_CALL, now, now, "lookup fd %" PRIu64 ": task %" PRIu32, b->ev->b, wake->task);
    else
        say(b, STYLE_CALL, now, now, "take waker of task %" PRIu32, wake->task);
}

static void tell_park(struct builder *b)
{
    int executor = b->survey.executes[b->ev->thread] ? actor_executor(b) : actor_user(b);
    size_t next = b->survey.next[b->at];
    struct frame park;

    if (b->ev->kind == TRACE_PARK_END) {
        bool slept = frame_pop(b, FRAME_PARK, &park) && park.row != NO_EVENT;
        if (slept)
            say(b, STYLE_CALL, executor, executor, "awake again");
        return;
    }
    actor_lives_here(b, executor);
    bool turns = next != NO_EVENT && b->rec->events[next].kind == TRACE_TURN_BEGIN;
    size_t row = NO_EVENT;
    if (!turns) {
        struct row *park_row = say(b, STYLE_CALL, executor, executor, "park: sleep");
        step_mark(park_row, 8, 0, "park: the thread sleeps");
        row = row_index(b, park_row);
    }
    frame_push(b, FRAME_PARK, executor)->row = row;
}

/* Whom it wakes is not said. A write to an eventfd ends the turn of that reactor; else it is somebody who is parked. */
static void tell_unpark(struct builder *b)
{
    int now = actor_now(b), sleeper = now;
    unsigned reactor = survey_epoll_owner(&b->survey, b->at), parked = reactor ? 0 : parked_thread(b);

    b->shown &= !b->left_out[parked];
    if (reactor)
        sleeper = actor_reactor_of(b, reactor);
    else if (parked)
        sleeper = b->survey.executes[parked] ? actor_executor_of(b, parked) : actor_helper(b, parked);
    say(b, STYLE_CALL, now, sleeper, "%s", reactor ? "nudge" : "unpark");
}

static void tell_register(struct builder *b)
{
    struct frame frame;

    if (b->ev->kind == TRACE_REGISTER_BEGIN) {
        const struct frame *poll = frame_find(b, FRAME_POLL);
        uint32_t task = poll ? poll->task : 0;
        uint16_t *watches = fd_reactor(b, b->ev->a);
        *watches = *watches ? *watches : b->ev->thread;
        int reactor = actor_reactor_of(b, *watches);
        struct row *row = say(b, STYLE_CALL, actor_now(b), reactor, "register(fd %" PRIu32 ")", b->ev->a);
        row_opens(row);
        if (task)
            step_mark(row, 6, task, "register with the reactor");
        frame_push(b, FRAME_REGISTER, reactor);
        return;
    }
    bool known = frame_pop(b, FRAME_REGISTER, &frame);
    int64_t result = (int64_t)b->ev->b;
    const char *error = result < 0 && result > -4096 ? strerrorname_np((int)-result) : NULL;
    int reactor = known ? frame.actor : actor_reactor(b);
    struct row *row = say(b, STYLE_REPLY, reactor, actor_now(b), "%s", error ? error : result ? "error" : "ok");
    if (known)
        row_closes(row);
}

static void tell_deregister(struct builder *b)
{
    uint16_t *watches = fd_reactor(b, b->ev->a);

    say(b, STYLE_CALL, actor_now(b), actor_reactor_of(b, *watches), "deregister(fd %" PRIu32 ")", b->ev->a);
    *watches = 0;
}

static const char *turn_limit(struct builder *b)
{
    char text[DESCRIBE_SIZE];

    if ((int64_t)b->ev->b < 0)
        return "no limit";
    if (b->ev->b == 0)
        return "no wait";
    return pool_format(&b->d->pool, "%s", describe_time(b->ev->b, text, sizeof text));
}

/* The end of a turn that only looks and finds nothing; NO_EVENT: it is none. */
static size_t idle_turn_end(const struct builder *b)
{
    const size_t *next = b->survey.next;
    size_t call = b->ev->b == 0 ? next[b->at] : NO_EVENT;
    size_t call_end = call == NO_EVENT ? NO_EVENT : next[call];
    size_t end = call_end == NO_EVENT ? NO_EVENT : next[call_end];

    if (end == NO_EVENT || b->rec->events[call].kind != TRACE_SYSCALL_BEGIN)
        return NO_EVENT;
    const struct event *turn = &b->rec->events[end];
    return turn->kind == TRACE_TURN_END && turn->a == 0 && turn->b == 0 ? end : NO_EVENT;
}

static void tell_turn(struct builder *b)
{
    unsigned owner = survey_epoll_owner(&b->survey, b->at);
    int reactor = actor_reactor_of(b, owner);
    struct frame turn;

    if (b->ev->kind == TRACE_TURN_BEGIN) {
        if (idle_turn_end(b) != NO_EVENT) {
            say(b, STYLE_CALL, actor_executor(b), reactor, "turn(no wait): nothing");
            b->thread->quiet_until = idle_turn_end(b);
            return;
        }
        const struct frame *top = frame_top(b);
        bool parks = top && top->kind == FRAME_PARK && top->row == NO_EVENT;
        actor_lives_here(b, reactor);
        row_opens(say(b, STYLE_CALL, actor_executor(b), reactor, "%sturn(%s)", parks ? "park: " : "", turn_limit(b)));
        frame_push(b, FRAME_TURN, reactor);
        return;
    }
    bool known = frame_pop(b, FRAME_TURN, &turn);
    reactor = known ? turn.actor : reactor;
    struct row *row = known && turn.wakes ? say(b, STYLE_REPLY, reactor, actor_executor(b), "%u woken", turn.wakes)
                                          : say(b, STYLE_REPLY, reactor, actor_executor(b), "nobody to wake");
    if (known)
        row_closes(row);
}

static void tell_timer(struct builder *b)
{
    if (b->ev->kind == TRACE_TIMER_ADD)
        map_put(&b->timer_reactor, b->ev->a, b->ev->thread);
    int reactor = actor_reactor_of(b, timer_reactor(b, b->ev->a));
    char text[DESCRIBE_SIZE];
    uint64_t now = b->rec->start_ns + b->ev->time, deadline = b->ev->b;

    if (b->ev->kind == TRACE_TIMER_ADD)
        say(b, STYLE_CALL, actor_now(b), reactor, "timer %" PRIu32 ": %s%s", b->ev->a,
            deadline > now ? "in " : "due now", deadline > now ? describe_time(deadline - now, text, sizeof text) : "");
    else if (b->ev->kind == TRACE_TIMER_FIRE)
        say(b, STYLE_CALL, reactor, reactor, "timer %" PRIu32 " is due", b->ev->a);
    else
        say(b, STYLE_CALL, actor_now(b), reactor, "cancel timer %" PRIu32, b->ev->a);
}

static void tell_guard(struct builder *b)
{
    int now = actor_now(b);
    uint32_t lock = (uint32_t)b->ev->b;

    if (b->ev->kind == TRACE_GUARD_WAIT)
        say(b, STYLE_CALL, now, now, "lock %" PRIu32 " is taken: waits", lock);
    else if (b->ev->kind == TRACE_GUARD_ACQUIRE)
        say(b, STYLE_CALL, now, now, "takes lock %" PRIu32, lock);
    else
        say(b, STYLE_CALL, now, now, "gives lock %" PRIu32 " back", lock);
}

/* A column, not an arrow. */
static void tell_thread(struct builder *b)
{
    if (b->ev->worker && b->survey.executes[b->ev->thread])
        actor_lives_here(b, actor_executor(b));
}

static void tell_nothing(struct builder *b)
{
    (void)b;
}

static void (*const tellers[])(struct builder *b) = {
    [TRACE_THREAD] = tell_thread,
    [TRACE_READY] = tell_nothing, /* named where epoll_wait returns */
    [TRACE_RUNTIME] = tell_runtime,
    [TRACE_RUNTIME_END] = tell_runtime,
    [TRACE_NOTE] = tell_note,
    [TRACE_FUTURE_NEW] = tell_future_new,
    [TRACE_FUTURE_POLL_BEGIN] = tell_future_poll,
    [TRACE_FUTURE_POLL_END] = tell_future_poll,
    [TRACE_FUTURE_DROP] = tell_future_drop,
    [TRACE_TASK_SPAWN] = tell_spawn,
    [TRACE_TASK_POLL_BEGIN] = tell_poll_begin,
    [TRACE_TASK_POLL_END] = tell_poll_end,
    [TRACE_TASK_ABORT] = tell_task_event,
    [TRACE_TASK_CANCELLED] = tell_task_event,
    [TRACE_TASK_FREE] = tell_task_event,
    [TRACE_BLOCK_ON_BEGIN] = tell_block_on,
    [TRACE_BLOCK_ON_END] = tell_block_on,
    [TRACE_RUN_BEGIN] = tell_run,
    [TRACE_RUN_END] = tell_run,
    [TRACE_JOIN] = tell_join,
    [TRACE_QUEUE_PUSH] = tell_push,
    [TRACE_QUEUE_POP] = tell_pop,
    [TRACE_QUEUE_STEAL] = tell_steal,
    [TRACE_WAKE_BEGIN] = tell_wake,
    [TRACE_WAKE_END] = tell_wake,
    [TRACE_WAIT] = tell_wait,
    [TRACE_WAIT_END] = tell_wait_end,
    [TRACE_PARK_BEGIN] = tell_park,
    [TRACE_PARK_END] = tell_park,
    [TRACE_UNPARK] = tell_unpark,
    [TRACE_REGISTER_BEGIN] = tell_register,
    [TRACE_REGISTER_END] = tell_register,
    [TRACE_DEREGISTER] = tell_deregister,
    [TRACE_TURN_BEGIN] = tell_turn,
    [TRACE_TURN_END] = tell_turn,
    [TRACE_TIMER_ADD] = tell_timer,
    [TRACE_TIMER_FIRE] = tell_timer,
    [TRACE_TIMER_CANCEL] = tell_timer,
    [TRACE_SYSCALL_BEGIN] = tell_call_begin,
    [TRACE_SYSCALL_END] = tell_call_end,
    [TRACE_GUARD_ACQUIRE] = tell_guard,
    [TRACE_GUARD_RELEASE] = tell_guard,
    [TRACE_GUARD_WAIT] = tell_guard,
};

void tell(struct builder *b)
{
    unsigned kind = b->ev->kind;
    struct thread_state *t = b->thread;

    if (t->quiet_until && b->at <= t->quiet_until)
        ; /* told already */
    else if (kind < sizeof tellers / sizeof *tellers && tellers[kind])
        tellers[kind](b);
    else if (event_kind_name(kind))
        b->d->not_drawn += b->shown;
    else
        b->d->unknown++;
}
