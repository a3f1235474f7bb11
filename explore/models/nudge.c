/* The same where the executor sleeps in its reactor, and may be called from there by a timer, a descriptor or a nudge.
 *
 * A thread makes a descriptor readable and then wakes a second task of the executor. Both must be polled again. */
#include "explore.h"

#include "executor.h"
#include "reactor.h"

#include <pthread.h>

struct both {
    struct future base;
    struct waker waker;
    bool begun;
    struct source source;
    pthread_t thread;
};

static atomic_bool part_ready;

static void *call_both(void *arg)
{
    struct both *self = arg;

    explorer_source_ready(self->source.fd);
    atomic_store_explicit(&part_ready, true, memory_order_relaxed);
    waker_wake(self->waker);
    return NULL;
}

static void both_begin(struct both *self, struct context *cx)
{
    self->begun = true;
    source_init(&self->source, explorer_source());
    source_would_block(&self->source, SOURCE_READ);
    self->waker = waker_clone(cx->waker);
    pthread_create(&self->thread, NULL, call_both, self);
}

static enum poll both_poll(struct future *f, struct context *cx)
{
    struct both *self = (struct both *)f;
    int error;

    if (!self->begun)
        both_begin(self, cx);
    if (source_poll_ready(&self->source, SOURCE_READ, f, cx, &error, SITE("")) == POLL_PENDING)
        return POLL_PENDING;
    EXPECT(error == 0);
    if (!atomic_load_explicit(&part_ready, memory_order_relaxed))
        return POLL_PENDING;
    source_close(&self->source, SITE(""));
    return POLL_READY;
}

FUTURE_TYPE(both, both_poll, NULL);

void model_run(void)
{
    struct executor ex;
    struct both f = {.begun = false};

    executor_init(&ex);
    future_init(&f.base, &both_type);
    executor_block_on(&ex, &f);
    executor_destroy(&ex);
    pthread_join(f.thread, NULL);
    future_drop(&f.base);
}
