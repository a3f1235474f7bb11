/* An executor that falls asleep while another thread wakes its task: it sleeps only if the wake is still to come. */
#include "explore.h"

#include "executor.h"

#include <pthread.h>
#include <stdlib.h>

struct visit {
    struct future base;
    struct waker waker;
    pthread_t thread;
    bool begun;
};

static void *wake_it(void *arg)
{
    struct waker *waker = arg;
    waker_wake(*waker);
    return NULL;
}

/* Pending until it is woken; the second poll comes only then. */
static enum poll visit_poll(struct future *f, struct context *cx)
{
    struct visit *self = (struct visit *)f;

    if (self->begun)
        return POLL_READY;
    self->begun = true;
    self->waker = waker_clone(cx->waker);
    pthread_create(&self->thread, NULL, wake_it, &self->waker);
    return POLL_PENDING;
}

FUTURE_TYPE(visit, visit_poll, NULL);

/* The executor is gone as soon as the task is done: the thread that woke it must not touch it any more. */
void model_run(void)
{
    struct executor *ex = malloc(sizeof *ex);
    struct visit f = {.begun = false};

    executor_init(ex);
    future_init(&f.base, &visit_type);
    executor_block_on(ex, &f);
    executor_destroy(ex);
    free(ex);
    pthread_join(f.thread, NULL);
    future_drop(&f.base);
}
