/* Two workers. One of them polls a task, another thread wakes it twice, and a third waits for its end and takes the
 * finished future. The task must come to see what was written before each wake, and the taker what the task has written.
 *
 * The parts are relaxed, as in wake.c: only the wakes themselves say that they were written before the poll that follows.
 */
#include "explore.h"

#include "runtime.h"

#include <pthread.h>
#include <stdatomic.h>

enum { PARTS = 2 };

struct parts {
    struct future base;
    pthread_t thread;
    unsigned output;
};

static atomic_uint parts_ready;
static struct waker waker;

static void *finish_parts(void *arg)
{
    atomic_store_explicit(&parts_ready, 1, memory_order_relaxed);
    waker_wake_by_ref(&waker);
    atomic_store_explicit(&parts_ready, PARTS, memory_order_relaxed);
    waker_wake(waker);
    return arg;
}

static enum poll parts_poll(struct future *f, struct context *cx)
{
    struct parts *self = (struct parts *)f;

    if (f->phase == FUTURE_FRESH) {
        waker = waker_clone(cx->waker);
        pthread_create(&self->thread, NULL, finish_parts, NULL);
    }
    self->output = atomic_load_explicit(&parts_ready, memory_order_relaxed);
    return self->output == PARTS ? POLL_READY : POLL_PENDING;
}

FUTURE_TYPE(parts, parts_poll, NULL);

void model_run(void)
{
    struct runtime rt;
    struct parts f = {.output = 0};

    explorer_calm(true);
    EXPECT(runtime_init(&rt, 2) == 0);
    explorer_calm(false);
    future_init(&f.base, &parts_type);
    EXPECT(runtime_block_on(&rt, &f) == 0);
    EXPECT(f.output == PARTS);
    pthread_join(f.thread, NULL);
    explorer_calm(true);
    future_drop(&f.base);
    runtime_destroy(&rt);
}
