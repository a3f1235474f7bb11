/* A thread that runs a future by itself, for models: it polls, sleeps until its waker is used, and polls again.
 *
 * The waker promises what wakers promise, and no more: what came before a wake is seen by the poll that follows. */
#ifndef SLEEPER_H
#define SLEEPER_H

#include "explore.h"

#include "future.h"
#include "futex.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

struct sleeper {
    pthread_t thread;
    bool gives_way; /* it has woken itself */
    _Atomic uint32_t woken;
    atomic_uint wakers; /* clones that were not used up */
};

static inline void sleeper_wake_by_ref(void *data, const struct site *at)
{
    struct sleeper *s = data;

    if (pthread_self() == s->thread) {
        s->gives_way = true;
        return;
    }
    atomic_store_explicit(&s->woken, 1, memory_order_release); /* pairs with sleeper_sleep */
    futex_wake(&s->woken, 1, at);
}

static inline void sleeper_drop(void *data, const struct site *at)
{
    struct sleeper *s = data;

    (void)at;
    EXPECT(atomic_fetch_sub_explicit(&s->wakers, 1, memory_order_relaxed) > 0);
}

static inline void sleeper_wake(void *data, const struct site *at)
{
    sleeper_drop(data, at);
    sleeper_wake_by_ref(data, at);
}

static inline struct waker sleeper_clone(void *data, const struct site *at);

static const struct waker_vtable sleeper_vtable = {sleeper_clone, sleeper_wake, sleeper_wake_by_ref, sleeper_drop};

static inline struct waker sleeper_clone(void *data, const struct site *at)
{
    struct sleeper *s = data;

    (void)at;
    atomic_fetch_add_explicit(&s->wakers, 1, memory_order_relaxed);
    return (struct waker){&sleeper_vtable, s};
}

static inline enum poll sleeper_poll(struct sleeper *s, struct future *f)
{
    struct waker waker = {&sleeper_vtable, s};
    struct context cx = {&waker};

    if (s->thread != pthread_self())
        s->thread = pthread_self();
    return future_poll(f, &cx);
}

static inline void sleeper_sleep(struct sleeper *s)
{
    if (s->gives_way) {
        s->gives_way = false;
        sched_yield();
        return;
    }
    while (atomic_exchange_explicit(&s->woken, 0, memory_order_acquire) == 0)
        futex_wait(&s->woken, 0, FUTEX_NO_DEADLINE, SITE(""));
}

static inline void sleeper_run(struct sleeper *s, struct future *f)
{
    while (sleeper_poll(s, f) == POLL_PENDING)
        sleeper_sleep(s);
}

/* The same, but it is polled a second time without a wake, as a future may be for the sake of another one beside it. */
static inline void sleeper_run_hastily(struct sleeper *s, struct future *f)
{
    if (sleeper_poll(s, f) == POLL_PENDING)
        sleeper_run(s, f);
}

#endif
