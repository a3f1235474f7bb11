/* Two threads wake a task of a worker, each when its part is ready, and give their waker up, or keep it until the runtime
 * is gone. The task makes the wakers in its own poll, so the threads may have used them up before that poll has ended.
 *
 * The parts are relaxed: only the wakes say that they were written before the poll that follows (see wake.c). */
#include "explore.h"

#include "runtime.h"

#include <pthread.h>
#include <stdatomic.h>

enum { THREADS = 2 };

struct parts {
    struct future base;
};

static atomic_bool part_ready[THREADS];
static struct waker wakers[THREADS];
static pthread_t threads[THREADS];
static bool keeps_waker; /* the first of them */

static void *finish_part(void *arg)
{
    atomic_bool *part = arg;
    struct waker *waker = &wakers[part - part_ready];

    atomic_store_explicit(part, true, memory_order_relaxed);
    if (keeps_waker && part == part_ready)
        waker_wake_by_ref(waker);
    else
        waker_wake(*waker);
    return NULL;
}

static enum poll parts_poll(struct future *f, struct context *cx)
{
    unsigned ready = 0;

    if (f->phase == FUTURE_FRESH)
        for (int i = 0; i < THREADS; i++) {
            wakers[i] = waker_clone(cx->waker);
            pthread_create(&threads[i], NULL, finish_part, &part_ready[i]);
        }
    for (int i = 0; i < THREADS; i++)
        ready += atomic_load_explicit(&part_ready[i], memory_order_relaxed);
    return ready == THREADS ? POLL_READY : POLL_PENDING;
}

FUTURE_TYPE(parts, parts_poll, NULL);

void model_run(void)
{
    struct runtime rt;
    struct parts f;

    keeps_waker = explorer_choose(2);
    explorer_calm(true);
    EXPECT(runtime_init(&rt, 1) == 0);
    explorer_calm(false);
    future_init(&f.base, &parts_type);
    EXPECT(runtime_block_on(&rt, &f) == 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    explorer_calm(true);
    future_drop(&f.base);
    runtime_destroy(&rt);
    if (keeps_waker)
        waker_drop(wakers[0]);
}
