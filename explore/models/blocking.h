/* For models of the runtime: an event that threads wait for, a task that makes it happen, and one that blocks its worker's
 * thread until it has. */
#ifndef BLOCKING_H
#define BLOCKING_H

#include "explore.h"

#include "runtime.h"

#include <pthread.h>

struct event {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool happened;
};

#define EVENT                                                                                                          \
    {                                                                                                                  \
        PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false                                                     \
    }

static inline void event_happens(struct event *e)
{
    pthread_mutex_lock(&e->lock);
    e->happened = true;
    pthread_cond_broadcast(&e->changed);
    pthread_mutex_unlock(&e->lock);
}

static inline void event_wait(struct event *e)
{
    pthread_mutex_lock(&e->lock);
    while (!e->happened)
        pthread_cond_wait(&e->changed, &e->lock);
    pthread_mutex_unlock(&e->lock);
}

struct step {
    struct future base;
    struct event *event;
};

static enum poll work_poll(struct future *f, struct context *cx)
{
    (void)cx;
    event_happens(((struct step *)f)->event);
    return POLL_READY;
}

static enum poll block_poll(struct future *f, struct context *cx)
{
    (void)cx;
    event_wait(((struct step *)f)->event);
    return POLL_READY;
}

FUTURE_TYPE(work, work_poll, NULL);
FUTURE_TYPE(block, block_poll, NULL);

static inline void spawn(struct runtime *rt, const struct future_type *type, struct event *event)
{
    struct step f = {.event = event};

    future_init(&f.base, type);
    EXPECT(task_spawn(rt, &f, NULL) == 0);
}

#endif
