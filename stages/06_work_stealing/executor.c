/* How idle workers come by the work of busy ones.
 *
 * A task that is woken or spawned on a worker goes to that worker's `lifo`, and the one that was there moves on to the
 * ring, where others may steal it. Then somebody may have to be woken for it, and that is expensive: idle.c says when it
 * is done, and why nothing is lost. The worker asks at once if a glance says that somebody sleeps, and once more, for
 * certain, before its next poll. So a task waits in a ring behind a busy worker while another sleeps only if it was put
 * there in the very moment in which the other went to sleep, and then until the end of that one poll.
 *
 * Fairness: a task that always wakes the same other one would keep both in `lifo` for ever, so after LIFO_LIMIT of them
 * the ring has its turn. Tasks that always give way would keep the ring full, so every LOOK_EVERY tasks the worker takes
 * one from the injection queue and looks into its reactor. And a task that never gives way has its budget (budget_spend).
 *
 * Designs that were rejected:
 *   Wake a worker for each task that is spawned or woken. On its own core that costs more than most polls.
 *   Put everything into the ring. Two tasks that talk to each other would move to another worker and back at each word,
 *   and take their data along.
 *   Let others steal from `lifo`, too. Then each wake costs an atomic exchange; and what was woken last will run next.
 *   Take one task at a time from the ring. It is the same for thieves while there are few, as `hand` takes only the
 *   sixteenth part; and when there are many it saves a read-modify-write for most of them. */
#include "executor.h"

#include "runtime.h"
#include "trace.h"

#include <errno.h>

enum {
    LOOK_EVERY = 61, /* a prime, so that no rhythm of tasks is in step with it */
    LIFO_LIMIT = 3,
};

_Static_assert(RING_CAPACITY / HAND_SIZE <= HAND_SIZE, "what is taken from the ring at once fits in hand");

_Thread_local struct executor *executor_here;
_Thread_local unsigned budget_left;

int executor_init(struct executor *ex, struct runtime *rt, unsigned number)
{
    *ex = (struct executor){.runtime = rt, .number = number, .random = number + 1, .slab = slab_new(rt)};
    if (!ex->slab)
        return -ENOMEM;
    ex->lifo_id = queue_new_id();
    ring_init(&ex->ring);
    int error = reactor_init(&ex->reactor, rt);
    if (error)
        slab_close(ex->slab);
    return error;
}

void executor_destroy(struct executor *ex)
{
    reactor_destroy(&ex->reactor);
    slab_close(ex->slab);
}

/* Only the worker writes its counters, so no read-modify-write is needed. relaxed: they order nothing; no partner. */
static void count(_Atomic uint64_t *counter, uint64_t more)
{
    uint64_t now = atomic_load_explicit(counter, memory_order_relaxed);
    atomic_store_explicit(counter, now + more, memory_order_relaxed);
}

/* There is no budget left; or nobody counts. */
bool budget_ask(struct context *cx)
{
    if (!executor_here || !executor_here->polling)
        return true;
    waker_wake_by_ref(cx->waker);
    return false;
}

/* --- into the queues --- */

static void executor_call(struct executor *ex)
{
    if (!idle_call(&ex->runtime->idle))
        return;
    count(&ex->counters.wakes, 1);
    watch_nudge(&ex->runtime->watch);
}

/* Half of the ring, and the task that had no room in it. */
static void executor_overflow(struct executor *ex, struct task *task)
{
    struct task *batch[RING_CAPACITY / 2 + 1];
    uint32_t length = ring_pop(&ex->ring, batch, RING_CAPACITY / 2);

    for (uint32_t i = 0; i < length; i++)
        TRACE(QUEUE_POP, batch[i]->id, ex->ring.id, 0);
    batch[length] = task;
    injection_push(&ex->runtime->injection, batch, length + 1);
    count(&ex->counters.overflows, 1);
}

/* To the back of the ring. */
static void executor_push(struct executor *ex, struct task *task)
{
    if (!ring_push(&ex->ring, task))
        executor_overflow(ex, task);
}

/* Others might take what is in the ring now. To ask for certain can wait until the next poll begins; but this one may
 * take long. */
static void executor_offer(struct executor *ex)
{
    ex->has_offer = true;
    if (idle_seems_callable(&ex->runtime->idle))
        executor_call(ex);
}

static struct task *executor_take_lifo(struct executor *ex)
{
    struct task *task = ex->lifo;

    if (task)
        TRACE(QUEUE_POP, task->id, ex->lifo_id, 0);
    ex->lifo = NULL;
    return task;
}

/* It comes next. What was to come next waits in the ring, where others might take it. */
static void executor_set_lifo(struct executor *ex, struct task *task)
{
    struct task *older = executor_take_lifo(ex);

    TRACE(QUEUE_PUSH, task->id, ex->lifo_id, 1);
    ex->lifo = task;
    if (!older)
        return;
    executor_push(ex, older);
    executor_offer(ex);
}

/* What the task in whose poll we are spawns or wakes is likely to need what is in the cache now. What becomes ready
 * otherwise, by an event or by the end of a task, has to queue up. */
void executor_adopt(struct executor *ex, struct task *task)
{
    if (ex->polling) {
        executor_set_lifo(ex, task);
    } else {
        executor_push(ex, task);
        ex->has_offer = true;
    }
}

/* On a thread that is none of the runtime's: all under one lock, as the runtime may be gone as soon as it is free. */
static void queue_from_outside(struct runtime *rt, struct task *task)
{
    pthread_mutex_lock(&rt->injection.lock);
    injection_push_locked(&rt->injection, task);
    runtime_call(rt);
    pthread_mutex_unlock(&rt->injection.lock);
}

void executor_queue(struct task *task)
{
    struct runtime *rt = slab_runtime(task);

    if (executor_here && executor_here->runtime == rt)
        executor_adopt(executor_here, task);
    else
        queue_from_outside(rt, task);
}

/* --- out of the queues --- */

static struct task *executor_take_hand(struct executor *ex)
{
    if (ex->hand_next == ex->hand_count) {
        uint32_t share = ring_length(&ex->ring) / HAND_SIZE;
        ex->hand_count = ring_pop(&ex->ring, ex->hand, share ? share : 1);
        ex->hand_next = 0;
    }
    if (ex->hand_next == ex->hand_count)
        return NULL;
    struct task *task = ex->hand[ex->hand_next++];
    TRACE(QUEUE_POP, task->id, ex->ring.id, ring_length(&ex->ring) + ex->hand_count - ex->hand_next);
    return task;
}

/* What is in lifo has had its turns: it goes to where others might take it. Not inlined, as that makes every task dearer
 * by a nanosecond. */
static __attribute__((noinline)) void executor_end_streak(struct executor *ex)
{
    executor_push(ex, executor_take_lifo(ex));
    ex->has_offer = true;
}

static struct task *executor_take_own(struct executor *ex)
{
    if (ex->lifo && ex->lifo_streak++ < LIFO_LIMIT)
        return executor_take_lifo(ex);
    ex->lifo_streak = 0;
    if (ex->lifo)
        executor_end_streak(ex);
    return executor_take_hand(ex);
}

/* This worker's share of the injection queue: one task is returned, the rest goes into the ring, which is empty. */
static struct task *executor_take_injected(struct executor *ex)
{
    struct runtime *rt = ex->runtime;
    struct task *batch[RING_CAPACITY / 2];
    uint32_t share = injection_length(&rt->injection) / rt->worker_count + 1;
    uint32_t got = injection_pop(&rt->injection, batch, share < RING_CAPACITY / 2 ? share : RING_CAPACITY / 2);

    for (uint32_t i = 1; i < got; i++)
        executor_push(ex, batch[i]);
    ex->has_offer |= got > 1;
    return got ? batch[0] : NULL;
}

/* Xorshift: who is asked first should not always be the same, that is all. */
static unsigned executor_random(struct executor *ex)
{
    ex->random ^= ex->random << 13;
    ex->random ^= ex->random >> 17;
    ex->random ^= ex->random << 5;
    return ex->random;
}

static struct task *executor_steal(struct executor *ex)
{
    struct runtime *rt = ex->runtime;
    unsigned first = executor_random(ex);

    for (unsigned i = 0; i < rt->worker_count; i++) {
        struct executor *victim = &rt->workers[(first + i) % rt->worker_count].executor;
        uint32_t stolen = victim == ex ? 0 : ring_steal(&victim->ring, &ex->ring);
        count(&ex->counters.steals, stolen);
        if (stolen)
            return executor_take_hand(ex);
    }
    return NULL;
}

/* At most half of the workers search at the same time. */
static struct task *executor_search(struct executor *ex)
{
    struct runtime *rt = ex->runtime;

    if (!ex->searching)
        ex->searching = idle_search(&rt->idle, (rt->worker_count + 1) / 2);
    return ex->searching ? executor_steal(ex) : NULL;
}

/* Having found something. Work that came up meanwhile called nobody, as we searched: so look once more. */
static void executor_end_search(struct executor *ex)
{
    if (!ex->searching)
        return;
    ex->searching = false;
    idle_found(&ex->runtime->idle);
    if (runtime_has_work(ex->runtime))
        executor_call(ex);
}

/* Unless there is work after all; or the end, if that is news: executor_drain sleeps here, too. */
static void executor_sleep(struct executor *ex)
{
    struct runtime *rt = ex->runtime;

    idle_sleep(&rt->idle, ex->searching);
    if (!runtime_has_work(rt) && injection_is_closed(&rt->injection) == ex->closing) {
        count(&ex->counters.parks, 1);
        watch_wait(&rt->watch, ex);
    }
    ex->searching = idle_wake(&rt->idle);
}

/* Its own queues are empty. NULL: the runtime is closed. */
static struct task *executor_find(struct executor *ex)
{
    struct task *task = NULL;

    ex->closing = injection_is_closed(&ex->runtime->injection);
    while (!task && !ex->closing) {
        task = executor_take_injected(ex);
        if (!task)
            task = executor_search(ex);
        if (!task) {
            executor_sleep(ex);
            task = executor_take_own(ex);
            ex->closing = injection_is_closed(&ex->runtime->injection);
        }
    }
    executor_end_search(ex);
    return task;
}

/* --- running --- */

/* Now and then: what the kernel has, and the injection queue before the own ones. */
static struct task *executor_look_outside(struct executor *ex)
{
    struct task *task;

    reactor_glance(&ex->reactor);
    ex->closing = injection_is_closed(&ex->runtime->injection);
    return injection_pop(&ex->runtime->injection, &task, 1) ? task : NULL;
}

/* The next task, sleeping until there is one. NULL: there will be none. */
static struct task *executor_next(struct executor *ex)
{
    struct task *task = ++ex->ticks % LOOK_EVERY == 0 ? executor_look_outside(ex) : NULL;

    if (!task)
        task = executor_take_own(ex);
    if (!task)
        task = executor_find(ex);
    if (ex->has_offer && ring_length(&ex->ring) > 0)
        executor_call(ex);
    ex->has_offer = false;
    return task;
}

/* It has given way: to the back of the ring. Two that always give way should not stay here while somebody sleeps; a
 * glance is enough for that, as they come back. If it is alone, the way into the ring and back is not necessary. */
static void executor_requeue(struct executor *ex, struct task *task)
{
    if (ex->lifo || ex->hand_next < ex->hand_count || ring_length(&ex->ring) > 0) {
        executor_push(ex, task);
        if (idle_seems_callable(&ex->runtime->idle))
            executor_call(ex);
        return;
    }
    TRACE(QUEUE_PUSH, task->id, ex->ring.id, 1);
    ex->hand[0] = task;
    ex->hand_next = 0;
    ex->hand_count = 1;
}

static void executor_step(struct executor *ex, struct task *task)
{
    enum task_outcome outcome = task_run(task, ex);

    count(&ex->counters.polls, 1);
    if (outcome == TASK_IS_WOKEN)
        executor_requeue(ex, task);
}

void executor_run(struct executor *ex)
{
    struct task *task;

    executor_here = ex;
    while (!ex->closing && (task = executor_next(ex)))
        executor_step(ex, task);
    while ((task = executor_take_own(ex)))
        injection_push(&ex->runtime->injection, &task, 1);
    executor_here = NULL;
}

/* --- the end --- */

static void abort_and_count(struct task *task, void *alive)
{
    task_abort(task, SITE(""));
    ++*(unsigned *)alive;
}

static unsigned abort_all(struct runtime *rt)
{
    unsigned alive = 0;

    for (unsigned i = 0; i < rt->worker_count; i++)
        slab_each(rt->workers[i].executor.slab, abort_and_count, &alive);
    slab_each(rt->injection.slab, abort_and_count, &alive);
    return alive;
}

/* A task that another thread is just about to queue comes a moment later: so sleep until it calls. */
void executor_drain(struct executor *ex)
{
    unsigned alive = abort_all(ex->runtime);
    struct task *task;

    executor_here = ex;
    while (alive > 0) {
        task = executor_take_own(ex);
        if (!task)
            task = executor_take_injected(ex);
        if (!task)
            executor_sleep(ex);
        else if (task_run(task, ex) == TASK_IS_OVER)
            alive--;
    }
    executor_here = NULL;
}
