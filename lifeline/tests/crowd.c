/* Many wakes of few tasks from several threads at once: a correct run whose recording is as tangled as can be. */
#include "executor.h"
#include "join_handle.h"

#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

enum { TASKS = 6, THREADS = 3 };

static struct slot { /* where a task leaves its waker */
    pthread_mutex_t lock;
    struct waker waker;
    bool full;
} slots[TASKS];

static bool stop;

struct bouncer { /* a future that wants to be polled so many times */
    struct future base;
    struct slot *slot;
    unsigned left;
};

static void slot_empty(struct slot *slot)
{
    pthread_mutex_lock(&slot->lock);
    if (slot->full)
        waker_drop(slot->waker);
    slot->full = false;
    pthread_mutex_unlock(&slot->lock);
}

static enum poll bouncer_poll(struct future *f, struct context *cx)
{
    struct bouncer *self = (struct bouncer *)f;

    if (self->left-- == 0)
        return POLL_READY;
    pthread_mutex_lock(&self->slot->lock);
    if (!self->slot->full)
        self->slot->waker = waker_clone(cx->waker);
    self->slot->full = true;
    pthread_mutex_unlock(&self->slot->lock);
    return POLL_PENDING;
}

static void bouncer_drop(struct future *f)
{
    slot_empty(((struct bouncer *)f)->slot);
}

FUTURE_TYPE(bouncer, bouncer_poll, bouncer_drop);

/* A waker out of some slot: the one that lies there, or a clone of it. */
static bool get_waker(unsigned *seed, struct waker *waker)
{
    struct slot *slot = &slots[rand_r(seed) % TASKS];
    bool got;

    pthread_mutex_lock(&slot->lock);
    got = slot->full;
    if (got && rand_r(seed) % 3 == 0) {
        *waker = slot->waker;
        slot->full = false;
    } else if (got) {
        *waker = waker_clone(&slot->waker);
    }
    pthread_mutex_unlock(&slot->lock);
    return got;
}

static void *wake_them(void *arg)
{
    unsigned seed = (unsigned)(size_t)arg;
    struct waker waker;

    while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) { /* relaxed: only to end, nothing is read after it */
        if (!get_waker(&seed, &waker)) {
            sched_yield();
        } else if (rand_r(&seed) % 3 == 0) {
            waker_wake_by_ref(&waker);
            waker_drop(waker);
        } else {
            waker_wake(waker);
        }
    }
    return NULL;
}

int main(int argc, char **argv)
{
    unsigned polls = argc > 1 ? (unsigned)atoi(argv[1]) : 1000;
    struct join_handle handles[TASKS];
    pthread_t threads[THREADS];
    struct executor ex;

    executor_init(&ex);
    for (int i = 0; i < TASKS; i++) {
        struct bouncer bouncer = {.slot = &slots[i], .left = polls};

        pthread_mutex_init(&slots[i].lock, NULL);
        future_init(&bouncer.base, &bouncer_type);
        task_spawn(&ex, &bouncer, &handles[i]);
    }
    for (size_t i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, wake_them, (void *)(i + 1));
    executor_run(&ex);
    __atomic_store_n(&stop, true, __ATOMIC_RELAXED);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < TASKS; i++)
        future_drop(&handles[i].base);
    executor_destroy(&ex);
    return 0;
}
