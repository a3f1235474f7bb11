/* Breaks one rule, on purpose: `breaker RULE` records a run in which exactly that is wrong, and prints the task and the
 * line that `check` has to name. Without a rule it lists those that it can break. */
#include "../../trace/trace.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define Q TRACE_STATE_QUEUED
#define R TRACE_STATE_RUNNING
#define D TRACE_STATE_DONE
#define A TRACE_STATE_ABORTED

/* The event that breaks the rule: its task, and this line, are what is to be found. */
#define BREAK(kind, task, a, b)                                                                                        \
    do {                                                                                                               \
        printf("%d %d\n", task, __LINE__);                                                                             \
        TRACE(kind, task, a, b);                                                                                       \
    } while (0)
#define EXPECT(task, line) printf("%d %d\n", task, line)

static uint32_t type_site;

static void make(uint64_t future)
{
    TRACE(FUTURE_NEW, 0, type_site, future);
}

static void drop(uint64_t future)
{
    TRACE(FUTURE_DROP, 0, type_site, future);
}

static void begin_runtime(unsigned features)
{
    TRACE(RUNTIME, 0, 3, features);
}

static void end_runtime(void)
{
    TRACE(RUNTIME_END, 0, 0, 0);
}

static void spawn(uint32_t task)
{
    make(task);
    TRACE(TASK_SPAWN, task, type_site, task);
    TRACE(QUEUE_PUSH, task, 1, 1);
}

static void take(uint32_t task, uint64_t poll)
{
    TRACE(QUEUE_POP, task, 1, 0);
    TRACE(TASK_POLL_BEGIN, task, TRACE_STATES(Q, R), poll);
}

static void finish(uint32_t task)
{
    TRACE(TASK_POLL_END, task, TRACE_STATES(R, D), 1);
    drop(task);
    TRACE(TASK_FREE, task, 0, 0);
}

static void start_task(unsigned features)
{
    begin_runtime(features);
    spawn(1);
    take(1, 1);
}

/* ---- one function a rule */

static void break_thread(void)
{
    TRACE(NOTE, 0, 0, 0);
    BREAK(THREAD, 0, 5, 0);
}

static void break_nesting(void)
{
    make(1);
    make(2);
    TRACE(FUTURE_POLL_BEGIN, 0, 0, 1);
    TRACE(FUTURE_POLL_BEGIN, 0, 0, 2);
    BREAK(FUTURE_POLL_END, 0, 0, 1);
    drop(1);
    drop(2);
}

static void break_format(void)
{
    BREAK(UNPARK, 0, 17, 0);
}

static void break_spawned(void)
{
    begin_runtime(TRACE_HAS_WAKES);
    BREAK(QUEUE_PUSH, 4, 1, 1);
    end_runtime();
}

static void break_after_free(void)
{
    start_task(TRACE_HAS_WAKES);
    finish(1);
    BREAK(WAKER_CLONE, 1, 0, 0);
    end_runtime();
}

static void break_poll_after_ready(void)
{
    make(1);
    TRACE(FUTURE_POLL_BEGIN, 0, 0, 1);
    TRACE(FUTURE_POLL_END, 0, 1, 1);
    BREAK(FUTURE_POLL_BEGIN, 0, 0, 1);
    TRACE(FUTURE_POLL_END, 0, 1, 1);
    drop(1);
}

static void *poll_too(void *unused)
{
    (void)unused;
    BREAK(TASK_POLL_BEGIN, 1, TRACE_STATES(Q, R), 2);
    TRACE(TASK_POLL_END, 1, TRACE_STATES(R, 0), 0);
    return NULL;
}

static void break_one_poll(void)
{
    pthread_t thread;

    start_task(TRACE_HAS_WAKES);
    if (pthread_create(&thread, NULL, poll_too, NULL) == 0)
        pthread_join(thread, NULL);
    finish(1);
    end_runtime();
}

static void break_taken(void)
{
    begin_runtime(TRACE_HAS_WAKES);
    spawn(1);
    BREAK(TASK_POLL_BEGIN, 1, TRACE_STATES(Q, R), 1);
    finish(1);
    end_runtime();
}

static void break_poll_without_wake(void)
{
    start_task(TRACE_HAS_WAKES);
    TRACE(WAKER_CLONE, 1, 0, 0);
    TRACE(TASK_POLL_END, 1, TRACE_STATES(R, 0), 0);
    BREAK(QUEUE_PUSH, 1, 1, 1);
    take(1, 2);
    TRACE(WAKER_DROP, 1, 0, 0);
    finish(1);
    end_runtime();
}

static void break_lost_wake(void)
{
    start_task(TRACE_HAS_WAKES);
    TRACE(WAKER_CLONE, 1, 0, 0);
    TRACE(WAKE_BEGIN, 1, 0, 1);
    TRACE(WAKE_END, 1, TRACE_STATES(R, R | Q), 1);
    BREAK(TASK_POLL_END, 1, TRACE_STATES(R | Q, 0), 0);
    end_runtime();
}

static void break_pending_without_waker(void)
{
    start_task(TRACE_HAS_WAKES);
    BREAK(TASK_POLL_END, 1, TRACE_STATES(R, 0), 0);
    end_runtime();
}

static void break_poll_number(void)
{
    begin_runtime(TRACE_HAS_WAKES);
    spawn(1);
    TRACE(QUEUE_POP, 1, 1, 0);
    BREAK(TASK_POLL_BEGIN, 1, TRACE_STATES(Q, R), 7);
    finish(1);
    end_runtime();
}

static void break_one_queue(void)
{
    begin_runtime(TRACE_HAS_WAKES);
    spawn(1);
    TRACE(WAKER_CLONE, 1, 0, 0);
    TRACE(WAKE_BEGIN, 1, 0, 1);
    BREAK(QUEUE_PUSH, 1, 1, 2);
    TRACE(WAKE_END, 1, TRACE_STATES(Q, Q), 1);
    take(1, 1);
    finish(1);
    end_runtime();
}

static void break_states(void)
{
    start_task(TRACE_HAS_WAKES);
    BREAK(TASK_POLL_END, 1, TRACE_STATES(R, D | Q), 1);
    drop(1);
    TRACE(TASK_FREE, 1, 0, 0);
    end_runtime();
}

static void break_queue(void)
{
    begin_runtime(TRACE_HAS_WAKES);
    spawn(1);
    BREAK(QUEUE_POP, 1, 2, 0);
    TRACE(TASK_POLL_BEGIN, 1, TRACE_STATES(Q, R), 1);
    finish(1);
    end_runtime();
}

static void break_steal(void)
{
    begin_runtime(TRACE_HAS_WAKES | TRACE_HAS_WORKERS | TRACE_HAS_STEALING);
    spawn(1);
    BREAK(QUEUE_STEAL, 1, 2, 3);
    TRACE(QUEUE_POP, 1, 3, 0);
    TRACE(TASK_POLL_BEGIN, 1, TRACE_STATES(Q, R), 1);
    finish(1);
    end_runtime();
}

static void break_waits(void)
{
    start_task(TRACE_HAS_WAKES);
    EXPECT(1, __LINE__ + 1);
    TRACE(WAIT, 0, TRACE_SOURCE_TIMER, 3);
    finish(1);
    end_runtime();
}

static void break_wakers(void)
{
    start_task(TRACE_HAS_WAKES);
    TRACE(WAKER_CLONE, 1, 0, 0);
    TRACE(TASK_POLL_END, 1, TRACE_STATES(R, D), 1);
    drop(1);
    BREAK(TASK_FREE, 1, 0, 0);
    end_runtime();
}

static void break_futures(void)
{
    make(1);
    drop(1);
    BREAK(FUTURE_DROP, 0, type_site, 1);
}

static void break_join(void)
{
    start_task(TRACE_HAS_WAKES);
    BREAK(JOIN, 1, 0, 0);
    finish(1);
    end_runtime();
}

static void break_block_on(void)
{
    begin_runtime(TRACE_HAS_WAKES);
    make(1);
    TRACE(BLOCK_ON_BEGIN, 0, 0, 1);
    TRACE(TASK_SPAWN, 1, type_site, 1);
    TRACE(QUEUE_PUSH, 1, 1, 1);
    EXPECT(1, __LINE__ + 1);
    TRACE(BLOCK_ON_END, 0, 0, 1);
    take(1, 1);
    finish(1);
    end_runtime();
}

static void break_registration(void)
{
    start_task(TRACE_HAS_WAKES | TRACE_HAS_REACTOR);
    TRACE(WAKER_CLONE, 1, 0, 0);
    EXPECT(1, __LINE__ + 1);
    TRACE(WAIT, 0, TRACE_SOURCE_READ, 5);
    TRACE(WAIT_END, 0, TRACE_SOURCE_READ, 5);
    TRACE(WAKER_DROP, 1, 0, 0);
    finish(1);
    end_runtime();
}

static void break_turn(void)
{
    begin_runtime(TRACE_HAS_WAKES | TRACE_HAS_REACTOR);
    TRACE(TURN_BEGIN, 0, 0, 0);
    TRACE(SYSCALL_BEGIN, 0, TRACE_CALL_EPOLL_WAIT, TRACE_ARGS(3, 0));
    TRACE(SYSCALL_END, 0, TRACE_CALL_EPOLL_WAIT, 0);
    BREAK(TURN_END, 0, 3, 0);
    end_runtime();
}

static void break_timers(void)
{
    uint64_t in_an_hour = trace_now() + 3600000000000;

    begin_runtime(TRACE_HAS_WAKES | TRACE_HAS_REACTOR);
    TRACE(TIMER_ADD, 0, 1, in_an_hour);
    TRACE(TURN_BEGIN, 0, 0, 0);
    BREAK(TIMER_FIRE, 0, 1, in_an_hour);
    TRACE(TURN_END, 0, 0, 1);
    end_runtime();
}

static void break_locks(void)
{
    BREAK(GUARD_RELEASE, 0, 0, 9);
}

static void break_park(void)
{
    begin_runtime(TRACE_HAS_WAKES);
    TRACE(PARK_BEGIN, 0, 0, 0);
    BREAK(PARK_END, 0, 0, 0);
    end_runtime();
}

static void break_deadlock(void)
{
    begin_runtime(TRACE_HAS_WAKES);
    for (uint32_t task = 1; task <= 2; task++) {
        spawn(task);
        take(task, 1);
        TRACE(WAKER_CLONE, task, 0, 0);
        TRACE(WAIT, 0, TRACE_SOURCE_JOIN, 3 - task);
        TRACE(TASK_POLL_END, task, TRACE_STATES(R, 0), 0);
    }
    EXPECT(1, __LINE__ - 2);
    fflush(stdout);
    abort(); /* as a grader's timeout would */
}

static void break_not_dropped(void)
{
    start_task(TRACE_HAS_WAKES);
    TRACE(TASK_POLL_END, 1, TRACE_STATES(R, D), 1);
    TRACE(TASK_FREE, 1, 0, 0);
    BREAK(FUTURE_NEW, 0, type_site, 2);
    drop(1);
    end_runtime();
}

static void break_runtime(void)
{
    BREAK(RUNTIME, 0, 2, 0);
}

static void break_unfinished(void)
{
    BREAK(GUARD_ACQUIRE, 0, 0, 1);
}

static const struct {
    const char *rule;
    void (*break_it)(void);
} breaches[] = {
    {"thread", break_thread},
    {"nesting", break_nesting},
    {"format", break_format},
    {"spawned", break_spawned},
    {"after-free", break_after_free},
    {"poll-after-ready", break_poll_after_ready},
    {"one-poll", break_one_poll},
    {"taken", break_taken},
    {"poll-without-wake", break_poll_without_wake},
    {"lost-wake", break_lost_wake},
    {"pending-without-waker", break_pending_without_waker},
    {"poll-number", break_poll_number},
    {"one-queue", break_one_queue},
    {"states", break_states},
    {"queue", break_queue},
    {"steal", break_steal},
    {"waits", break_waits},
    {"wakers", break_wakers},
    {"futures", break_futures},
    {"join", break_join},
    {"block-on", break_block_on},
    {"registration", break_registration},
    {"turn", break_turn},
    {"timers", break_timers},
    {"locks", break_locks},
    {"park", break_park},
    {"deadlock", break_deadlock},
    {"not-dropped", break_not_dropped},
    {"runtime", break_runtime},
    {"unfinished", break_unfinished},
};

int main(int argc, char **argv)
{
    type_site = trace_site_number(SITE("broken"));
    for (size_t i = 0; i < sizeof breaches / sizeof *breaches; i++) {
        if (argc < 2)
            puts(breaches[i].rule);
        else if (strcmp(breaches[i].rule, argv[1]) == 0)
            breaches[i].break_it();
    }
    return 0;
}
