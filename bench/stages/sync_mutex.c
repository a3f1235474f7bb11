/* Stage 07: locks, for tasks and for threads. */
#include "../contest.h"
#include "async_mutex.h"
#include "crowd.h"
#include "mutex.h"
#include "workloads.h"
#include "yield.h"

/* --- mutex_8tasks --- */

enum { TASKS = 8 };

struct counter {
    struct async_mutex mutex;
    uint64_t value; /* under the mutex */
    bool yields;    /* whoever has counted yields before it unlocks */
};

struct counting {
    struct future base;
    struct counter *counter;
    uint64_t left;
    enum { COUNTING_START, COUNTING_LOCKING, COUNTING_YIELDING } state;
    union {
        struct future future;
        struct async_mutex_lock lock;
        struct yield yield;
    } step;
};

static void counting_lock(struct counting *self)
{
    self->step.lock = async_mutex_lock(&self->counter->mutex);
    self->state = COUNTING_LOCKING;
}

static void counting_yield(struct counting *self)
{
    self->step.yield = yield_now();
    self->state = COUNTING_YIELDING;
}

static enum poll counting_poll(struct future *f, struct context *cx)
{
    struct counting *self = (struct counting *)f;

    if (self->state == COUNTING_START)
        counting_lock(self);
    while (self->left > 0) {
        if (future_poll(&self->step.future, cx) == POLL_PENDING)
            return POLL_PENDING;
        future_drop(&self->step.future);
        if (self->state == COUNTING_LOCKING) {
            self->counter->value++;
            if (self->counter->yields) {
                counting_yield(self);
                continue;
            }
        }
        async_mutex_unlock(&self->counter->mutex);
        if (--self->left > 0)
            counting_lock(self);
    }
    return POLL_READY;
}

FUTURE_TYPE(counting, counting_poll, NULL);

static int counting_spawn(struct runtime *rt, struct crowd *crowd, uint64_t i)
{
    struct counting new = {.counter = crowd->shared, .left = crowd->n};
    future_init(&new.base, &counting_type);
    return task_spawn(rt, &new, &crowd->handles[i]);
}

static uint64_t counting_output(void *task)
{
    (void)task;
    return 0; /* the counter is what counts */
}

static enum poll countings_poll(struct future *f, struct context *cx)
{
    return crowd_poll(f, cx, &(struct crowd_kind){counting_spawn, counting_output});
}

FUTURE_TYPE(countings, countings_poll, NULL);

static void count_together(struct runtime *rt, struct work *work, bool yields)
{
    struct counter counter = {.yields = yields};
    struct crowd root = crowd(&countings_type, TASKS, work->n / TASKS);

    async_mutex_init(&counter.mutex);
    root.shared = &counter;
    crowd_run(&root, rt);
    crowd_answer(&root, work, "ns/lock", work->n);
    work->checksum = counter.value;
    async_mutex_destroy(&counter.mutex);
}

static void mutex_8tasks_on(struct runtime *rt, struct work *work)
{
    count_together(rt, work, false);
}

void mutex_8tasks(struct work *work)
{
    host_run(work, mutex_8tasks_on);
}

static void mutex_8tasks_yield_on(struct runtime *rt, struct work *work)
{
    count_together(rt, work, true);
}

void mutex_8tasks_yield(struct work *work)
{
    host_run(work, mutex_8tasks_yield_on);
}

/* --- the mutex that blocks threads --- */

static struct mutex mutex;

static void count(uint64_t times, uint64_t *counter)
{
    for (uint64_t i = 0; i < times; i++) {
        mutex_lock(&mutex);
        ++*counter;
        mutex_unlock(&mutex);
    }
}

void mutex_1_threads(struct work *work)
{
    contest(work, 1, count);
}

void mutex_2_threads(struct work *work)
{
    contest(work, 2, count);
}

void mutex_8_threads(struct work *work)
{
    contest(work, 8, count);
}
