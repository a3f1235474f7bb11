/* Workloads in which a root spawns many tasks, and joins them in order; the tasks of each are independent. */
#include "crowd.h"
#include "tasks.h"
#include "timer.h"
#include "workloads.h"

#include <stdlib.h>

struct crowd crowd(const struct future_type *type, uint64_t count, uint64_t n)
{
    struct crowd self = {.count = count, .n = n, .handles = subject_alloc_touched(count, sizeof *self.handles)};
    future_init(&self.base, type);
    return self;
}

void crowd_run(struct crowd *self, struct runtime *rt)
{
    must(runtime_block_on(rt, self), "block_on");
    future_drop(&self->base);
    free(self->handles);
}

void crowd_answer(const struct crowd *self, struct work *work, const char *unit, uint64_t per)
{
    work->value = (double)(self->ended - self->began) / (double)per;
    work->unit = unit;
    work->checksum = self->sum;
}

/* --- spawn_join --- */

struct giver {
    struct future base;
    uint64_t i;
    uint64_t output;
};

static enum poll giver_poll(struct future *f, struct context *cx)
{
    struct giver *self = (struct giver *)f;

    (void)cx;
    self->output = result(self->i);
    return POLL_READY;
}

FUTURE_TYPE(giver, giver_poll, NULL);

static int giver_spawn(struct runtime *rt, struct crowd *crowd, uint64_t i)
{
    struct giver new = {.i = i};
    future_init(&new.base, &giver_type);
    return task_spawn(rt, &new, &crowd->handles[i]);
}

static uint64_t giver_output(void *task)
{
    return ((struct giver *)task)->output;
}

static enum poll givers_poll(struct future *f, struct context *cx)
{
    return crowd_poll(f, cx, &(struct crowd_kind){giver_spawn, giver_output});
}

FUTURE_TYPE(givers, givers_poll, NULL);

static void spawn_join_on(struct runtime *rt, struct work *work)
{
    struct crowd root = crowd(&givers_type, work->n, 0);
    crowd_run(&root, rt);
    crowd_answer(&root, work, "ns/task", work->n);
}

void spawn_join(struct work *work)
{
    host_run(work, spawn_join_on);
}

/* --- yields --- */

static int yielder_spawn(struct runtime *rt, struct crowd *crowd, uint64_t i)
{
    struct yielder new = yielder(crowd->n, (i + 1) * crowd->n);
    return task_spawn(rt, &new, &crowd->handles[i]);
}

static uint64_t yielder_output(void *task)
{
    return ((struct yielder *)task)->output;
}

static enum poll yielders_poll(struct future *f, struct context *cx)
{
    return crowd_poll(f, cx, &(struct crowd_kind){yielder_spawn, yielder_output});
}

FUTURE_TYPE(yielders, yielders_poll, NULL);

static void yield_on(struct runtime *rt, struct work *work, uint64_t tasks, uint64_t times, const char *unit)
{
    struct crowd root = crowd(&yielders_type, tasks, times);
    crowd_run(&root, rt);
    crowd_answer(&root, work, unit, tasks * times);
}

static void yield_1_on(struct runtime *rt, struct work *work)
{
    yield_on(rt, work, 1, work->n, "ns/yield");
}

void yield_1(struct work *work)
{
    host_run(work, yield_1_on);
}

static void yield_1000x1000_on(struct runtime *rt, struct work *work)
{
    yield_on(rt, work, 1000, work->n, "ns/yield");
}

void yield_1000x1000(struct work *work)
{
    host_run(work, yield_1000x1000_on);
}

static void context_switch_on(struct runtime *rt, struct work *work)
{
    yield_on(rt, work, 2, work->n / 2, "ns/switch");
}

void context_switch_task(struct work *work)
{
    host_run(work, context_switch_on);
}

/* --- scaling, and imbalance: a little work, and a yield --- */

enum { STEP_ROUNDS = 500 };

struct stepper {
    struct future base;
    uint64_t output;
    uint64_t left;
    struct yield yield;
    enum { STEPPER_NEXT, STEPPER_YIELDING } state;
};

static uint64_t step(uint64_t x)
{
    for (int i = 0; i < STEP_ROUNDS; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
    }
    return x;
}

static enum poll stepper_poll(struct future *f, struct context *cx)
{
    struct stepper *self = (struct stepper *)f;

    for (;;) {
        switch (self->state) {
        case STEPPER_NEXT:
            if (self->left-- == 0)
                return POLL_READY;
            self->output = step(self->output);
            self->yield = yield_now();
            self->state = STEPPER_YIELDING;
            __attribute__((fallthrough));
        case STEPPER_YIELDING:
            if (future_poll(&self->yield.base, cx) == POLL_PENDING)
                return POLL_PENDING;
            future_drop(&self->yield.base);
            self->state = STEPPER_NEXT;
        }
    }
}

FUTURE_TYPE(stepper, stepper_poll, NULL);

static int stepper_spawn(struct runtime *rt, struct crowd *crowd, uint64_t i)
{
    struct stepper new = {.output = i + 1, .left = crowd->n};
    future_init(&new.base, &stepper_type);
    return task_spawn(rt, &new, &crowd->handles[i]);
}

static uint64_t stepper_output(void *task)
{
    return ((struct stepper *)task)->output;
}

static const struct crowd_kind stepper_kind = {stepper_spawn, stepper_output};

static enum poll steppers_poll(struct future *f, struct context *cx)
{
    return crowd_poll(f, cx, &stepper_kind);
}

FUTURE_TYPE(steppers, steppers_poll, NULL);

static void imbalance_on(struct runtime *rt, struct work *work)
{
    struct crowd root = crowd(&steppers_type, 1000, work->n);
    crowd_run(&root, rt);
    crowd_answer(&root, work, "ns/step", 1000 * work->n);
}

void imbalance(struct work *work)
{
    host_run(work, imbalance_on);
}

/* This root finds its tasks spawned, by the main thread. */
static enum poll steppers_join_poll(struct future *f, struct context *cx)
{
    return crowd_join((struct crowd *)f, cx, &stepper_kind);
}

FUTURE_TYPE(steppers_join, steppers_join_poll, NULL);

static void scaling_on(struct runtime *rt, struct work *work)
{
    struct crowd root = crowd(&steppers_join_type, 1000, work->n);
    crowd_spawn(&root, rt, &stepper_kind);
    crowd_run(&root, rt);
    crowd_answer(&root, work, "ns/step", 1000 * work->n);
}

void scaling(struct work *work)
{
    host_run(work, scaling_on);
}

/* --- sleep_100us --- */

static const uint64_t DURATION = 100000; /* ns */

struct sleeper {
    struct future base;
    uint64_t output;
    uint64_t began; /* ns; 0: it does not look at the clock */
    struct sleep sleep;
};

static enum poll sleeper_poll(struct future *f, struct context *cx)
{
    struct sleeper *self = (struct sleeper *)f;

    if (f->phase == FUTURE_FRESH) {
        if (self->began)
            self->began = clock_ns();
        self->sleep = sleep_for(DURATION);
    }
    if (future_poll(&self->sleep.base, cx) == POLL_PENDING)
        return POLL_PENDING;
    future_drop(&self->sleep.base);
    self->output = !self->began || clock_ns() >= self->began + DURATION;
    return POLL_READY;
}

FUTURE_TYPE(sleeper, sleeper_poll, NULL);

static int sleeper_spawn(struct runtime *rt, struct crowd *crowd, uint64_t i)
{
    struct sleeper new = {.began = crowd->n};
    future_init(&new.base, &sleeper_type);
    return task_spawn(rt, &new, &crowd->handles[i]);
}

static uint64_t sleeper_output(void *task)
{
    return ((struct sleeper *)task)->output;
}

static enum poll sleepers_poll(struct future *f, struct context *cx)
{
    return crowd_poll(f, cx, &(struct crowd_kind){sleeper_spawn, sleeper_output});
}

FUTURE_TYPE(sleepers, sleepers_poll, NULL);

static void sleep_on(struct runtime *rt, struct work *work, bool checked)
{
    struct crowd root = crowd(&sleepers_type, work->n, checked);
    crowd_run(&root, rt);
    crowd_answer(&root, work, "ms", 1000000);
    if (root.sum != work->n)
        subject_fail("a sleep that ended early", 0);
}

void sleep_100us(struct work *work)
{
    struct runtime rt;

    must(runtime_init(&rt, work->workers), "runtime_init");
    sleep_on(&rt, work, true);
    sleep_on(&rt, work, false);
    runtime_destroy(&rt);
}
