/* Where an idle worker sleeps, while that changes: it goes to sleep, another thread nudges it, and a busy worker makes
 * the first use of its reactor, or nudges as well. The idle one learns of all the work, and of the descriptor, as long as
 * the busy one stays busy. */
#include "explore.h"

#include "runtime.h"

#include <pthread.h>
#include <stdlib.h>

enum { BUSY, IDLE, WORKERS };

static struct runtime rt;
static struct source source;
static atomic_uint work;       /* made by two threads, one each */
static atomic_bool is_noticed; /* the descriptor is ready */

/* relaxed: that it is seen is what a nudge is for */
static void make_work(void)
{
    atomic_fetch_add_explicit(&work, 1, memory_order_relaxed);
    watch_nudge(&rt.watch);
}

static void *nudge(void *arg)
{
    make_work();
    return arg;
}

struct wanted {
    unsigned work;
    bool ready;
};

static void *idle_worker(void *arg)
{
    const struct wanted *wanted = arg;

    while (atomic_load_explicit(&work, memory_order_relaxed) < wanted->work ||
           (wanted->ready && !atomic_load_explicit(&is_noticed, memory_order_relaxed)))
        watch_wait(&rt.watch, &rt.workers[IDLE].executor);
    return NULL;
}

/* The waker of the task that waits for the descriptor. */

static void notice(void *data, const struct site *at)
{
    (void)data, (void)at;
    atomic_store_explicit(&is_noticed, true, memory_order_relaxed);
}

static void forget(void *data, const struct site *at)
{
    (void)data, (void)at;
}

static struct waker copy(void *data, const struct site *at);
static const struct waker_vtable vtable = {copy, notice, notice, forget};

static struct waker copy(void *data, const struct site *at)
{
    (void)data, (void)at;
    return (struct waker){&vtable, NULL};
}

/* As a task of the busy worker does it. */
static void wait_for_source(void)
{
    struct waker waker = {&vtable, NULL};
    struct context cx = {&waker};
    int error;

    executor_here = &rt.workers[BUSY].executor;
    source_would_block(&source, SOURCE_READ);
    EXPECT(source_poll_ready(&source, SOURCE_READ, NULL, &cx, &error, SITE("")) == POLL_PENDING);
    executor_here = NULL;
}

static void begin(void)
{
    rt.worker_count = WORKERS;
    rt.workers = aligned_alloc(_Alignof(struct worker), WORKERS * sizeof *rt.workers);
    for (unsigned i = 0; i < WORKERS; i++) {
        rt.workers[i].parker = (struct parker){0};
        rt.workers[i].executor = (struct executor){.runtime = &rt, .number = i};
        EXPECT(reactor_init(&rt.workers[i].executor.reactor, &rt) == 0);
    }
    EXPECT(watch_init(&rt.watch, &rt) == 0);
    source_init(&source, explorer_source());
}

static void end(void)
{
    source_close(&source, SITE(""));
    watch_destroy(&rt.watch);
    for (unsigned i = 0; i < WORKERS; i++)
        reactor_destroy(&rt.workers[i].executor.reactor);
    free(rt.workers);
}

void model_run(void)
{
    static const struct wanted all[] = {{.work = 1}, {.work = 1, .ready = true}, {.work = 2}};
    struct wanted wanted = all[explorer_choose(3)];
    pthread_t idle, other;

    begin();
    pthread_create(&idle, NULL, idle_worker, &wanted);
    pthread_create(&other, NULL, nudge, NULL);
    if (wanted.work == 2)
        make_work();
    else
        wait_for_source();
    if (wanted.ready)
        explorer_source_ready(source_fd(&source));
    pthread_join(idle, NULL);
    pthread_join(other, NULL);
    end();
}
