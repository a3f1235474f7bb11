#include "scenes.h"

#include <stddef.h>

#define RECV                TRACE_CALL_RECV
#define CTL                 TRACE_CALL_EPOLL_CTL
#define EPOLL               TRACE_CALL_EPOLL_WAIT
#define ARGS(first, second) ((uint64_t)(uint32_t)(first) | (uint64_t)(uint32_t)(second) << 32)
#define FOR_EVER            ((uint64_t)-1)

#define ADD(kind, task, a, b) script_add(s, TRACE_##kind, task, a, (uint64_t)(b))

static void call(struct script *s, unsigned number, uint64_t args, int64_t result)
{
    ADD(SYSCALL_BEGIN, 0, number, args);
    ADD(SYSCALL_END, 0, number, result);
}

static void on_thread(struct script *s, uint16_t thread)
{
    bool known = false;

    s->thread = thread;
    s->worker = 0;
    for (size_t i = 0; i < s->count; i++)
        known |= s->records[i].thread == thread;
    if (!known)
        ADD(THREAD, 0, 1000 + thread, 0);
}

static void spawn(struct script *s, uint32_t task, uint32_t type, uint64_t future, uint32_t queue, uint64_t length)
{
    ADD(FUTURE_NEW, 0, type, future);
    ADD(TASK_SPAWN, task, type, future);
    ADD(QUEUE_PUSH, task, queue, length);
}

static void take(struct script *s, uint32_t task, uint32_t queue, uint64_t left, uint64_t poll)
{
    ADD(QUEUE_POP, task, queue, left);
    ADD(TASK_POLL_BEGIN, task, STATES(Q, R), poll);
}

static void ready(struct script *s, uint32_t task)
{
    ADD(TASK_POLL_END, task, STATES(R, D), 1);
}

static void suspend(struct script *s, uint32_t task)
{
    ADD(TASK_POLL_END, task, STATES(R, 0), 0);
}

static void leave_waker(struct script *s, uint32_t task, uint32_t source, uint64_t number)
{
    ADD(WAKER_CLONE, task, 0, 0);
    ADD(WAIT, 0, source, number);
}

/* A consuming wake of an idle task, from a source. */
static void wake(struct script *s, uint32_t task, uint32_t source, uint64_t number, uint32_t queue, uint64_t length)
{
    ADD(WAIT_END, 0, source, number);
    ADD(WAKE_BEGIN, task, 0, 1);
    ADD(QUEUE_PUSH, task, queue, length);
    ADD(WAKE_END, task, STATES(0, Q), 1);
}

/* ---- stage 01: futures polled by hand, one inside the other */

static void by_hand(struct script *s)
{
    on_thread(s, 1);
    ADD(FUTURE_NEW, 0, 2, 1);
    ADD(FUTURE_NEW, 0, 1, 2);
    ADD(NOTE, 0, 0, 7);
    ADD(FUTURE_POLL_BEGIN, 0, 0, 2);
    ADD(FUTURE_POLL_BEGIN, 0, 0, 1);
    ADD(FUTURE_POLL_END, 0, 0, 1);
    ADD(FUTURE_POLL_END, 0, 0, 2);
    ADD(FUTURE_POLL_BEGIN, 0, 0, 2);
    ADD(FUTURE_POLL_BEGIN, 0, 0, 1);
    ADD(FUTURE_POLL_END, 0, 1, 1);
    ADD(FUTURE_POLL_END, 0, 1, 2);
    ADD(FUTURE_DROP, 0, 1, 2);
    ADD(FUTURE_DROP, 0, 2, 1);
}

/* ---- stage 02: a queue, no wakes; one task is polled twice, one is cancelled at the end */

static void back_to_queue(struct script *s)
{
    on_thread(s, 1);
    ADD(RUNTIME, 0, 2, 0);
    ADD(FUTURE_NEW, 0, 1, 1);
    ADD(BLOCK_ON_BEGIN, 0, 0, 1);
    ADD(TASK_SPAWN, 1, 1, 1);
    ADD(QUEUE_PUSH, 1, 1, 1);
    take(s, 1, 1, 0, 1);
    spawn(s, 2, 2, 2, 1, 1);
    ADD(TASK_POLL_END, 1, STATES(R, Q), 0);
    ADD(QUEUE_PUSH, 1, 1, 2);
    take(s, 2, 1, 1, 1);
    ADD(TASK_POLL_END, 2, STATES(R, Q), 0);
    ADD(QUEUE_PUSH, 2, 1, 2);
    take(s, 1, 1, 1, 2);
    ready(s, 1);
    ADD(TASK_FREE, 1, 0, 0);
    ADD(BLOCK_ON_END, 0, 0, 1);
    ADD(FUTURE_DROP, 0, 1, 1);
    ADD(QUEUE_POP, 2, 1, 0);
    ADD(TASK_CANCELLED, 2, STATES(Q, D), 0);
    ADD(FUTURE_DROP, 0, 2, 2);
    ADD(TASK_FREE, 2, 0, 0);
    ADD(RUNTIME_END, 0, 0, 0);
}

/* ---- stage 03: a parent joins a child that a helper thread wakes; a wake in the middle of a poll; an abort */

static void parent_waits(struct script *s)
{
    on_thread(s, 1);
    ADD(RUNTIME, 0, 3, TRACE_HAS_WAKES);
    ADD(FUTURE_NEW, 0, 1, 1);
    ADD(BLOCK_ON_BEGIN, 0, 0, 1);
    ADD(TASK_SPAWN, 1, 1, 1);
    ADD(QUEUE_PUSH, 1, 1, 1);
    take(s, 1, 1, 0, 1);
    spawn(s, 2, 2, 2, 1, 1);
    leave_waker(s, 1, TRACE_SOURCE_JOIN, 2);
    suspend(s, 1);
}

static void child_sleeps_and_is_woken(struct script *s)
{
    take(s, 2, 1, 0, 1);
    ADD(GUARD_ACQUIRE, 0, 0, 5);
    ADD(GUARD_RELEASE, 0, 0, 5);
    leave_waker(s, 2, TRACE_SOURCE_THREAD, 3);
    ADD(WAKER_CLONE, 2, 0, 0);
    suspend(s, 2);
    ADD(QUEUE_POP, 0, 1, 0);
    ADD(PARK_BEGIN, 0, 0, 0);
    on_thread(s, 2);
    ADD(WAIT_END, 0, TRACE_SOURCE_THREAD, 3);
    ADD(WAKE_BEGIN, 2, 0, 1);
    ADD(QUEUE_PUSH, 2, 2, 1);
    ADD(UNPARK, 0, 0, 0);
    ADD(WAKE_END, 2, STATES(0, Q), 1);
    on_thread(s, 1);
    ADD(PARK_END, 0, 0, 0);
    ADD(QUEUE_POP, 2, 2, 0);
    ADD(QUEUE_PUSH, 2, 1, 1);
}

static void child_is_done(struct script *s)
{
    take(s, 2, 1, 0, 2);
    ADD(WAKE_BEGIN, 2, 0, 1); /* of itself */
    ADD(WAKE_END, 2, STATES(R, R | Q), 1);
    ADD(WAKE_BEGIN, 2, 0, 0); /* again: coalesced */
    ADD(WAKE_END, 2, STATES(R | Q, R | Q), 0);
    ADD(TASK_POLL_END, 2, STATES(R | Q, Q), 0);
    ADD(QUEUE_PUSH, 2, 1, 1);
    take(s, 2, 1, 0, 3);
    ready(s, 2);
    wake(s, 1, TRACE_SOURCE_JOIN, 2, 1, 1);
}

static void wakers(struct script *s)
{
    parent_waits(s);
    child_sleeps_and_is_woken(s);
    child_is_done(s);
    take(s, 1, 1, 0, 2);
    ADD(JOIN, 2, 0, 0);
    ADD(FUTURE_DROP, 0, 2, 2);
    ADD(TASK_FREE, 2, 0, 0);
    ready(s, 1);
    ADD(TASK_FREE, 1, 0, 0);
    ADD(BLOCK_ON_END, 0, 0, 1);
    ADD(FUTURE_DROP, 0, 1, 1);
    ADD(RUNTIME_END, 0, 0, 0);
}

static void aborts(struct script *s)
{
    on_thread(s, 1);
    ADD(RUNTIME, 0, 3, TRACE_HAS_WAKES);
    spawn(s, 1, 3, 1, 1, 1);
    spawn(s, 2, 3, 2, 1, 2);
    ADD(RUN_BEGIN, 0, 0, 1);
    take(s, 1, 1, 1, 1);
    leave_waker(s, 1, TRACE_SOURCE_SYNC, 9);
    suspend(s, 1);
    ADD(QUEUE_PUSH, 1, 1, 2); /* aborted while it sleeps: whoever aborts it queues it */
    ADD(TASK_ABORT, 1, STATES(0, Q | A), 0);
    ADD(TASK_ABORT, 2, STATES(Q, Q | A), 0); /* this one is queued already */
    ADD(QUEUE_POP, 2, 1, 1);
    ADD(TASK_CANCELLED, 2, STATES(Q | A, D | A), 0);
    ADD(FUTURE_DROP, 0, 3, 2);
    ADD(TASK_FREE, 2, 0, 0);
    ADD(QUEUE_POP, 1, 1, 0);
    ADD(TASK_CANCELLED, 1, STATES(Q | A, D | A), 0);
    ADD(WAIT_END, 0, TRACE_SOURCE_SYNC, 9);
    ADD(WAKER_DROP, 1, 0, 0);
    ADD(FUTURE_DROP, 0, 3, 1);
    ADD(TASK_ABORT, 1, STATES(D | A, D | A | Q), 0); /* too late, and harmless */
    ADD(TASK_FREE, 1, 0, 0);
    ADD(RUN_END, 0, 0, 0);
    ADD(RUNTIME_END, 0, 0, 0);
}

/* ---- stage 04: a read that would block, a timer that fires, one that is cancelled, a nudge */

static void would_block(struct script *s)
{
    take(s, 1, 1, 0, 1);
    call(s, RECV, ARGS(5, 100), -11);
    ADD(REGISTER_BEGIN, 0, 5, 1);
    call(s, CTL, ARGS(5, 1), 0);
    ADD(REGISTER_END, 0, 5, 0);
    leave_waker(s, 1, TRACE_SOURCE_READ, 5);
    ADD(TIMER_ADD, 0, 1, 200000);
    leave_waker(s, 1, TRACE_SOURCE_TIMER, 1);
    ADD(TIMER_ADD, 0, 2, 1000);
    suspend(s, 1);
}

static void turn_with_event(struct script *s)
{
    ADD(QUEUE_POP, 0, 1, 0);
    ADD(TURN_BEGIN, 0, 0, 100000);
    call(s, EPOLL, ARGS(3, 100), 1);
    ADD(READY, 0, 5, 1);
    wake(s, 1, TRACE_SOURCE_READ, 5, 1, 1);
    ADD(TIMER_FIRE, 0, 2, 1000);
    ADD(TURN_END, 0, 1, 1);
}

static void turn_with_nudge(struct script *s)
{
    ADD(TURN_BEGIN, 0, 0, FOR_EVER);
    on_thread(s, 2);
    ADD(UNPARK, 0, 0, 0);
    call(s, TRACE_CALL_WRITE, ARGS(4, 8), 8);
    on_thread(s, 1);
    call(s, EPOLL, ARGS(3, -1), 1);
    ADD(TURN_END, 0, 0, 0);
}

static void reads_and_is_done(struct script *s)
{
    take(s, 1, 1, 0, 2);
    call(s, RECV, ARGS(5, 100), 42);
    ADD(TIMER_CANCEL, 0, 1, 0);
    ADD(WAIT_END, 0, TRACE_SOURCE_TIMER, 1);
    ADD(WAKER_DROP, 1, 0, 0);
    ADD(DEREGISTER, 0, 5, 1);
    call(s, CTL, ARGS(5, 2), 0);
    call(s, TRACE_CALL_CLOSE, ARGS(5, 0), 0);
    ready(s, 1);
    ADD(FUTURE_DROP, 0, 3, 1);
    ADD(TASK_FREE, 1, 0, 0);
}

static void reactor(struct script *s)
{
    on_thread(s, 1);
    ADD(RUNTIME, 0, 4, TRACE_HAS_WAKES | TRACE_HAS_REACTOR);
    spawn(s, 1, 3, 1, 1, 1);
    ADD(RUN_BEGIN, 0, 0, 0);
    would_block(s);
    turn_with_nudge(s);
    turn_with_event(s);
    reads_and_is_done(s);
    ADD(RUN_END, 0, 0, 0);
    ADD(RUNTIME_END, 0, 0, 0);
}

/* ---- stage 05: main is blocked on a parent, which worker 1 runs; its child runs there too, and is woken by worker 2,
 * whose own task reads from a socket. Threads 2 and 3 are workers 1 and 2. Queue 1 is the injection queue; each worker
 * has a local and a remote one: 2 and 3, 4 and 5. */

static void on_worker(struct script *s, uint16_t worker)
{
    bool known = false;

    for (size_t i = 0; i < s->count; i++)
        known |= s->records[i].worker == worker;
    s->thread = worker + 1;
    s->worker = worker;
    if (!known)
        ADD(THREAD, 0, 1000 + s->thread, 0);
}

static void move(struct script *s, uint32_t task, uint32_t from, uint64_t left, uint32_t to, uint64_t length)
{
    ADD(QUEUE_POP, task, from, left);
    ADD(QUEUE_PUSH, task, to, length);
}

static void nudge(struct script *s, int fd)
{
    ADD(UNPARK, 0, 0, 0);
    call(s, TRACE_CALL_WRITE, ARGS(fd, 8), 8);
}

static void make_reactor(struct script *s, int epoll, int eventfd)
{
    call(s, TRACE_CALL_EPOLL_CREATE, 0, epoll);
    call(s, TRACE_CALL_EVENTFD, 0, eventfd);
    call(s, CTL, ARGS(eventfd, 1), 0);
}

static void sleep_in_reactor(struct script *s, int epoll)
{
    ADD(TURN_BEGIN, 0, 0, FOR_EVER);
    ADD(SYSCALL_BEGIN, 0, EPOLL, ARGS(epoll, -1));
}

static void is_nudged(struct script *s)
{
    ADD(SYSCALL_END, 0, EPOLL, 1);
    ADD(TURN_END, 0, 0, 0);
}

static void start_watching(struct script *s, int fd)
{
    ADD(REGISTER_BEGIN, 0, fd, 0);
    call(s, CTL, ARGS(fd, 1), 0);
    ADD(REGISTER_END, 0, fd, 0);
}

static void stop_watching(struct script *s, int fd)
{
    ADD(DEREGISTER, 0, fd, 0);
    call(s, CTL, ARGS(fd, 2), 0);
    call(s, TRACE_CALL_CLOSE, ARGS(fd, 0), 0);
}

static void main_blocks(struct script *s)
{
    on_thread(s, 1);
    ADD(RUNTIME, 0, 5, TRACE_HAS_WAKES | TRACE_HAS_REACTOR | TRACE_HAS_WORKERS);
    make_reactor(s, 6, 7);
    make_reactor(s, 8, 9);
    ADD(FUTURE_NEW, 0, 1, 1);
    ADD(BLOCK_ON_BEGIN, 0, 0, 1);
    ADD(TASK_SPAWN, 1, 1, 1);
    ADD(QUEUE_PUSH, 1, 1, 1);
    ADD(WAIT, 0, TRACE_SOURCE_JOIN, 1); /* its waker is no task's */
    ADD(PARK_BEGIN, 0, 0, 0);
}

static void parent_spawns(struct script *s)
{
    on_worker(s, 1);
    move(s, 1, 1, 0, 2, 1);
    take(s, 1, 2, 0, 1);
    spawn(s, 2, 2, 2, 2, 1);
    leave_waker(s, 1, TRACE_SOURCE_JOIN, 2);
    suspend(s, 1);
    take(s, 2, 2, 0, 1);
    leave_waker(s, 2, TRACE_SOURCE_SYNC, 9);
    suspend(s, 2);
    ADD(QUEUE_POP, 0, 2, 0);
    sleep_in_reactor(s, 6);
}

static void helper_spawns(struct script *s)
{
    on_worker(s, 2);
    ADD(QUEUE_POP, 0, 4, 0);
    sleep_in_reactor(s, 8);
    on_thread(s, 4);
    spawn(s, 3, 3, 3, 1, 1);
    nudge(s, 9);
    on_worker(s, 2);
    is_nudged(s);
    move(s, 3, 1, 0, 4, 1);
    take(s, 3, 4, 0, 1);
    start_watching(s, 12);
    leave_waker(s, 3, TRACE_SOURCE_READ, 12);
    suspend(s, 3);
}

static void the_other_worker_wakes(struct script *s)
{
    ADD(TURN_BEGIN, 0, 0, FOR_EVER);
    call(s, EPOLL, ARGS(8, -1), 1);
    ADD(READY, 0, 12, 1);
    wake(s, 3, TRACE_SOURCE_READ, 12, 4, 1);
    ADD(TURN_END, 0, 1, 0);
    take(s, 3, 4, 0, 2);
    stop_watching(s, 12);
    ADD(WAIT_END, 0, TRACE_SOURCE_SYNC, 9);
    ADD(WAKE_BEGIN, 2, 0, 1);
    ADD(QUEUE_PUSH, 2, 3, 1);
    nudge(s, 7);
    ADD(WAKE_END, 2, STATES(0, Q), 1);
    ready(s, 3);
    ADD(FUTURE_DROP, 0, 3, 3);
    ADD(TASK_FREE, 3, 0, 0);
}

static void child_ends_and_parent(struct script *s)
{
    on_worker(s, 1);
    is_nudged(s);
    move(s, 2, 3, 0, 2, 1);
    take(s, 2, 2, 0, 2);
    start_watching(s, 12); /* the number is free again, and may be watched by another reactor */
    stop_watching(s, 12);
    ready(s, 2);
    wake(s, 1, TRACE_SOURCE_JOIN, 2, 2, 1);
    take(s, 1, 2, 0, 2);
    ADD(JOIN, 2, 0, 0);
    ADD(FUTURE_DROP, 0, 2, 2);
    ADD(TASK_FREE, 2, 0, 0);
    ready(s, 1);
    ADD(WAIT_END, 0, TRACE_SOURCE_JOIN, 1);
    ADD(UNPARK, 0, 0, 0);
}

static void workers(struct script *s)
{
    main_blocks(s);
    parent_spawns(s);
    helper_spawns(s);
    the_other_worker_wakes(s);
    child_ends_and_parent(s);
    on_thread(s, 1);
    ADD(PARK_END, 0, 0, 0);
    ADD(TASK_FREE, 1, 0, 0);
    ADD(BLOCK_ON_END, 0, 0, 1);
    ADD(FUTURE_DROP, 0, 1, 1);
    for (int fd = 9; fd >= 6; fd--)
        call(s, TRACE_CALL_CLOSE, ARGS(fd, 0), 0);
    ADD(RUNTIME_END, 0, 0, 0);
}

/* ---- stage 06: a worker holds the tasks that it spawns and those that yield, and the other steals them */

#define LIFO  2 /* queues of worker 1; worker 2 has 4 */
#define LOCAL 3

static void begin_stealing(struct script *s)
{
    on_thread(s, 1);
    ADD(RUNTIME, 0, 6, TRACE_HAS_WAKES | TRACE_HAS_REACTOR | TRACE_HAS_WORKERS | TRACE_HAS_STEALING);
    make_reactor(s, 6, 7);
    spawn(s, 1, 3, 1, 1, 1);
    on_worker(s, 1);
    ADD(QUEUE_POP, 1, 1, 0);
    ADD(TASK_POLL_BEGIN, 1, STATES(R, R), 1);
}

static void steals(struct script *s)
{
    begin_stealing(s);
    ADD(FUTURE_NEW, 0, 2, 2);
    ADD(TASK_SPAWN, 2, 2, 2);
    ADD(QUEUE_PUSH, 2, LIFO, 1);
    ADD(FUTURE_NEW, 0, 3, 3);
    ADD(TASK_SPAWN, 3, 3, 3);
    move(s, 2, LIFO, 0, LOCAL, 1); /* out of the slot: the newest runs next */
    ADD(QUEUE_PUSH, 3, LIFO, 1);
    on_worker(s, 2);
    ADD(QUEUE_STEAL, 2, LOCAL, 4);
    ADD(QUEUE_POP, 2, 4, 0);
    ADD(TASK_POLL_BEGIN, 2, STATES(R, R), 1);
    leave_waker(s, 2, TRACE_SOURCE_SYNC, 5);
    ADD(WAKE_BEGIN, 2, 0, 0); /* it yields: nothing to mark, as it is held */
    ADD(WAKE_END, 2, STATES(R, R), 0);
    ADD(TASK_POLL_END, 2, STATES(R, R), 0);
    ADD(QUEUE_PUSH, 2, 4, 1);
    on_worker(s, 1);
    ADD(WAIT_END, 0, TRACE_SOURCE_SYNC, 5);
    ADD(WAKE_BEGIN, 2, 0, 1); /* while it is held: a mark, and nobody queues it */
    ADD(WAKE_END, 2, STATES(R, R | Q), 1);
    ready(s, 1);
    ADD(FUTURE_DROP, 0, 3, 1);
    ADD(TASK_FREE, 1, 0, 0);
    on_worker(s, 2);
    ADD(QUEUE_POP, 2, 4, 0);
    ADD(TASK_POLL_BEGIN, 2, STATES(R | Q, R), 2);
    ready(s, 2);
    ADD(FUTURE_DROP, 0, 2, 2);
    ADD(TASK_FREE, 2, 0, 0);
    on_worker(s, 1);
    ADD(TASK_ABORT, 3, STATES(R, R | Q | A), 0);
    ADD(QUEUE_POP, 3, LIFO, 0);
    ADD(TASK_CANCELLED, 3, STATES(R | Q | A, A | D), 0);
    ADD(FUTURE_DROP, 0, 3, 3);
    ADD(TASK_FREE, 3, 0, 0);
    on_thread(s, 1);
    ADD(RUNTIME_END, 0, 0, 0);
}

/* A task waits in worker 1's reactor, whose turn worker 2 makes; there it is polled, waits again, and is woken by the
 * push of which another task makes room; then it is woken during its poll, and aborted in the one after. */
static void steals_readiness(struct script *s)
{
    begin_stealing(s);
    start_watching(s, 12);
    leave_waker(s, 1, TRACE_SOURCE_READ, 12);
    suspend(s, 1);
    ADD(TURN_BEGIN, 0, 0, 0);
    call(s, EPOLL, ARGS(6, 0), 0);
    ADD(TURN_END, 0, 0, 0);
    on_worker(s, 2);
    ADD(TURN_BEGIN, 0, 0, 0);
    call(s, EPOLL, ARGS(6, 0), 1);
    ADD(READY, 0, 12, 1);
    wake(s, 1, TRACE_SOURCE_READ, 12, 4, 1);
    ADD(TURN_END, 0, 1, 0);
    take(s, 1, 4, 0, 2);
    leave_waker(s, 1, TRACE_SOURCE_READ, 12);
    suspend(s, 1);
    on_worker(s, 1);
    spawn(s, 2, 2, 2, LIFO, 1);
    ADD(TURN_BEGIN, 0, 0, 0);
    call(s, EPOLL, ARGS(6, 0), 1);
    ADD(READY, 0, 12, 1);
    ADD(WAIT_END, 0, TRACE_SOURCE_READ, 12);
    ADD(WAKE_BEGIN, 1, 0, 1);
    ADD(QUEUE_STEAL, 2, LIFO, LOCAL);
    ADD(QUEUE_PUSH, 1, LIFO, 1);
    ADD(WAKE_END, 1, STATES(0, Q), 1);
    ADD(TURN_END, 0, 1, 0);
    take(s, 1, LIFO, 0, 3);
    ADD(WAKER_CLONE, 1, 0, 0);
    on_thread(s, 4);
    ADD(WAKE_BEGIN, 1, 0, 1);
    ADD(WAKE_END, 1, STATES(R, R | Q), 1);
    on_worker(s, 1);
    ADD(TASK_POLL_END, 1, STATES(R | Q, R), 0); /* back into a queue: the mark is used up */
    ADD(QUEUE_PUSH, 1, LOCAL, 2);
    ADD(QUEUE_POP, 1, LOCAL, 1);
    ADD(TASK_POLL_BEGIN, 1, STATES(R, R), 4);
    on_thread(s, 4);
    ADD(TASK_ABORT, 1, STATES(R, R | A), 0);
    on_worker(s, 1);
    ADD(TASK_POLL_END, 1, STATES(R | A, R | A), 0);
    ADD(TASK_CANCELLED, 1, STATES(R | A, A | D), 0);
    stop_watching(s, 12);
    ADD(FUTURE_DROP, 0, 3, 1);
    ADD(TASK_FREE, 1, 0, 0);
    ADD(QUEUE_POP, 2, LOCAL, 0);
    ADD(TASK_POLL_BEGIN, 2, STATES(R, R), 1);
    ready(s, 2);
    ADD(FUTURE_DROP, 0, 2, 2);
    ADD(TASK_FREE, 2, 0, 0);
    on_thread(s, 1);
    ADD(RUNTIME_END, 0, 0, 0);
}

/* Whoever wakes or aborts a task that is idle holds it at once, until it is in a queue. */
static void holds_at_once(struct script *s)
{
    begin_stealing(s);
    leave_waker(s, 1, TRACE_SOURCE_SYNC, 5);
    suspend(s, 1);
    on_worker(s, 2);
    ADD(WAIT_END, 0, TRACE_SOURCE_SYNC, 5);
    ADD(WAKE_BEGIN, 1, 0, 1);
    ADD(QUEUE_PUSH, 1, 4, 1);
    ADD(WAKE_END, 1, STATES(0, R), 1);
    ADD(QUEUE_POP, 1, 4, 0);
    ADD(TASK_POLL_BEGIN, 1, STATES(R, R), 2);
    leave_waker(s, 1, TRACE_SOURCE_SYNC, 5);
    suspend(s, 1);
    on_thread(s, 1);
    ADD(QUEUE_PUSH, 1, 1, 1);
    ADD(TASK_ABORT, 1, STATES(0, R | A), 0);
    on_worker(s, 1);
    ADD(QUEUE_POP, 1, 1, 0);
    ADD(TASK_CANCELLED, 1, STATES(R | A, A | D), 0);
    ADD(FUTURE_DROP, 0, 3, 1);
    ADD(WAIT_END, 0, TRACE_SOURCE_SYNC, 5);
    ADD(WAKER_DROP, 1, 0, 0);
    ADD(TASK_FREE, 1, 0, 0);
    on_thread(s, 1);
    ADD(RUNTIME_END, 0, 0, 0);
}

/* ---- stage 07: two threads and a lock; then both share another one */

#define SHARE(thread, lock) ((uint64_t)(thread) << 32 | (lock))

static void locks(struct script *s)
{
    on_thread(s, 1);
    ADD(GUARD_ACQUIRE, 0, 0, 5);
    on_thread(s, 2);
    ADD(GUARD_WAIT, 0, 0, 5);
    ADD(SYSCALL_BEGIN, 0, TRACE_CALL_FUTEX_WAIT, ARGS(0, 2));
    on_thread(s, 1);
    ADD(GUARD_RELEASE, 0, 0, 5);
    call(s, TRACE_CALL_FUTEX_WAKE, ARGS(0, 1), 1);
    on_thread(s, 2);
    ADD(SYSCALL_END, 0, TRACE_CALL_FUTEX_WAIT, 0);
    ADD(GUARD_ACQUIRE, 0, 0, 5);
    ADD(GUARD_RELEASE, 0, 0, 5);
    ADD(GUARD_ACQUIRE, 0, 0, SHARE(2, 6));
    on_thread(s, 1);
    ADD(GUARD_ACQUIRE, 0, 0, SHARE(1, 6));
    ADD(GUARD_RELEASE, 0, 0, SHARE(1, 6));
    on_thread(s, 2);
    ADD(GUARD_RELEASE, 0, 0, SHARE(2, 6));
}

const struct scene scenes[] = {
    {"by_hand", by_hand},
    {"back_to_queue", back_to_queue},
    {"wakers", wakers},
    {"aborts", aborts},
    {"reactor", reactor},
    {"workers", workers},
    {"steals", steals},
    {"steals_readiness", steals_readiness},
    {"holds_at_once", holds_at_once},
    {"locks", locks},
    {NULL, NULL},
};
