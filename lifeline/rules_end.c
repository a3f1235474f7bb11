/* Rules about what had not happened when the recording ended. */
#include "describe.h"
#include "memory.h"
#include "rules.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Still to be polled: in a queue, or marked for one. */
static bool awaits_poll(const struct model_task *task)
{
    return task->ended == NO_EVENT && task->woken && !task->polled_by;
}

static bool runtime_ended(const struct check *c, const struct model_task *task)
{
    return task->runtime != MAP_NONE && c->m.runtimes[task->runtime].ended != NO_EVENT;
}

/* Asleep until somebody wakes it, with no limit of time: parked, or in a turn of the reactor. */
static bool thread_sleeps(const struct check *c, uint32_t thread)
{
    const struct model_frame *top = model_top(&c->m, thread);
    bool unparked = top && c->m.last_unpark != NO_EVENT && c->m.last_unpark > top->event;
    bool inside = model_inside(&c->m, thread, TRACE_PARK_BEGIN) || model_inside(&c->m, thread, TRACE_TURN_BEGIN);

    if (!inside || unparked)
        return false;
    if (top->kind == TRACE_SYSCALL_BEGIN)
        return top->a == TRACE_CALL_FUTEX_WAIT || (top->a == TRACE_CALL_EPOLL_WAIT && (int64_t)top->b < 0);
    return top->kind == TRACE_PARK_BEGIN;
}

/* Every thread that takes tasks from queues is asleep, nobody is about to wake one, and yet the task lies there. */
static bool nobody_will_take(const struct check *c, const struct model_task *task)
{
    bool any = false;

    for (uint32_t i = 0; i <= c->rec->threads; i++) {
        bool takes = c->m.threads[i].takes;

        if (model_inside(&c->m, i, TRACE_WAKE_BEGIN) || (takes && !thread_sleeps(c, i)))
            return false;
        any |= takes;
    }
    return any && task->queue != NO_QUEUE && c->m.threads[task->pushed_by].last_event != task->pushed;
}

static const char *wake_words(const struct check *c, const struct model_task *task, char *to, size_t size)
{
    const char *verb = task->last_woken == task->spawned                           ? "spawned"
                       : c->rec->events[task->last_woken].kind == TRACE_TASK_ABORT ? "aborted"
                                                                                   : "woken";
    if (task->queue == NO_QUEUE)
        snprintf(to, size, "task %u was %s here, but never polled after that: it is in no queue", task->number, verb);
    else
        snprintf(to, size, "task %u was %s here, but never polled after that: it still lies in queue %u", task->number,
                 verb, task->queue);
    return to;
}

void rule_lost_wake_end(struct check *c)
{
    char words[160];

    for (uint32_t i = 0; i < c->m.task_count; i++) {
        const struct model_task *task = &c->m.tasks[i];
        bool over = c->complete || runtime_ended(c, task);

        if (awaits_poll(task) && (over || nobody_will_take(c, task)))
            complain(c, task->last_woken, task->number, "%s", wake_words(c, task, words, sizeof words));
    }
}

static void tasks_not_dropped(struct check *c)
{
    for (uint32_t i = 0; i < c->m.task_count; i++) {
        const struct model_task *task = &c->m.tasks[i];

        if (task->ended == NO_EVENT && (c->complete || runtime_ended(c, task)))
            complain(c, task->spawned, task->number, "task %u, spawned here, was still alive when its runtime ended",
                     task->number);
        else if (task->ended != NO_EVENT && task->freed == NO_EVENT && c->complete)
            complain(c, task->spawned, task->number,
                     "task %u, spawned here, is done, but its memory was never given "
                     "back: somebody still holds a share of it",
                     task->number);
    }
}

/* A timer belongs to a future, and when that is dropped the timer goes with it. */
static void timers_not_dropped(struct check *c)
{
    for (uint32_t i = 0; i < c->m.timer_count && c->complete; i++)
        if (c->m.timers[i].pending)
            complain(c, c->m.timers[i].added, 0, "timer %u, added here, neither fired nor was cancelled",
                     c->m.timers[i].number);
}

void rule_not_dropped_end(struct check *c)
{
    tasks_not_dropped(c);
    timers_not_dropped(c);
    for (uint32_t i = 0; i < c->m.future_count && c->complete; i++) {
        const struct model_future *future = &c->m.futures[i];

        if (future->dropped == NO_EVENT)
            complain(c, future->made, future->task, "future %llu (%s), made here, was never dropped",
                     (unsigned long long)future->number, recording_place(c->rec, future->type)->label);
    }
}

/* ---- deadlock: tasks that only one another could wake */

/* For each task the task whose end it waits for, as an index; MAP_NONE: something else could wake it, or it runs. */
static uint32_t *joins_of(const struct check *c)
{
    uint32_t *joins = memory_array(c->m.task_count, sizeof *joins);

    for (uint32_t i = 0; i < c->m.task_count; i++)
        joins[i] = MAP_NONE;
    for (uint32_t i = 0; i < c->m.wait_count; i++) {
        const struct model_wait *wait = &c->m.waits[i];
        const struct model_task *task = wait->task_index == MAP_NONE ? NULL : &c->m.tasks[wait->task_index];
        bool only_one = task && !wait->over && wait->source == TRACE_SOURCE_JOIN && task->wakers == 1;

        if (only_one && task->ended == NO_EVENT && !task->woken && !task->polled_by && !task->wakes_begun)
            joins[wait->task_index] = map_get(&c->m.task_map, wait->number);
    }
    return joins;
}

static bool in_cycle(const uint32_t *joins, uint32_t count, uint32_t start)
{
    uint32_t at = joins[start];

    for (uint32_t steps = 0; at != MAP_NONE && at != start && steps < count; steps++)
        at = joins[at];
    return at == start;
}

/* "task 2 waits for task 3, which waits for task 2", and marks them as told. */
static void tell_cycle(struct check *c, uint32_t *joins, uint32_t start)
{
    const struct model_task *first = &c->m.tasks[start];
    char words[300];
    size_t used = (size_t)snprintf(words, sizeof words, "task %u", first->number);
    uint32_t at = start;

    do {
        uint32_t next = joins[at];

        if (used < sizeof words)
            used += (size_t)snprintf(words + used, sizeof words - used, "%s waits for the end of task %u",
                                     at == start ? "" : ", which", c->m.tasks[next].number);
        joins[at] = MAP_NONE;
        at = next;
    } while (at != start);
    complain(c, first->last_pending == NO_EVENT ? first->last_event : first->last_pending, first->number,
             "%s: none of them can ever go on", words);
}

/* ---- threads that only one another could let go on */

/* Whether the thread that took the lock is the one to give it back: not where a task took it, and was suspended. */
static bool holds_on(const struct check *c, const struct model_lock *lock)
{
    const struct model_task *task = lock->task ? model_task(&c->m, lock->task) : NULL;

    return lock->holder && (!task || task->polled_by == lock->holder);
}

/* For each thread another one that holds the lock that it waits for, and that waits for one itself; or MAP_NONE. */
static uint32_t *blockers_of(const struct check *c)
{
    uint32_t *blockers = memory_array((size_t)c->rec->threads + 1, sizeof *blockers);

    for (uint32_t t = 0; t <= c->rec->threads; t++) {
        uint64_t wanted = c->m.threads[t].wanted;

        blockers[t] = MAP_NONE;
        for (uint32_t i = 0; wanted && i < c->m.lock_count; i++) {
            const struct model_lock *lock = &c->m.locks[i];

            if (lock_of(lock->number) == lock_of(wanted) && holds_on(c, lock) && c->m.threads[lock->holder].wanted)
                blockers[t] = lock->holder;
        }
    }
    return blockers;
}

/* "thread 3 waits for lock 2 of thread 4, which waits for ...", and marks them as told. */
static void tell_threads(struct check *c, uint32_t *blockers, uint32_t start)
{
    const struct model_frame *poll = model_inside(&c->m, start, TRACE_TASK_POLL_BEGIN);
    char words[300];
    size_t used = (size_t)snprintf(words, sizeof words, "thread %u", start);
    uint32_t at = start;

    do {
        uint32_t next = blockers[at];

        if (used < sizeof words)
            used += (size_t)snprintf(words + used, sizeof words - used, "%s waits for lock %u of thread %u",
                                     at == start ? "" : ", which", lock_of(c->m.threads[at].wanted), next);
        blockers[at] = MAP_NONE;
        at = next;
    } while (at != start);
    complain(c, c->m.threads[start].wanted_at, poll ? poll->task : 0, "%s: none of them can ever go on", words);
}

/* ---- workers that are all blocked at locks of tasks which only they could poll */

/* The suspended task that took the lock which the thread waits for; NULL: none, it is another thread's to give back. */
static const struct model_task *suspended_holder(const struct check *c, uint32_t thread)
{
    uint64_t wanted = c->m.threads[thread].wanted;

    for (uint32_t i = 0; wanted && i < c->m.lock_count; i++) {
        const struct model_lock *lock = &c->m.locks[i];

        if (lock_of(lock->number) == lock_of(wanted) && lock->holder && !holds_on(c, lock))
            return model_task(&c->m, lock->task);
    }
    return NULL;
}

/* Whether each thread that takes tasks in that runtime waits for a lock of one of its suspended tasks. A worker that has
 * not begun yet could still come and poll them. */
static bool all_are_blocked(const struct check *c, uint32_t runtime)
{
    uint32_t workers = 0;

    for (uint32_t t = 0; t <= c->rec->threads; t++) {
        const struct model_thread *thread = &c->m.threads[t];
        const struct model_task *holder = suspended_holder(c, t);

        workers += c->rec->thread_workers[t] > 0;
        if (thread->takes && thread->runtime == runtime && !(holder && holder->runtime == runtime))
            return false;
    }
    return workers >= c->rec->workers;
}

static void deadlocked_workers(struct check *c)
{
    for (uint32_t t = 0; t <= c->rec->threads; t++) {
        const struct model_thread *thread = &c->m.threads[t];
        const struct model_task *holder = suspended_holder(c, t);
        char name[DESCRIBE_SIZE];

        if (holder && thread->takes && thread->runtime == holder->runtime && all_are_blocked(c, holder->runtime))
            complain(c, thread->wanted_at, holder->number,
                     "%s waits for lock %u, which task %u has and is suspended with; and nobody is left to poll it",
                     describe_thread(c->rec, t, name, sizeof name), lock_of(thread->wanted), holder->number);
    }
}

static void deadlocked_threads(struct check *c)
{
    uint32_t *blockers = blockers_of(c);

    for (uint32_t t = 0; t <= c->rec->threads; t++)
        if (blockers[t] != MAP_NONE && in_cycle(blockers, c->rec->threads + 1, t))
            tell_threads(c, blockers, t);
    free(blockers);
}

void rule_deadlock_end(struct check *c)
{
    uint32_t *joins = joins_of(c);

    for (uint32_t i = 0; i < c->m.task_count; i++)
        if (joins[i] != MAP_NONE && in_cycle(joins, c->m.task_count, i))
            tell_cycle(c, joins, i);
    free(joins);
    deadlocked_threads(c);
    deadlocked_workers(c);
}
