/* Workloads that measure memory, and those of a runtime that does nothing. */
#include "host.h"
#include "tasks.h"
#include "timer.h"
#include "workloads.h"

#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

/* --- tasks that wait for ever --- */

/* How many of the tasks were polled; all accesses relaxed: a plain counter, which orders nothing. */
static atomic_ullong polled;

static void count_poll(void)
{
    atomic_fetch_add_explicit(&polled, 1, memory_order_relaxed);
}

static uint64_t polled_so_far(void)
{
    return atomic_load_explicit(&polled, memory_order_relaxed);
}

/* The root: spawns the tasks, yields until all were polled, and keeps the handles. */
struct keeper {
    struct future base;
    uint64_t count;
    struct join_handle *handles;
    uint64_t before, after; /* bytes */
    struct yield yield;
};

static inline enum poll keeper_poll(struct future *f, struct context *cx, int (*spawn)(struct keeper *, uint64_t))
{
    struct keeper *self = (struct keeper *)f;

    if (f->phase == FUTURE_FRESH) {
        self->before = anonymous_bytes();
        self->handles = subject_alloc(self->count, sizeof *self->handles);
        for (uint64_t i = 0; i < self->count; i++)
            must(spawn(self, i), "task_spawn");
        self->yield = yield_now();
    }
    while (future_poll(&self->yield.base, cx) == POLL_READY) {
        if (polled_so_far() == self->count) {
            self->after = anonymous_bytes();
            return POLL_READY;
        }
        future_drop(&self->yield.base);
        self->yield = yield_now();
    }
    return POLL_PENDING;
}

static void keeper_run(struct work *work, const struct future_type *type)
{
    struct runtime rt;
    struct keeper root = {.count = work->n};

    future_init(&root.base, type);
    must(runtime_init(&rt, work->workers), "runtime_init");
    must(runtime_block_on(&rt, &root), "block_on");
    work->value = (double)(root.after - root.before) / (double)work->n;
    work->unit = "bytes/task";
    work->checksum = polled_so_far();
    subject_answer(work);
    _exit(0); /* a million tasks still wait */
}

struct forever {
    struct future base;
    uint64_t output;
};

static enum poll forever_poll(struct future *f, struct context *cx)
{
    (void)f;
    (void)cx;
    count_poll();
    return POLL_PENDING;
}

FUTURE_TYPE(forever, forever_poll, NULL);

static int forever_spawn(struct keeper *keeper, uint64_t i)
{
    struct forever new = {.output = 0};
    future_init(&new.base, &forever_type);
    return task_spawn(runtime_current(), &new, &keeper->handles[i]);
}

static enum poll pending_keeper_poll(struct future *f, struct context *cx)
{
    return keeper_poll(f, cx, forever_spawn);
}

FUTURE_TYPE(pending_keeper, pending_keeper_poll, NULL);

void mem_pending(struct work *work)
{
    keeper_run(work, &pending_keeper_type);
}

struct dreamer {
    struct future base;
    uint64_t output;
    struct sleep sleep;
};

static enum poll dreamer_poll(struct future *f, struct context *cx)
{
    struct dreamer *self = (struct dreamer *)f;

    if (f->phase == FUTURE_FRESH) {
        count_poll();
        self->sleep = sleep_for(MILLISECONDS(3600 * 1000));
    }
    if (future_poll(&self->sleep.base, cx) == POLL_PENDING)
        return POLL_PENDING;
    self->output = 1;
    return POLL_READY;
}

FUTURE_TYPE(dreamer, dreamer_poll, NULL);

static int dreamer_spawn(struct keeper *keeper, uint64_t i)
{
    struct dreamer new = {.output = 0};
    future_init(&new.base, &dreamer_type);
    return task_spawn(runtime_current(), &new, &keeper->handles[i]);
}

static enum poll sleeping_keeper_poll(struct future *f, struct context *cx)
{
    return keeper_poll(f, cx, dreamer_spawn);
}

FUTURE_TYPE(sleeping_keeper, sleeping_keeper_poll, NULL);

void mem_sleeping(struct work *work)
{
    keeper_run(work, &sleeping_keeper_type);
}

/* --- an idle runtime --- */

void base_memory(struct work *work)
{
    struct runtime rt;
    uint64_t before = anonymous_bytes();

    must(runtime_init(&rt, work->workers), "runtime_init");
    struct yielder empty = yielder(0, 1);
    must(runtime_block_on(&rt, &empty), "block_on");
    nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
    work->value = (double)(anonymous_bytes() - before);
    work->unit = "bytes";
    work->checksum = empty.output;
    future_drop(&empty.base);
    runtime_destroy(&rt);
}

static void start_and_stop(const struct work *work, uint64_t times)
{
    for (uint64_t i = 0; i < times; i++) {
        struct runtime rt;
        must(runtime_init(&rt, work->workers), "runtime_init");
        runtime_destroy(&rt);
    }
}

void base_time(struct work *work)
{
    start_and_stop(work, 2);
    uint64_t began = clock_ns();
    start_and_stop(work, work->n);
    work->value = (double)(clock_ns() - began) / 1e3 / (double)work->n;
    work->unit = "us";
    work->checksum = work->n;
}
