/* The executor of one worker: polls the tasks that were woken, one after the other, looks for more with the others when
 * it has none, and sleeps when there are none anywhere.
 *
 * Where its next task comes from, in this order:
 *
 *   lifo    the task that was woken or spawned last, here: what it needs is still in the cache
 *   hand    a few tasks that were taken from the ring at once, so that not each costs an atomic step
 *   ring    tasks of this worker that wait, and that others may steal
 *   the injection queue, a part of it
 *   the ring of another worker, half of it
 *   the watch: what a descriptor or a timer wakes */
#ifndef EXECUTOR_H
#define EXECUTOR_H

#include "reactor.h"
#include "ring.h"
#include "slab.h"
#include "task.h"

struct runtime;

enum { HAND_SIZE = 16, BUDGET_PER_POLL = 128 };

/* How often, since the start. Counted by the worker, read by anybody. */
struct counters {
    _Atomic uint64_t polls;
    _Atomic uint64_t steals;    /* tasks taken from other workers */
    _Atomic uint64_t parks;     /* it slept */
    _Atomic uint64_t wakes;     /* it called another worker */
    _Atomic uint64_t overflows; /* its ring was full */
};

struct executor {
    /* set once */
    struct runtime *runtime;
    unsigned number; /* from 0 */
    struct slab *slab;

    /* its own thread */
    struct task *lifo;
    unsigned lifo_streak; /* tasks that came out of lifo since the last one that did not */
    struct task *hand[HAND_SIZE];
    unsigned hand_next, hand_count;
    struct task *polling; /* the task in whose poll we are */
    unsigned clones;      /* wakers of it that it has made in this poll, and that its word does not count yet */
    bool gave_way;        /* it has woken itself in this poll */
    bool has_offer;       /* something was put into the ring that others might want, and nobody was asked */
    bool searching;
    bool closing;     /* the runtime is being destroyed */
    uint32_t ticks;   /* tasks run */
    uint32_t lifo_id; /* the number of lifo in recordings */
    uint32_t random;

    /* any thread */
    struct ring ring;
    struct reactor reactor;
    struct counters counters;
};

/* 0 or -errno */
int executor_init(struct executor *ex, struct runtime *rt, unsigned number);

/* After its thread has ended, or before it has started; it has no task any more. */
void executor_destroy(struct executor *ex);

/* What a worker thread does: runs tasks until the runtime is closed. The tasks that it has then go to the injection
 * queue. */
void executor_run(struct executor *ex);

/* For the thread that destroys the runtime, in the place of a worker whose thread has ended: aborts all tasks of all
 * workers and of the injection queue, and returns when each has been dropped. */
void executor_drain(struct executor *ex);

/* The executor that runs on this thread, NULL outside of one. */
extern _Thread_local struct executor *executor_here;

static inline struct executor *executor_current(void)
{
    return executor_here;
}

/* Queues a task that was spawned or woken on this executor's thread. */
void executor_adopt(struct executor *ex, struct task *task);

/* Queues a task whose RUNNING the caller has just set. Any thread. */
void executor_queue(struct task *task);

/* What the task in whose poll this thread is may still do, see budget_spend; 0 outside of a poll. */
extern _Thread_local unsigned budget_left;

/* Around the poll of a task. end: has it woken itself meanwhile? */
static inline void executor_begin_poll(struct executor *ex, struct task *task)
{
    ex->polling = task;
    ex->clones = 0;
    ex->gave_way = false;
    budget_left = BUDGET_PER_POLL;
}

static inline bool executor_end_poll(struct executor *ex)
{
    ex->polling = NULL;
    budget_left = 0;
    return ex->gave_way;
}

/* For a wake: is this the task that this thread polls? Then that is noted, and enough. */
static inline bool executor_note_own_wake(const struct task *task)
{
    struct executor *ex = executor_current();

    if (!ex || ex->polling != task)
        return false;
    ex->gave_way = true;
    return true;
}

/* For a clone of a waker: is it made by the task itself, in its own poll? Then the end of the poll will count it; so for
 * most wakers there are, to be counted costs no step of its own. False: it must be counted now. */
static inline bool executor_note_own_clone(const struct task *task)
{
    struct executor *ex = executor_current();

    if (!ex || ex->polling != task || ex->clones == TASK_CLONES_MAX)
        return false;
    ex->clones++;
    return true;
}

/* How much a task may do in one poll. One that always finds something to read would never say Pending, and its worker
 * would run nothing else. So every leaf future that could go on at once spends one unit first. False: there is none left;
 * the task of cx was woken, and the future says Pending. On a thread that is no worker there is no end to it.
 * Source: Tokio's cooperative scheduling (task::coop). */
bool budget_ask(struct context *cx);
static inline bool budget_spend(struct context *cx)
{
    if (budget_left == 0)
        return budget_ask(cx);
    budget_left--;
    return true;
}

#endif
