/* Tokio's own scheduler workloads: nobody joins the tasks, the last one says that all are done. */
#include "tally.h"
#include "tasks.h"
#include "workloads.h"

void tally_run(struct runtime *rt, struct work *work, uint64_t tasks, const struct future_type *root_type)
{
    struct tally tally = {.left = tasks, .n = work->n};

    sem_init(&tally.done, 0, 0);
    uint64_t began = clock_ns();
    struct detached root = detached(root_type, &tally, 0);
    must(runtime_block_on(rt, &root), "block_on");
    host_wait(rt, &tally.done);
    work->value = (double)(clock_ns() - began) / (double)work->n;
    work->unit = "ns/task";
    work->checksum = atomic_load_explicit(&tally.sum, memory_order_relaxed);
    future_drop(&root.base);
    sem_destroy(&tally.done);
}

/* --- rt_spawn_many --- */

static enum poll adder_poll(struct future *f, struct context *cx)
{
    struct detached *self = (struct detached *)f;

    (void)cx;
    tally_add(self->tally, result(self->i));
    return POLL_READY;
}

FUTURE_TYPE(adder, adder_poll, NULL);

static enum poll spawn_many_poll(struct future *f, struct context *cx)
{
    struct tally *tally = ((struct detached *)f)->tally;

    (void)cx;
    for (uint64_t i = 0, n = tally->n; i < n; i++) {
        struct detached new = detached(&adder_type, tally, i);
        must(task_spawn(runtime_current(), &new, NULL), "task_spawn");
    }
    return POLL_READY;
}

FUTURE_TYPE(spawn_many, spawn_many_poll, NULL);

static void rt_spawn_many_on(struct runtime *rt, struct work *work)
{
    tally_run(rt, work, work->n, &spawn_many_type);
}

void rt_spawn_many(struct work *work)
{
    host_run(work, rt_spawn_many_on);
}

/* --- rt_yield_many --- */

enum { YIELDING_TASKS = 200 };

struct giving_way {
    struct future base;
    struct tally *tally;
    struct turns turns;
};

static enum poll giving_way_poll(struct future *f, struct context *cx)
{
    struct giving_way *self = (struct giving_way *)f;

    if (turns_take(&self->turns, cx) == POLL_PENDING)
        return POLL_PENDING;
    tally_add(self->tally, self->tally->n);
    return POLL_READY;
}

FUTURE_TYPE(giving_way, giving_way_poll, NULL);

static enum poll yield_many_poll(struct future *f, struct context *cx)
{
    struct tally *tally = ((struct detached *)f)->tally;

    (void)cx;
    for (int i = 0; i < YIELDING_TASKS; i++) {
        struct giving_way new = {.tally = tally, .turns.left = tally->n};
        future_init(&new.base, &giving_way_type);
        must(task_spawn(runtime_current(), &new, NULL), "task_spawn");
    }
    return POLL_READY;
}

FUTURE_TYPE(yield_many, yield_many_poll, NULL);

static void rt_yield_many_on(struct runtime *rt, struct work *work)
{
    tally_run(rt, work, YIELDING_TASKS, &yield_many_type);
    work->value /= YIELDING_TASKS;
    work->unit = "ns/yield";
}

void rt_yield_many(struct work *work)
{
    host_run(work, rt_yield_many_on);
}

/* --- rt_chained_spawn --- */

static enum poll link_poll(struct future *f, struct context *cx);

FUTURE_TYPE(link, link_poll, NULL);

static enum poll link_poll(struct future *f, struct context *cx)
{
    struct detached *self = (struct detached *)f;
    struct tally *tally = self->tally;

    (void)cx;
    if (self->i + 1 < tally->n) {
        struct detached next = detached(&link_type, tally, self->i + 1);
        must(task_spawn(runtime_current(), &next, NULL), "task_spawn");
    }
    tally_add(tally, result(self->i));
    return POLL_READY;
}

static enum poll chain_poll(struct future *f, struct context *cx)
{
    struct detached first = detached(&link_type, ((struct detached *)f)->tally, 0);

    (void)cx;
    must(task_spawn(runtime_current(), &first, NULL), "task_spawn");
    return POLL_READY;
}

FUTURE_TYPE(chain, chain_poll, NULL);

static void rt_chained_spawn_on(struct runtime *rt, struct work *work)
{
    tally_run(rt, work, work->n, &chain_type);
}

void rt_chained_spawn(struct work *work)
{
    host_run(work, rt_chained_spawn_on);
}
