/* Two threads wake a task, each when its part is ready, while the executor polls the task, queues it, or sleeps. The
 * task must come to see both parts.
 *
 * The parts are relaxed: only the wakes themselves say that they were written before the poll that follows. So a wake
 * that is dropped, and one that does not publish what came before it, both end in a task that nobody polls again. */
#include "explore.h"

#include "executor.h"

#include <pthread.h>
#include <stdatomic.h>

enum { THREADS = 2 };

struct parts {
    struct future base;
    pthread_t threads[THREADS];
    struct waker wakers[THREADS];
};

static atomic_bool part_ready[THREADS];
static struct parts *task; /* where it lies while it runs */

static void *finish_part(void *arg)
{
    atomic_bool *part = arg;

    atomic_store_explicit(part, true, memory_order_relaxed);
    waker_wake(task->wakers[part - part_ready]);
    return NULL;
}

static enum poll parts_poll(struct future *f, struct context *cx)
{
    unsigned ready = 0;

    if (f->phase == FUTURE_FRESH) {
        task = (struct parts *)f;
        for (int i = 0; i < THREADS; i++) {
            task->wakers[i] = waker_clone(cx->waker);
            pthread_create(&task->threads[i], NULL, finish_part, &part_ready[i]);
        }
    }
    for (int i = 0; i < THREADS; i++)
        ready += atomic_load_explicit(&part_ready[i], memory_order_relaxed);
    return ready == THREADS ? POLL_READY : POLL_PENDING;
}

FUTURE_TYPE(parts, parts_poll, NULL);

void model_run(void)
{
    struct executor ex;
    struct parts f = {.base = {0}};

    executor_init(&ex);
    future_init(&f.base, &parts_type);
    executor_block_on(&ex, &f);
    for (int i = 0; i < THREADS; i++)
        pthread_join(f.threads[i], NULL);
    future_drop(&f.base);
    executor_destroy(&ex);
}
